"""``python -m hrf_ser.export bundle=... format=onnx``: one file from waveform to emotion, compared with the bundle first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hrf_ser.data.corpora import Corpus
    from hrf_ser.data.protocols import Split
    from hrf_ser.deploy.export.equivalence import Example


@entry_point("export", paths=("bundle", "out", "data.root", "data.options.audio_root", "cache_dir"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "export")

    import torch

    from hrf_ser.deploy.bundle import find_bundle, read_description
    from hrf_ser.deploy.export.formats import FORMATS
    from hrf_ser.deploy.export.write import Export, export_bundle

    torch.set_num_threads(1)
    bundle = find_bundle(Path(config.bundle).expanduser())
    if config.out is None:
        name = f"{read_description(bundle)[0].model}{FORMATS[config.format].suffix}"
        out = bundle.resolve().parent / "export" / name
    else:
        out = Path(config.out).expanduser()
    limits = {str(key): float(value) for key, value in config.limits.items() if value is not None}
    settings = Export(bundle, out, config.format, config.int8.mode, float(config.seconds), limits)
    if config.get("data") is None:
        report = export_bundle(settings)
    else:
        audio = CorpusAudio(config, bundle)
        report = export_bundle(settings, audio.examples, audio.calibration)
    show_report(report, out)


class CorpusAudio:
    """The corpus that a bundle was trained on, which its card names, as audio to compare and to calibrate on."""

    def __init__(self, config: DictConfig, bundle: Path) -> None:
        from hrf_ser.config import to_dict
        from hrf_ser.data.corpora import read_corpus
        from hrf_ser.data.transfer import relabel
        from hrf_ser.deploy.bundle import read_description

        description, _ = read_description(bundle)
        self.config, self.card, self.labels = config, description.card, description.labels
        self.corpus: Corpus = read_corpus(config.data.name, config.data.root, **to_dict(config.data.options))
        if classes := self.card.get("classes"):
            self.corpus = relabel(self.corpus, classes)
        unknown = sorted({utterance.label for utterance in self.corpus.utterances} - set(self.labels))
        if unknown:
            raise UserError(
                f"data={config.data.name}: has the class {unknown[0]!r}, which {bundle} does not have; "
                "give the corpus that the bundle was trained on."
            )
        self.calibrates = config.format == "onnx-int8" and config.int8.mode == "static"
        # Checked before minutes of exporting.
        self.split: Split | None = self._split() if config.parity.split == "test" or self.calibrates else None

    def examples(self) -> Iterator[Example]:
        """Utterances to compare on: of the test split, or of the whole corpus."""
        from hrf_ser.deploy.export.equivalence import Example

        parity, utterances = self.config.parity, self.corpus.utterances
        rows = list(self.split.test if parity.split == "test" and self.split else range(len(utterances)))
        for row, waveform in self._read(rows if parity.utterances == "all" else spread(rows, parity.utterances)):
            yield Example(waveform, self.labels.index(utterances[row].label))

    def calibration(self) -> list[NDArray[np.float32]]:
        """Waveforms of training speakers."""
        assert self.split is not None
        rows = calibration_rows(self.corpus, self.split, self.config.int8.calibration)
        return [waveform for _, waveform in self._read(rows)]

    def _split(self) -> Split:
        from hrf_ser.data.protocols import PROTOCOLS, Split, hash_test_speakers, split_corpus
        from hrf_ser.data.transfer import as_joined

        trained_on, fold, protocol = (str(self.card.get(key)) for key in ("corpus", "fold", "protocol"))
        hint = f"parity.split=all{' and another int8.mode' if self.calibrates else ''}"
        if trained_on.endswith(f">{self.corpus.name}"):  # Trained on another corpus: all of this one was tested.
            partition = Split(fold, PROTOCOLS[protocol], (), (), test=tuple(range(len(self.corpus.utterances))))
            tested = hash_test_speakers(as_joined(self.corpus), partition)
        elif trained_on == self.corpus.name:
            partition = split_corpus(self.corpus, fold, protocol, self.card.get("folds", "corpus"))
            tested = hash_test_speakers(self.corpus, partition)
        else:
            raise UserError(
                f"data={self.corpus.name}: the bundle was trained on {trained_on}, so its training speakers are not known; "
                f"give that corpus, or {hint}."
            )
        # Every table is called table, and one that grew has other folds. Cards of earlier versions do not have the hash.
        if self.card.get("test_speakers_hash", tested) != tested:
            raise UserError(
                f"data={self.corpus.name}: fold {fold} of {self.config.data.root} has other test speakers than the bundle's, "
                f"so that it may have trained on them; give the corpus as it was trained on, or {hint}."
            )
        return partition

    def _read(self, rows: list[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Rows and their waveforms; unreadable files are skipped under ``data.on_bad_audio=skip``."""
        from hrf_ser.audio.read import read_audio

        none_read = True
        for row in rows:
            utterance = self.corpus.utterances[row]
            try:
                waveform = read_audio(utterance.path, utterance.start, utterance.end)
            except UserError:
                if self.config.data.on_bad_audio != "skip":
                    raise
                continue
            none_read = False
            yield row, waveform
        if none_read:
            raise UserError(
                f"data={self.corpus.name}: none of the {len(rows)} selected utterances can be read; "
                "see why with data.on_bad_audio=stop, or select others with parity.split=all."
            )


def calibration_rows(corpus: Corpus, partition: Split, count: int) -> list[int]:
    """Rows of training speakers, spread over the training split."""
    tested = {corpus.utterances[row].speaker for row in partition.test}
    rows = [row for row in partition.train if corpus.utterances[row].speaker not in tested]
    if not rows:
        raise UserError(f"{corpus.name}: has no training speaker to calibrate on; use int8.mode=weights or dynamic.")
    return spread(rows, count)


def spread(rows: list[int], count: int) -> list[int]:
    """At most ``count`` of the rows, drawn at random and always the same."""
    import random

    return rows if count >= len(rows) else sorted(random.Random(0).sample(rows, count))


def show_report(report: dict[str, Any], out: Path) -> None:
    """Print the report of a file that was written."""
    compared, latency = report["equivalence"], report["latency"]
    print(f"\n{out}  {report['bytes'] / 1e6:.2f} MB")
    print(
        f"{compared['utterances']:,} {compared['audio']} utterances: {compared['changed_predictions']} predictions changed, "
        f"largest logit difference {compared['max_logit_difference']:.1e}"
    )
    if compared["ua_before"] is not None:
        print(f"UA of the bundle {compared['ua_before']:.4f}, of the file {compared['ua_after']:.4f}")
    print(f"{latency['seconds_of_audio']:g} s of audio on 1 thread:")
    for name, times in latency["milliseconds"].items():
        print(f"  {name:<12}  p50 {times['p50']:.2f} ms, p95 {times['p95']:.2f} ms")
    if report["format"] in ("onnx-int8", "onnx-fp16"):
        ratio = latency["milliseconds"][report["format"]]["p50"] / latency["milliseconds"]["onnx"]["p50"]
        print(f"  {'slower: ' if ratio > 1.05 else ''}{report['format']} takes {ratio:.2f} times as long as onnx here")
    if compared["audio"] == "synthetic":
        print("Compared on synthetic signals: give data= and data.root= to compare on real audio.")


if __name__ == "__main__":
    main()
