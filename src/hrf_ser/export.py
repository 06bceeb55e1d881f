"""``python -m hrf_ser.export bundle=... format=onnx``: one file from waveform to emotion, compared before it is published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hrf_ser.data.corpora import Corpus
    from hrf_ser.data.protocols import Split
    from hrf_ser.deploy.export.parity import Example


@entry_point("export", paths=("bundle", "out", "data.root", "cache_dir"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "export")

    import torch

    from hrf_ser.deploy.export.formats import SUFFIXES
    from hrf_ser.deploy.export.publish import Export, check_place, publish
    from hrf_ser.deploy.export.report import show_report

    torch.set_num_threads(1)
    bundle = Path(config.bundle).expanduser()
    audio = None if config.get("data") is None else CorpusAudio(config, bundle)
    if config.out is None:
        folder = bundle.resolve().parent / "export"
        out = folder / f"{_name(bundle)}{SUFFIXES[config.format]}"
    else:
        out = Path(config.out).expanduser()
    check_place(out)
    limits = {str(key): float(value) for key, value in config.limits.items() if value is not None}
    wanted = Export(bundle, out, config.format, config.stft, config.int8.mode, float(config.seconds), limits)
    report = publish(wanted) if audio is None else publish(wanted, audio.examples, audio.calibration)
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
        unknown = sorted({one.label for one in self.corpus.utterances} - set(self.labels))
        if unknown:
            raise UserError(
                f"data={config.data.name}: has the class {unknown[0]!r}, which {bundle} does not know; "
                "give the corpus that the bundle was trained on."
            )
        knows_speakers = config.parity.split == "test" or (
            config.format == "onnx-int8" and config.int8.mode == "static"
        )
        # Now, and not after minutes of exporting.
        self.split: Split | None = self._split() if knows_speakers else None

    def examples(self) -> Iterator[Example]:
        """Utterances to compare on: of the test part, or of the whole corpus."""
        from hrf_ser.deploy.export.parity import Example

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
        calibrated = self.config.format == "onnx-int8" and self.config.int8.mode == "static"
        remedy = f"parity.split=all{' and another int8.mode' if calibrated else ''}"
        if trained_on.endswith(f">{self.corpus.name}"):  # Trained on another corpus: all of this one was tested.
            divided = Split(fold, PROTOCOLS[protocol], (), (), test=tuple(range(len(self.corpus.utterances))))
            tested = hash_test_speakers(as_joined(self.corpus), divided)
        elif trained_on == self.corpus.name:
            divided = split_corpus(self.corpus, fold, protocol, self.card.get("folds", "corpus"))
            tested = hash_test_speakers(self.corpus, divided)
        else:
            raise UserError(
                f"data={self.corpus.name}: the bundle was trained on {trained_on}, so which speakers it knows is not known; "
                f"give that corpus, or {remedy}."
            )
        # Every table is called table, and one that grew has other folds. Cards of earlier versions do not say whom they test.
        if self.card.get("test_speakers_hash", tested) != tested:
            raise UserError(
                f"data={self.corpus.name}: fold {fold} of {self.config.data.root} tests other speakers than the bundle was "
                f"tested on, so it may have trained on them; give the corpus as it was trained on, or {remedy}."
            )
        return divided

    def _read(self, rows: list[int]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Rows and their waveforms, without those that are to be skipped."""
        from hrf_ser.audio.read import read_audio

        none_read = True
        for row in rows:
            one = self.corpus.utterances[row]
            try:
                waveform = read_audio(one.path, one.start, one.end)
            except UserError:
                if self.config.data.on_bad_audio != "skip":
                    raise
                continue
            none_read = False
            yield row, waveform
        if none_read:
            raise UserError(
                f"data={self.corpus.name}: none of the {len(rows)} utterances that are wanted can be read; "
                "see why with data.on_bad_audio=stop, or take others with parity.split=all."
            )


def calibration_rows(corpus: Corpus, divided: Split, count: int) -> list[int]:
    """Rows of training speakers, from all over the training part.

    Raises:
        UserError: a training speaker is tested, too.
    """
    tested = {corpus.utterances[row].speaker for row in divided.test}
    rows = [row for row in divided.train if corpus.utterances[row].speaker not in tested]
    if not rows:
        raise UserError(f"{corpus.name}: has no training speaker to calibrate on; use int8.mode=weights or dynamic.")
    return spread(rows, count)


def spread(rows: list[int], count: int) -> list[int]:
    """At most ``count`` of the rows, drawn at random and always the same."""
    import random

    return rows if count >= len(rows) else sorted(random.Random(0).sample(rows, count))


def _name(bundle: Path) -> str:
    from hrf_ser.deploy.bundle import read_description

    return read_description(bundle)[0].model


if __name__ == "__main__":
    main()
