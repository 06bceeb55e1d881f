"""Models and corpora of other packages in a configuration: ``model=`` and ``data=`` of their entry points, and ``_target_``.

A ``_target_`` counts on the command line and in a configuration file of the user. Bundles and checkpoints hold names only, and
a name means our own model, or the entry point of an installed package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, open_dict

from hrf_ser.errors import UserError
from hrf_ser.plugins import CORPORA, MODELS, installed

CUSTOM = "custom"
_GROUPS = {"model": "model", "data": "data", "data@test_data": "test_data"}
_ENTRY_POINTS = {"model": MODELS, "data": CORPORA}
_NODES: dict[str, dict[str, Any]] = {
    "model": {"options": {}},
    "data": {"root": "???", "options": {}, "on_bad_audio": "stop"},
}


def register_choices() -> None:
    """Make ``model=``, ``data=`` and ``data@test_data=`` of the installed packages, and ``custom``, choices of Hydra."""
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    for group, points in _ENTRY_POINTS.items():
        for name in (CUSTOM, *installed(points)):
            label = {"label": name} if group == "model" else {}
            store.store(group=group, name=name, node={"name": name, **label, **_NODES[group]}, provider="hrf_ser")


def expand(overrides: Sequence[str]) -> list[str]:
    """Overrides in which ``model._target_=my_package.MyModel`` selects ``model=custom``, and its options need no plus."""
    values = {key.lstrip("+"): value for key, _, value in (word.partition("=") for word in overrides)}
    words = list(overrides)
    for choice, key in _GROUPS.items():
        target = values.get(f"{key}._target_")
        names = {CUSTOM, *installed(_ENTRY_POINTS["model" if key == "model" else "data"])}
        if target is None and not names.intersection(values.get(choice, "").split(",")):
            continue
        free = (f"{key}._target_=", f"{key}.options.")
        words = [f"++{word}" if word.startswith(free) else word for word in words]
        if target is not None and choice not in values:
            words.insert(0, f"{choice}={CUSTOM}")
            words += [f"{key}.name={target}"] if f"{key}.name" not in values else []
            label = target.replace(":", ".").rpartition(".")[2]
            words += [f"{key}.label={label}"] if key == "model" and f"{key}.label" not in values else []
    return words


def resolve_targets(config: DictConfig) -> None:
    """Import what ``_target_`` names, and register it under ``name``.

    Raises:
        UserError: it cannot be imported, or is no model or reader of a corpus.
    """
    for key in _GROUPS.values():
        group = config.get(key)
        target = group.get("_target_") if isinstance(group, DictConfig) else None
        if target is None:
            continue
        with open_dict(config):
            if group.name == CUSTOM:
                group.name = target
            elif group.name != target:
                raise UserError(f"{key}._target_={target} is beside {key}={group.name}: set {key}={CUSTOM} as well.")
        _register(key, str(target))


def _register(key: str, target: str) -> None:
    import hydra

    try:
        part = hydra.utils.get_object(target.replace(":", "."))
    except Exception as error:  # importing a module runs anything
        reason = " ".join(str(error.__cause__ or error).split()).rstrip(".")
        raise UserError(
            f"{key}._target_={target} cannot be imported ({reason}): install its package, or add its folder to PYTHONPATH."
        ) from error
    from hrf_ser.data.corpora.plugins import add_corpus
    from hrf_ser.models.plugins import add_model

    try:
        if key == "model":
            add_model(target, part)
        else:
            add_corpus(target, part)
    except (TypeError, ValueError) as error:
        raise UserError(f"{key}._target_={target}: {error}.") from error
