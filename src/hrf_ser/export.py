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
    from rich.console import Console

    from hrf_ser.data.corpora import Corpus
    from hrf_ser.data.protocols import Split
    from hrf_ser.deploy.export.equivalence import Example


@entry_point("export", paths=("bundle", "out", "data.root", "data.options.audio_root", "cache_dir"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "export")

    import torch

    from hrf_ser.deploy.export.formats import SUFFIXES
    from hrf_ser.deploy.export.write import Export, check_place, export_bundle

    torch.set_num_threads(1)
    bundle = Path(config.bundle).expanduser()
    audio = None if config.get("data") is None else CorpusAudio(config, bundle)
    if config.out is None:
        from hrf_ser.deploy.bundle import read_description

        name = f"{read_description(bundle)[0].model}{SUFFIXES[config.format]}"
        out = bundle.resolve().parent / "export" / name
    else:
        out = Path(config.out).expanduser()
    check_place(out)
    limits = {str(key): float(value) for key, value in config.limits.items() if value is not None}
    settings = Export(bundle, out, config.format, config.stft, config.int8.mode, float(config.seconds), limits)
    report = export_bundle(settings) if audio is None else export_bundle(settings, audio.examples, audio.calibration)
    show_report(report, out)


class CorpusAudio:
    """The corpus that a bundle was trained on, as audio to compare and to calibrate on.

    Args:
        config: with ``data``, ``parity`` and ``int8``.
        bundle: whose card names corpus, classes, fold and protocol.

    Raises:
        UserError: a corpus with other classes; or, where the fold matters, not the bundle's own corpus or
            one that tests other speakers.
    """

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

        rows = list(range(len(self.corpus.utterances)))
        if self.config.parity.split == "test":
            assert self.split is not None
            rows = list(self.split.test)
        wanted = self.config.parity.utterances
        number = {label: index for index, label in enumerate(self.labels)}
        for row, waveform in self._read(rows if wanted == "all" else spread(rows, wanted)):
            yield Example(waveform, number[self.corpus.utterances[row].label])

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
    """Rows of training speakers, spread over the training split.

    Raises:
        UserError: every training speaker is a test speaker, too.
    """
    tested = {corpus.utterances[row].speaker for row in partition.test}
    rows = [row for row in partition.train if corpus.utterances[row].speaker not in tested]
    if not rows:
        raise UserError(f"{corpus.name}: has no training speaker to calibrate on; use int8.mode=weights or dynamic.")
    return spread(rows, count)


def spread(rows: list[int], count: int) -> list[int]:
    """At most ``count`` of the rows, drawn at random and always the same."""
    import random

    return rows if count >= len(rows) else sorted(random.Random(0).sample(rows, count))


def remarks(report: dict[str, Any]) -> list[str]:
    """Caveats of the numbers."""
    found = []
    if report["equivalence"]["audio"] == "synthetic":
        found.append("compared on synthetic signals, not on real audio: give data= and data.root= for that")
    times = report["latency"]["milliseconds"]
    name = report["format"]
    if name in ("onnx-int8", "onnx-fp16"):
        ratio = times[name]["p50"] / times["onnx"]["p50"]
        speed = f"{name} takes {ratio:.2f} times as long as onnx here"
        found.append(f"slower: {speed}" if ratio > 1.05 else speed)
    return found


def show_report(report: dict[str, Any], out: Path, console: Console | None = None) -> None:
    """Print the report of a file that was written."""
    from rich.console import Console
    from rich.table import Table

    console = console or Console()
    compared, latency = report["equivalence"], report["latency"]
    console.print(f"\n[bold]{out}[/]  {report['bytes'] / 1e6:.2f} MB", highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("compared on", f"{compared['utterances']:,} {compared['audio']} utterances")
    table.add_row("largest logit difference", f"{compared['max_logit_difference']:.1e}")
    table.add_row("changed predictions", str(compared["changed_predictions"]))
    if compared["ua_before"] is not None:
        table.add_row("UA of the bundle, the file", f"{compared['ua_before']:.4f}, {compared['ua_after']:.4f}")
    for name, times in latency["milliseconds"].items():
        table.add_row(
            f"{latency['seconds_of_audio']:g} s of audio, 1 thread: {name}",
            f"p50 {times['p50']:.2f} ms, p95 {times['p95']:.2f} ms",
        )
    console.print(table)
    for sentence in remarks(report):
        console.print(f"[yellow]{sentence}[/]", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
