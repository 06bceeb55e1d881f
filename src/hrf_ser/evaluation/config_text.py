"""What a run was trained with, from its ``config.yaml``, and in what runs of one report differ.

Parsing YAML is slow, and the files of a study repeat each other. A file is therefore cut at its top-level keys and every
distinct piece is parsed once.
"""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import yaml

from hrf_ser.evaluation.run import Run
from hrf_ser.identity import LEFT_OUT, TRAINER_LEFT_OUT

# What names the run rather than its recipe, and what changes where or how fast it runs but not what is computed.
_IGNORED = LEFT_OUT | {"hrf", "rank", "fold", "seed"}
_IGNORED_KEYS = {
    "data.name", "data.root", "data.options.download", "model.label", "model.name", "protocol.name",
    "test_data.name", "test_data.root", "test_data.options.download",
    *(f"trainer.{key}" for key in TRAINER_LEFT_OUT),
}  # fmt: skip
_ABSENT = "absent"
# What files of older versions, which do not have the key, mean.
_BEFORE = {"protocol.folds": "corpus", "init_from": "null", "reparam.reopen_every": "null", "reparam.bias": "false"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_settings(text: str, hrf: bool) -> tuple[dict[str, str], str | None]:
    """The settings that decide a run's result, key -> value, and its ``data.root``.

    Args:
        text: of its ``config.yaml``.
        hrf: whether the run used HRF; ``reparam`` does nothing without.
    """
    settings: dict[str, str] = {}
    root = None
    for block in re.split(r"^(?=[A-Za-z_])", text, flags=re.MULTILINE):
        key = block.partition(":")[0]
        if not block.strip() or key in _IGNORED or (key == "reparam" and not hrf):
            continue
        pairs = _parse(block)
        for name, value in pairs:
            if name == "data.root":
                root = None if value in ("null", "") else value
            # All tables of one's own are called table: only their path tells them apart.
            own = name == f"{key}.root" and (f"{key}.name", "table") in pairs
            if own or name not in _IGNORED_KEYS:
                settings[name] = value
    return settings, root


def variants(runs: Sequence[Run]) -> list[str]:
    """For every run, in what it differs from the usual settings of its corpus: ``trainer.max_epochs=20``, or nothing.

    Usual is the commonest value, of equally common ones the one that ran first. Options of a model are compared with
    runs of the same model, and options of the factors with runs that have them. A whole group that a run's file does not have,
    as files of older versions, is not compared; a key that is absent from a group that it has is a difference.
    """
    keys = {key for run in runs for key in run.settings}
    # callbacks={} and test_data=null stand for the absence of what others have below them.
    leaves = sorted(key for key in keys if not any(other.startswith(f"{key}.") for other in keys))
    compared = [_compared(run, leaves) for run in runs]
    values: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for run, settings in sorted(zip(runs, compared, strict=True), key=lambda pair: pair[0].written):
        for key, value in settings.items():
            values[_scope(run, key)][value] += 1
    # Of equals a counter tells the one that it met first.
    usual = {scope: counter.most_common(1)[0][0] for scope, counter in values.items()}
    differing = {scope for scope, counter in values.items() if len(counter) > 1}
    return [
        _told(
            {
                key: value
                for key, value in settings.items()
                if (scope := _scope(run, key)) in differing and value != usual[scope]
            },
            settings,
        )
        for run, settings in zip(runs, compared, strict=True)
    ]


def _compared(run: Run, leaves: Sequence[str]) -> dict[str, str]:
    """Key -> value for the leaves in groups that the run's file has; and its classes, which confusion matrices need equal."""
    groups = {key.partition(".")[0] for key in run.settings}
    settings = {key: run.settings.get(key, _ABSENT) for key in leaves if key.partition(".")[0] in groups}
    for key, value in _BEFORE.items():
        if key in leaves and run.settings and (run.rank is not None or not key.startswith("reparam.")):
            settings[key] = run.settings.get(key, value)
    return {**settings, "labels": "|".join(run.labels)} if run.labels else settings


def _told(differences: dict[str, str], settings: dict[str, str]) -> str:
    """``trainer.max_epochs=20, without callbacks.early_stopping``."""
    words: list[str] = []
    for key, value in differences.items():
        if value != _ABSENT:
            words.append(f"{key}={value}")
            continue
        # The widest group that is absent as a whole, but for the first word, which the file has.
        parts = key.split(".")
        for depth in range(2, len(parts) + 1):
            name = ".".join(parts[:depth])
            if all(v == _ABSENT for k, v in settings.items() if k == name or k.startswith(f"{name}.")):
                break
        if f"without {name}" not in words:
            words.append(f"without {name}")
    return ", ".join(words)


def _scope(run: Run, key: str) -> tuple[str, ...]:
    return (run.corpus, run.model, key) if key.startswith("model.") else (run.corpus, key)


@functools.lru_cache(maxsize=4096)
def _parse(block: str) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(_flat("", yaml.load(block, Loader=_LOADER)))
    except yaml.YAMLError:
        return ()


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [pair for key, item in value.items() for pair in _flat(f"{prefix}.{key}" if prefix else str(key), item)]
    return [(prefix, _text(value))]


def _text(value: Any) -> str:
    """As one types it on the command line."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{','.join(_text(item) for item in value)}]"
    return str(value)
