"""Fuzz targets for files of corpora: audio, labels, tables."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import releases_crema_d
import releases_daic_woz
import releases_iemocap
import releases_m3ed
import soundfile
from fuzz_harness import Target
from fuzz_mutators import mutate, mutate_json

from hrf_ser.audio.read import duration, read_audio
from hrf_ser.data.corpora import Corpus, read_corpus
from hrf_ser.data.corpora.files import wav_seconds
from hrf_ser.deploy.runtime.audio import open_audio
from hrf_ser.errors import UserError

Prepared = tuple[Callable[[random.Random], bytes], Callable[[bytes], None], str]
_SUBTYPES = {
    "wav": (
        *(("PCM_16", "WAV"), ("FLOAT", "WAV"), ("PCM_U8", "WAV")),
        *(("PCM_24", "WAVEX"), ("ULAW", "WAV"), ("IMA_ADPCM", "WAV")),
    ),
    "flac": (("PCM_16", "FLAC"), ("PCM_24", "FLAC")),
    "ogg": (("VORBIS", "OGG"), ("OPUS", "OGG")),
    "mp3": (("MPEG_LAYER_III", "MP3"),),
}


def _recordings(suffix: str) -> list[bytes]:
    rng = np.random.default_rng(0)
    files = []
    for subtype, kind in _SUBTYPES[suffix]:
        for rate, channels, seconds in ((16_000, 1, 0.3), (48_000 if subtype == "OPUS" else 44_100, 2, 0.1)):
            buffer = io.BytesIO()
            soundfile.write(buffer, rng.normal(0, 0.1, (round(rate * seconds), channels)), rate, subtype, format=kind)
            files.append(buffer.getvalue())
    return files


def _audio(suffix: str, read: Callable[[Path], None]) -> Callable[[Path], Prepared]:
    def prepare(folder: Path) -> Prepared:
        seeds, path = _recordings(suffix), folder / f"bad.{suffix}"

        def attempt(data: bytes) -> None:
            path.write_bytes(data)
            read(path)

        return lambda rng: mutate(seeds, rng, text=False), attempt, path.name

    return prepare


def _for_training(path: Path) -> None:
    if path.suffix == ".wav":
        wav_seconds(path)
    samples = read_audio(path)
    assert samples.ndim == 1
    assert np.isfinite(samples).all()
    assert len(samples) >= 0.04 * 16_000
    assert duration(path) > 0


def _in_the_runtime(path: Path) -> None:
    with open_audio(path, None, 16_000) as (_, blocks):
        for block in blocks:
            assert block.ndim == 1
            assert np.isfinite(block).all()


def _check(corpus: Corpus) -> None:
    assert corpus.utterances
    assert len({one.utterance for one in corpus.utterances}) == len(corpus.utterances)
    for one in corpus.utterances:
        assert one.label in corpus.labels
        assert all(limit is None or 0 <= limit < math.inf for limit in (one.start, one.end))
        assert one.start is None or one.end is None or one.start < one.end
        # The manifest can be encoded.
        columns = (one.utterance, str(one.path), one.speaker, one.sex, one.group, one.dialog)
        " ".join((*columns, *(text for pair in one.extra for text in pair))).encode()


def _corpus(
    name: str,
    write: Callable[[Path], Path],
    file: str,
    *,
    seeds: int = 1,
    as_json: bool = False,
    options: tuple[dict[str, Any], ...] = ({},),
) -> Callable[[Path], Prepared]:
    """Corrupt the first file that matches the pattern ``file``; the other matches are used for splicing."""

    def prepare(folder: Path) -> Prepared:
        root = write(folder / "release")
        paths = [one for one in sorted(root.rglob(file)) if not one.name.startswith(".")] if root.is_dir() else [root]
        contents = [path.read_bytes() for path in paths[:seeds]]
        content = json.loads(contents[0]) if as_json else None

        def draw(rng: random.Random) -> bytes:
            return mutate_json(content, rng) if as_json and rng.random() < 0.6 else mutate(contents, rng, text=True)

        def attempt(data: bytes) -> None:
            paths[0].write_bytes(data)
            _check(read_corpus(name, root, **options[len(data) % len(options)]))

        return draw, attempt, str(root)

    return prepare


def _daic_woz(folder: Path) -> Path:
    return releases_daic_woz.miniature(folder, without=[373]).root


TABLE = (
    "path,label,speaker,start,end,part,sex,group,dialog,utterance\n"
    'a.wav,happy,s1,0,0.5,train,m,g1,d1,u1\n"b, c.wav",sad,s2,,,val,female,g2,d2,u2\nd.wav,"sa""d",s3,1.5,,test,,,,\n'
)

# As annotation tools and other computers write them.
TOOLS = (
    "path,label,speaker,start,duration,part,channel\n"
    "'a.wav',0.0,1.0,00:00:00.010,0.02,training,1\n.\\d.wav,1.0,2.0,0:00,0 days 00:00:00.03,dev,1\n"
    '"b, c.wav",a;b,3.0,,,testing,2\n%61.wav,1.0,3.0,0.01,0.02,test,2\n'
)


def _table(name: str, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir()
        for audio in ("a.wav", "b, c.wav", "d.wav"):
            soundfile.write(folder / audio, np.full(800, 0.1), 16_000)
        path = folder / name
        path.write_bytes(content)
        return path

    return write


def _jsonl() -> bytes:
    return "\n".join(json.dumps(row) for row in csv.DictReader(io.StringIO(TABLE))).encode()


def _json_object() -> bytes:
    rows = list(csv.DictReader(io.StringIO(TABLE)))
    return json.dumps({f"u{number}": row for number, row in enumerate(rows)}).encode()


def _iemocap(folder: Path) -> Path:
    return releases_iemocap.miniature(folder)


def _archive(folder: Path) -> Prepared:
    """A zip archive, unpacked as after a download; nothing is written outside the target folder."""
    from hrf_ser.data.corpora.download import _unpack

    seeds = []
    for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", packing) as archive:
            for number in range(3):
                archive.writestr(f"Actor_0{number}/03-01-0{number}.wav", bytes(range(256)) * 4)
        seeds.append(buffer.getvalue())
    path, target = folder / "speech.zip", folder / "unpacked" / "here"
    target.parent.mkdir()

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        shutil.rmtree(target, ignore_errors=True)
        try:
            _unpack(path, target)
        except OSError as error:  # invalid file names; the download reports them in one sentence
            raise UserError(f"{path.name}: {error}") from error
        finally:
            assert [one.name for one in target.parent.iterdir()] in ([], ["here"])
            assert {one.name for one in folder.iterdir()} == {"speech.zip", "unpacked"}
        assert sum(one.stat().st_size for one in target.rglob("*") if one.is_file()) <= 100 * len(data)

    return lambda rng: mutate(seeds, rng, text=False), attempt, path.name


TABLES = ({}, {"drop_unlabelled": True}, {"encoding": "latin-1"}, {"columns": {"label": "sex", "group": "dialog"}})
WINDOWS = ({}, {"unit": "window", "hop_s": 0.2, "window_s": 0.2})
TARGETS = [
    *(Target(f"audio.{suffix}", _audio(suffix, _for_training)) for suffix in _SUBTYPES),
    *(Target(f"runtime.{suffix}", _audio(suffix, _in_the_runtime)) for suffix in _SUBTYPES),
    Target("archive.zip", _archive),
    Target("table.csv", _corpus("table", _table("table.csv", TABLE.encode()), "", options=TABLES)),
    Target("table.utf16", _corpus("table", _table("table.txt", TABLE.replace(",", ";").encode("utf-16")), "")),
    Target("table.jsonl", _corpus("table", _table("table.jsonl", _jsonl()), "", options=TABLES)),
    Target("table.json", _corpus("table", _table("table.json", _json_object()), "", options=TABLES)),
    Target(
        "table.tools", _corpus("table", _table("table.csv", TOOLS.encode()), "", options=({}, {"audio_root": "/"}, {}))
    ),
    Target("iemocap.labels", _corpus("iemocap", _iemocap, "EmoEvaluation/*.txt", seeds=4)),
    Target("iemocap.text", _corpus("iemocap", _iemocap, "transcriptions/*.txt", seeds=4)),
    Target("m3ed.annotation", _corpus("m3ed", releases_m3ed.miniature, "annotation.json", as_json=True)),
    Target("m3ed.lists", _corpus("m3ed", releases_m3ed.miniature, "movie_list_train.txt")),
    Target("daic_woz.labels", _corpus("daic_woz", _daic_woz, "train_split_Depression_AVEC2017.csv")),
    Target("daic_woz.transcript", _corpus("daic_woz", _daic_woz, "3*_TRANSCRIPT.csv", seeds=4, options=WINDOWS)),
    Target("crema_d.actors", _corpus("crema_d", releases_crema_d.miniature, "VideoDemographics.csv")),
]
