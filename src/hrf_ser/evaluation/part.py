"""Which speakers a report is about: those of the test part, or those of validation, for choosing settings by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hrf_ser.errors import UserError

if TYPE_CHECKING:
    from hrf_ser.evaluation.run import Run

TEST, VALIDATION = "test", "validation"
SPLITS = (TEST, VALIDATION)
CHOSEN_ON = (
    "Scores are of the validation speakers, on whom every run chose its epoch: for choosing settings by, too high for "
    "unseen speakers. Intervals are over folds, where there are several."
)


def on_validation(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """The same runs with the scores of their validation speakers in place of the test's, and without the test's predictions.

    Returns:
        The runs that have such scores, and a sentence for each that has not.

    Raises:
        UserError: none has.
    """
    from hrf_ser.evaluation.scores import SCORES

    heard, sentences = [], []
    for run in runs:
        found = run.record.get("val") or {}
        if all(_is_score(found.get(name)) for name in SCORES):
            heard.append(replace(run, record={**run.record, "test": found}, labels=(), speakers=(), counts=None))
        else:
            sentences.append(f"{run.folder}: has no scores of validation speakers; the run is left out.")
    if not heard:
        raise UserError(
            "split=validation: none of these runs has scores of validation speakers; leave split=validation out."
        )
    return heard, sentences


def _is_score(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1 + 1e-6  # a device's rounding
