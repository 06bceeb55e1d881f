"""Earlier runs that a run builds on: the weights that it starts from (``init_from``), and a teacher (``teacher=run``).

The bundle of the earlier run says which model it is and which speakers it was tested on, so both are checked before torch is
imported.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from pydantic import BaseModel, ValidationError

from hrf_ser.config import to_dict
from hrf_ser.data.corpora import Corpus
from hrf_ser.data.protocols import Split, hash_test_speakers
from hrf_ser.errors import UserError
from hrf_ser.identity import as_typed, differences
from hrf_ser.run_folder import BUNDLE, DESCRIPTION

log = logging.getLogger(__name__)


class EarlierRun(BaseModel):
    """What a bundle's card says of the run that wrote it: what it trained on, and whom it tested."""

    corpus: str
    classes: dict[str, Any] | None
    protocol: str
    folds: str | int
    fold: str
    test_speakers_hash: str
    seed: int
    hrf: bool
    rank: int | float | None
    init_from: EarlierRun | None

    def lineage(self) -> Iterator[EarlierRun]:
        """This run, then the run that its own weights came from, and so on."""
        run: EarlierRun | None = self
        while run is not None:
            yield run
            run = run.init_from


class ModelDescription(BaseModel):
    """A registered model and its options."""

    name: str
    options: dict[str, Any]


class Description(BaseModel):
    """The part of ``bundle.json`` that decides whether weights may be used."""

    model: ModelDescription
    labels: list[str]
    front_end: dict[str, Any]
    normalisation: str
    card: EarlierRun


@dataclass(frozen=True)
class InitialWeights:
    """Weights of an earlier run.

    Attributes:
        key: the setting that names them.
        source: its value.
        path: a bundle's folder, or a checkpoint.
        description: of the model and the run that they come from.
    """

    key: str
    source: str
    path: Path
    description: Description

    @property
    def record(self) -> dict[str, Any]:
        """What this run's record says of the earlier run, and of the one before that."""
        return self.description.card.model_dump()

    def other_corpora(self, corpus: Corpus) -> list[str]:
        """Corpora that the weights were trained on and that are not this run's."""
        names = dict.fromkeys(name for run in self.description.card.lineage() for name in run.corpus.split(">"))
        return [name for name in names if name not in corpus.name.split(">")]


def find_initial_weights(config: DictConfig, corpus: Corpus, split: Split) -> InitialWeights | None:
    """The weights that a run starts from; None where it starts from random ones.

    Raises:
        UserError: no such file, weights of another model, of other classes or features, or of a run that may have trained on
            the test speakers of ``split``.
    """
    if config.get("init_from") is None:
        return None
    weights = _find("init_from", str(config.init_from))
    _check_model(weights, config, corpus)
    _check_speakers(weights, config, corpus, split)
    if others := weights.other_corpora(corpus):
        log.warning(
            "init_from=%s: was trained on %s; test speakers may occur in it", weights.source, " and ".join(others)
        )
    return weights


def find_teacher_run(config: DictConfig, corpus: Corpus, split: Split) -> Path | None:
    """The bundle of the run that teaches; None where the teacher is none of ours.

    Raises:
        UserError: no such bundle, other classes, or a run that may have trained on the test speakers of ``split``.
    """
    if config.get("teacher") is None or config.teacher.name != "run":
        return None
    weights = _find("teacher.path", str(config.teacher.path))
    if not weights.path.is_dir():
        raise UserError(
            f"teacher.path={weights.source}: is a checkpoint; name the folder of a finished run or its bundle/."
        )
    if tuple(weights.description.labels) != corpus.labels:
        raise UserError(
            f"teacher.path={weights.source}: has the classes {', '.join(weights.description.labels)}, and this run has "
            f"{', '.join(corpus.labels)}; name a run with the same classes."
        )
    _check_speakers(weights, config, corpus, split)
    return weights.path


def _find(key: str, source: str) -> InitialWeights:
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(f"{key}={source}: no such file or folder.")
    if path.is_file():
        bundle = path.resolve().parent.parent / BUNDLE
    else:
        path = bundle = path if (path / DESCRIPTION).is_file() else path / BUNDLE
    file = bundle / DESCRIPTION
    if not file.is_file():
        raise UserError(
            f"{key}={source}: there is no {file}, which says what these weights were trained on; "
            "name the folder of a finished run, its bundle/ or a file in its checkpoints/."
        )
    try:
        return InitialWeights(key, source, path, Description.model_validate_json(file.read_bytes()))
    except (OSError, ValidationError) as error:
        raise UserError(
            f"{key}={source}: {file} does not say what its model is and was trained on; name the bundle of another run."
        ) from error


def _check_model(weights: InitialWeights, config: DictConfig, corpus: Corpus) -> None:
    """Refuse weights of another model, of other classes or features."""
    earlier = weights.description
    own = {
        "model": {"name": config.model.name, "options": to_dict(config.model.options)},
        "classes": ", ".join(corpus.labels),
        "features": to_dict(config.features),
    }
    other = {
        "model": earlier.model.model_dump(),
        "classes": ", ".join(earlier.labels),
        "features": {**earlier.front_end, "normalisation": earlier.normalisation},
    }
    for key, first, second in differences(own, other):
        raise UserError(
            f"init_from={weights.source}: is of a model with {key}={as_typed(second)}, and this run has "
            f"{key}={as_typed(first)}; make them equal, or name another run."
        )


def _check_speakers(weights: InitialWeights, config: DictConfig, corpus: Corpus, split: Split) -> None:
    """Refuse weights that may have been trained, in any earlier run, on speakers that this run tests."""
    label_map = config.get("label_map")
    own = {
        "corpus": corpus.name,
        "label_map.classes": None if label_map is None else to_dict(label_map.classes),
        "protocol": split.protocol.name,
        "protocol.folds": config.protocol.folds,
        "fold": split.fold,
        "test_speakers_hash": hash_test_speakers(corpus, split),
    }
    for run in weights.description.card.lineage():
        if not {*run.corpus.split(">")} & {*corpus.name.split(">")}:
            continue
        earlier = {
            "corpus": run.corpus,
            "label_map.classes": run.classes,
            "protocol": run.protocol,
            "protocol.folds": run.folds,
            "fold": run.fold,
            "test_speakers_hash": run.test_speakers_hash,
        }
        for key, first, second in differences(own, earlier):
            raise UserError(
                f"{weights.key}={weights.source}: was trained on {run.corpus} with {key}={as_typed(second)} where this run has "
                f"{key}={as_typed(first)}, so it may have been trained on the test speakers of this run; name a run with the "
                "same test speakers."
            )
