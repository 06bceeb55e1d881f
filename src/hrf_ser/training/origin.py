"""The weights that a run starts from (``init_from``): of a finished run, of its bundle, or of one of its checkpoints.

They come from a model of the same kind, and have not heard the speakers that are tested. Both are known from the bundle of the
run that they come from, before torch is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from hrf_ser.config import to_dict
from hrf_ser.data.corpora import Corpus
from hrf_ser.data.protocols import Split, hash_test_speakers
from hrf_ser.errors import UserError
from hrf_ser.run_folder import BUNDLE, DESCRIPTION

if TYPE_CHECKING:
    from torch import Tensor

# Keys of a bundle's card that decide who was held out, and their names in the configuration.
_SHOWN = {"protocol": "protocol", "folds": "protocol.folds", "fold": "fold"}
_RECORDED = ("corpus", "classes", *_SHOWN, "test_speakers_hash", "seed", "hrf", "rank", "init_from")


@dataclass(frozen=True)
class Origin:
    """Weights to start from.

    Attributes:
        named: the value of ``init_from``.
        weights: a bundle's folder, or a checkpoint.
        description: what ``bundle.json`` says.
    """

    named: str
    weights: Path
    description: Mapping[str, Any]

    @property
    def record(self) -> dict[str, Any]:
        """What the run's own record says of them, and of what they were started from in turn."""
        card = self.description["card"]
        return {key: card[key] for key in _RECORDED if key in card}

    def read(self) -> dict[str, Tensor]:
        """The state dict of the plain backbone; factors are merged.

        Raises:
            UserError: files that are damaged or do not fit together.
        """
        if self.weights.is_dir():
            from hrf_ser.deploy.bundle import load_bundle

            return load_bundle(self.weights).model.state_dict()
        from hrf_ser.hrf import merge_state_dict
        from hrf_ser.training.checkpoint_io import read_checkpoint

        try:
            checkpoint = read_checkpoint(self.weights)
            state = merge_state_dict(checkpoint["state_dict"], checkpoint.get("reparam", {}))
        except ValueError as error:
            raise UserError(f"init_from={self.named}: cannot be read as a checkpoint ({error}).") from error
        return {key.removeprefix("model."): value for key, value in state.items() if key.startswith("model.")}


def origin_of(config: DictConfig, corpus: Corpus, divided: Split) -> Origin | None:
    """The weights that a run starts from; None where it starts from random ones.

    Args:
        config: of the run.
        corpus: its table, with the run's classes.
        divided: the parts of its fold.

    Raises:
        UserError: nothing is there, or weights of another model, of other classes or features, or of a run that may have heard
            the speakers that are tested.
    """
    if config.get("init_from") is None:
        return None
    origin = _find(str(config.init_from))
    _check_model(origin, config, corpus)
    _check_speakers(origin, config, corpus, divided)
    return origin


def other_corpora(origin: Origin, corpus: Corpus) -> list[str]:
    """The corpora that the weights have heard and that are not this run's."""
    heard = dict.fromkeys(name for one in _lineage(origin) for name in one["corpus"].split(">"))
    return [name for name in heard if name not in corpus.name.split(">")]


def _find(named: str) -> Origin:
    place = Path(named).expanduser()
    if not place.exists():
        raise UserError(f"init_from={named}: no such file or folder.")
    if place.is_file():
        weights, bundle = place, place.resolve().parent.parent / BUNDLE
    else:
        weights = bundle = place if (place / DESCRIPTION).is_file() else place / BUNDLE
    file = bundle / DESCRIPTION
    if not file.is_file():
        raise UserError(
            f"init_from={named}: there is no {file}, which says what these weights have heard; "
            "name the folder of a finished run, its bundle/ or a file in its checkpoints/."
        )
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        model, card = description["model"], description["card"]
        origin = Origin(named, weights, description)
        heard = [one[key] for one in _lineage(origin) for key in ("corpus", "protocol", "fold")]
        tables = [model["options"], description["front_end"], card]
        names = [model["name"], description["normalisation"], *description["labels"], *heard]
        if not (all(isinstance(one, dict) for one in tables) and all(isinstance(one, str) for one in names)):
            raise ValueError("a value is of the wrong kind")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"init_from={named}: {file} does not say what its model is and has heard; name the bundle of another run."
        ) from error
    return origin


def _lineage(origin: Origin) -> Iterator[Mapping[str, Any]]:
    """What the record of these weights says, of those that they were started from, and so on."""
    one = origin.description["card"]
    while one is not None:
        yield one
        one = one.get("init_from")


def _check_model(origin: Origin, config: DictConfig, corpus: Corpus) -> None:
    """Refuse weights of another model, of other classes or features."""
    theirs = origin.description
    pairs = [
        ("model.name", config.model.name, theirs["model"]["name"]),
        *_pairs("model.options", to_dict(config.model.options), theirs["model"]["options"]),
        ("classes", ", ".join(corpus.labels), ", ".join(map(str, theirs["labels"]))),
        *_pairs(
            "features", to_dict(config.features), {**theirs["front_end"], "normalisation": theirs["normalisation"]}
        ),
    ]
    for key, ours, other in pairs:
        if ours != other:
            raise UserError(
                f"init_from={origin.named}: is of a model with {key}={other}, and this run has {key}={ours}; "
                "make them equal, or name another run."
            )


def _pairs(group: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    keys = dict.fromkeys((*ours, *theirs))
    return [(f"{group}.{key}", ours.get(key, "absent"), theirs.get(key, "absent")) for key in keys]


def _check_speakers(origin: Origin, config: DictConfig, corpus: Corpus, divided: Split) -> None:
    """Refuse weights that may have heard, at any time, speakers that this run tests."""
    label_map = config.get("label_map")
    ours = {
        "classes": None if label_map is None else to_dict(label_map.classes),
        "protocol": divided.protocol,
        "folds": config.protocol.folds,
        "fold": divided.fold,
        "test_speakers_hash": hash_test_speakers(corpus, divided),
    }
    for heard in _lineage(origin):
        name = heard["corpus"]
        if not {*name.split(">")} & {*corpus.name.split(">")}:
            continue
        # Bundles of earlier versions do not say all of it.
        key = next((key for key in ours if key in heard and heard[key] != ours[key]), None)
        if name != corpus.name:
            differing = f"on {name} where this run is on {corpus.name}"
        elif key is None:
            continue
        elif key in _SHOWN:
            differing = f"on {name} with {_SHOWN[key]}={heard[key]} where this run has {_SHOWN[key]}={ours[key]}"
        else:
            differing = f"on {name} with {'another label_map' if key == 'classes' else 'other test speakers'}"
        raise UserError(
            f"init_from={origin.named}: was trained {differing}, so that it may have heard the speakers that are tested here; "
            "name a run that held out the same ones."
        )
