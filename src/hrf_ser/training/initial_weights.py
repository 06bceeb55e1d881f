"""The weights that a run starts from (``init_from``): of a finished run, of its bundle, or of one of its checkpoints.

The bundle of the earlier run says which model it is and which speakers it was tested on, so both are checked without torch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from hrf_ser.config import to_dict
from hrf_ser.data.corpora import Corpus
from hrf_ser.data.protocols import Split, hash_test_speakers
from hrf_ser.errors import UserError
from hrf_ser.identity import as_typed, differences
from hrf_ser.run_folder import BUNDLE, DESCRIPTION

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# Keys of a bundle's card that decide who was tested, and what to call them in an error.
_TEST_SPEAKERS = {
    "classes": "another label_map",
    "protocol": "protocol",
    "folds": "protocol.folds",
    "fold": "fold",
    "test_speakers_hash": "other test speakers",
}
_RECORDED = ("corpus", *_TEST_SPEAKERS, "seed", "hrf", "rank", "init_from")


@dataclass(frozen=True)
class InitialWeights:
    """Weights to start from.

    Attributes:
        source: the value of ``init_from``.
        path: a bundle's folder, or a checkpoint.
        description: content of ``bundle.json``.
    """

    source: str
    path: Path
    description: Mapping[str, Any]

    @property
    def record(self) -> dict[str, Any]:
        """What this run's record says of the earlier run, and of the one before that."""
        return {key: self.description["card"][key] for key in _RECORDED}

    def lineage(self) -> Iterator[Mapping[str, Any]]:
        """The record of the run that the weights come from, then of the run that its own weights came from, and so on."""
        run = self.description["card"]
        while run is not None:
            yield run
            run = run["init_from"]

    def other_corpora(self, corpus: Corpus) -> list[str]:
        """Corpora that the weights were trained on and that are not this run's."""
        names = dict.fromkeys(name for run in self.lineage() for name in run["corpus"].split(">"))
        return [name for name in names if name not in corpus.name.split(">")]

    def read(self) -> dict[str, Tensor]:
        """The state dict of the plain backbone; factors are merged.

        Raises:
            UserError: files that are damaged or do not fit together.
        """
        if self.path.is_dir():
            from hrf_ser.deploy.bundle import load_bundle

            return load_bundle(self.path).model.state_dict()
        from hrf_ser.hrf import merge_state_dict
        from hrf_ser.training.checkpoints import read_checkpoint

        try:
            checkpoint = read_checkpoint(self.path)
            state = merge_state_dict(checkpoint["state_dict"], checkpoint.get("reparam", {}))
        except ValueError as error:
            raise UserError(f"init_from={self.source}: cannot be read as a checkpoint ({error}).") from error
        return {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}


def find_initial_weights(config: DictConfig, corpus: Corpus, split: Split) -> InitialWeights | None:
    """The weights that a run starts from; None where it starts from random ones.

    Raises:
        UserError: no such file, weights of another model, of other classes or features, or of a run that may have trained on
            the test speakers of ``split``.
    """
    if config.get("init_from") is None:
        return None
    weights = _find(str(config.init_from))
    _check_model(weights, config, corpus)
    _check_speakers(weights, config, corpus, split)
    if others := weights.other_corpora(corpus):
        log.warning(
            "init_from=%s: was trained on %s; test speakers may occur in it", weights.source, " and ".join(others)
        )
    return weights


def _find(source: str) -> InitialWeights:
    path = Path(source).expanduser()
    if not path.exists():
        raise UserError(f"init_from={source}: no such file or folder.")
    if path.is_file():
        bundle = path.resolve().parent.parent / BUNDLE
    else:
        path = bundle = path if (path / DESCRIPTION).is_file() else path / BUNDLE
    file = bundle / DESCRIPTION
    if not file.is_file():
        raise UserError(
            f"init_from={source}: there is no {file}, which says what these weights were trained on; "
            "name the folder of a finished run, its bundle/ or a file in its checkpoints/."
        )
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        weights = InitialWeights(source, path, description)
        runs = [{key: run[key] for key in _RECORDED} for run in weights.lineage()]
        model = description["model"]
        names = [model["name"], description["normalisation"], *description["labels"]]
        names += [run[key] for run in runs for key in ("corpus", "protocol", "fold")]
        tables = [model["options"], description["front_end"]]
        if not (all(isinstance(table, dict) for table in tables) and all(isinstance(name, str) for name in names)):
            raise ValueError("a value is of the wrong kind")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"init_from={source}: {file} does not say what its model is and was trained on; name the bundle of another run."
        ) from error
    return weights


def _check_model(weights: InitialWeights, config: DictConfig, corpus: Corpus) -> None:
    """Refuse weights of another model, of other classes or features."""
    earlier = weights.description
    own = {
        "model": {"name": config.model.name, "options": to_dict(config.model.options)},
        "classes": ", ".join(corpus.labels),
        "features": to_dict(config.features),
    }
    other = {
        "model": {"name": earlier["model"]["name"], "options": earlier["model"]["options"]},
        "classes": ", ".join(earlier["labels"]),
        "features": {**earlier["front_end"], "normalisation": earlier["normalisation"]},
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
        "classes": None if label_map is None else to_dict(label_map.classes),
        "protocol": split.protocol.name,
        "folds": config.protocol.folds,
        "fold": split.fold,
        "test_speakers_hash": hash_test_speakers(corpus, split),
    }
    for run in weights.lineage():
        name = run["corpus"]
        if not {*name.split(">")} & {*corpus.name.split(">")}:
            continue
        if name != corpus.name:
            difference = f"where this run is on {corpus.name}"
        else:
            key = next((key for key in own if run[key] != own[key]), None)
            if key is None:
                continue
            shown = _TEST_SPEAKERS[key]
            difference = f"with {shown}"
            if key not in ("classes", "test_speakers_hash"):
                difference += f"={run[key]} where this run has {shown}={own[key]}"
        raise UserError(
            f"init_from={weights.source}: was trained on {name} {difference}, so it may have been trained on the test speakers "
            "of this run; name a run with the same test speakers."
        )
