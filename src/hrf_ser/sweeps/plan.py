"""From the command line of a sweep to the runs that it asks for."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from omegaconf import DictConfig

from hrf_ser.identity import run_name


@dataclass(frozen=True)
class Planned:
    """One run of a sweep.

    Attributes:
        overrides: words of its command line.
        name: of its folder below ``hydra.sweep.dir``.
    """

    overrides: tuple[str, ...]
    name: str


def plan(
    jobs: Iterable[Sequence[str]],
    exclude: Sequence[Mapping[str, object]],
    compose: Callable[[Sequence[str]], DictConfig],
) -> list[Planned]:
    """Leave out what is excluded, and what is the same run again, such as two ranks without HRF.

    Args:
        jobs: the words of every job.
        exclude: each a table of keys and patterns; a job all of whose words match one is left out.
        compose: the configuration for some words.
    """
    planned: dict[str, Planned] = {}
    for words in jobs:
        if any(_matches(words, pattern) for pattern in exclude):
            continue
        name = run_name(compose(words))
        planned.setdefault(name, Planned(tuple(words), name))
    return list(planned.values())


def _matches(words: Sequence[str], pattern: Mapping[str, object]) -> bool:
    values = dict(word.split("=", 1) for word in words if "=" in word)
    return all(
        key in values and fnmatch.fnmatchcase(values[key].lower(), str(wanted).lower())
        for key, wanted in pattern.items()
    )
