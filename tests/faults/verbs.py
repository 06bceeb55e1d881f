"""The commands of the fault-injection tests, their expected results, and checks for damaged files."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from forking import Ended, Forks

from helpers import TINY, TINY_OPTIONS

TRAIN = (*TINY, f"model.options={TINY_OPTIONS['conv_transformer']}", "hrf=true", "batch_size=8", "callbacks=none")
# Differ between repetitions: dates, durations, paths.
_OWN = {"seconds", "latency", "generated", "latency_ms", "overrides", "file", "folder", "folders", "command", "root"}


@dataclass(frozen=True)
class Verb:
    """A command and its results.

    Attributes:
        verb: of ``python -m hrf_ser.<verb>``.
        words: of its command line; ``{given}`` stands for a folder with a corpus, a cache and a finished run.
        again: words more with which it is started again.
        results: patterns of the files that must come out the same.
        finished: a file that stands once there is nothing left to do; such a command is not started again.
    """

    verb: str
    words: tuple[str, ...]
    results: tuple[str, ...]
    again: tuple[str, ...] = ()
    finished: str | None = None

    def run(self, forks: Forks, given: Path, folder: Path, *more: str, restart: bool = False, **fault: Any) -> Ended:
        """Run it in ``folder``, with words more, or again with what is asked for then."""
        words = (*self.words, *more, *(self.again if restart else ()))
        return forks.run(folder, self.verb, *(word.replace("{given}", str(given)) for word in words), **fault)

    def outcome(self, folder: Path) -> dict[str, object]:
        """What came out: the content of every result, without what differs from time to time."""
        found = {path for pattern in self.results for path in folder.glob(pattern)}
        paths = sorted(path for path in found if not path.name.startswith("."))
        return {str(path.relative_to(folder)): _content(path) for path in paths}


VERBS = {
    "prepare": Verb(
        "prepare",
        ("data=table", "data.root={given}/corpus/table.csv", "cache_dir=cache"),
        ("cache/table/manifest.csv", "cache/table/features/*/*.f32", "cache/table/features/*/index.json"),
    ),
    "train": Verb(
        "train",
        (*TRAIN, "cache_dir={given}/cache", "hydra.run.dir=run"),
        ("run/predictions.csv", "run/history.csv", "run/metrics.json", "run/bundle/model.safetensors"),
        ("ckpt_path=last",),
        "run/metrics.json",
    ),
    "sweep": Verb(
        "train",
        ("-m", *TRAIN, "cache_dir={given}/cache", "hydra.sweep.dir=runs", "fold=1,2"),
        ("runs/*/predictions.csv", "runs/*/history.csv", "runs/*/metrics.json", "runs/*/bundle/model.safetensors"),
        # Runs that failed for want of space.
        ("sweep.retry_failed=true",),
    ),
    "export": Verb("export", ("bundle={given}/run/bundle", "out=out/model.onnx"), ("out/*",)),
    "predict": Verb(
        "predict", ("bundle={given}/run/bundle", "audio={given}/corpus", "out=out/predictions.csv"), ("out/*",)
    ),
    "report": Verb("report", ("runs={given}/run", "out=out", "latency=false"), ("out/*",)),
}


def make_given(folder: Path, cache: Path, forks: Forks) -> Path:
    """A small corpus of tones, a cache with the demo corpus and its features, and a finished run."""
    (folder / "corpus").mkdir(parents=True)
    rows = ["path,label,speaker"]
    for number in range(48):
        label, speaker = "abc"[number % 3], f"s{number % 4}"
        seconds = np.arange(16_000 + 400 * number) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * (200 + 100 * (number % 3) + 5 * number) * seconds)
        soundfile.write(folder / "corpus" / f"{number:02d}.wav", tone, 16_000)
        rows.append(f"{number:02d}.wav,{label},{speaker}")
    (folder / "corpus" / "table.csv").write_text("\n".join(rows) + "\n")
    (folder / "cache").symlink_to(cache)
    ended = VERBS["train"].run(forks, folder, folder)
    assert ended.status == 0, ended.output
    return folder


def moments(operations: int, count: int, seed: int) -> list[tuple[int, float]]:
    """Where to kill: numbers of file operations, and the fraction kept of the file being written."""
    generator = random.Random(seed)
    numbers = generator.sample(range(1, operations + 1), min(count, operations))
    return [(number, generator.choice([1.0, generator.random()])) for number in sorted(numbers)]


def damaged(folder: Path) -> list[str]:
    """Complete names with damaged content."""
    files = [path for path in folder.rglob("*") if path.is_file() and not _in_work(path.relative_to(folder))]
    return [f"{path.relative_to(folder)}: {reason}" for path in files if (reason := _damage(path))]


def leftovers(folder: Path) -> list[str]:
    """Temporary files and folders that were not removed."""
    return [str(path.relative_to(folder)) for path in folder.rglob(".*.new")]


def _in_work(path: Path) -> bool:
    return any(part.endswith((".new", ".partial")) or part == ".hydra" for part in path.parts)


def _damage(path: Path) -> str:
    check = _CHECKS.get(path.suffix)
    try:
        if check is not None:
            check(path)
    except Exception as error:  # whatever a reader makes of half a file
        return f"{type(error).__name__}: {error}"
    return ""


def _json(path: Path) -> None:
    content = json.loads(path.read_text())
    if path.name == "index.json":
        frames = path.with_name("frames.f32").read_bytes()
        assert zlib.crc32(frames) == content["crc32"], "frames differ from their checksum"
    if path.name == "bundle.json":
        from hrf_ser.deploy.bundle import load_bundle

        load_bundle(path.parent)


def _csv(path: Path) -> None:
    text = path.read_text()
    assert text.endswith("\n"), "the last line is cut"
    assert len({len(row) for row in csv.reader(text.splitlines())}) == 1, "rows differ in length"


def _checkpoint(path: Path) -> None:
    from hrf_ser.training.checkpoints import read_checkpoint

    read_checkpoint(path)


def _onnx(path: Path) -> None:
    from hrf_ser.deploy.runtime import Emotion

    Emotion(path)


def _ends(text: str) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        assert path.read_text().rstrip().endswith(text), f"does not end with {text}"

    return check


def _png(path: Path) -> None:
    assert path.read_bytes().endswith(b"IEND\xaeB`\x82"), "the picture is cut"


_CHECKS: dict[str, Callable[[Path], None]] = {
    ".json": _json,
    ".csv": _csv,
    ".ckpt": _checkpoint,
    ".onnx": _onnx,
    ".html": _ends("</html>"),
    ".png": _png,
}


def _content(path: Path) -> object:
    data = path.read_bytes()
    if path.suffix == ".json" and path.name != "index.json":
        return _without(json.loads(data))
    if path.suffix in (".html", ".onnx"):
        # The page holds report.json, which is compared itself; the exporter numbers its nodes as it likes.
        return ""
    return hashlib.sha256(data).hexdigest()


def _without(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key not in _OWN}
    return [_without(item) for item in value] if isinstance(value, list) else value
