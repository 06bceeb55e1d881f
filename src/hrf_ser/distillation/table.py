"""A teacher's soft labels or embeddings from a file that any tool may have written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hrf_ser.errors import UserError

_FORMS = "a CSV or Parquet file with the column utterance and a column of numbers for each class or each dimension"


def read_teacher_table(
    path: Path, utterances: Sequence[str], needed: Sequence[int], labels: Sequence[str]
) -> tuple[NDArray[np.float32], bool]:
    """Numbers of every utterance, and whether they are probabilities of the classes.

    A file with a column for each class holds probabilities. Any other holds embeddings: all its columns of numbers.

    Args:
        path: the file; ``.parquet`` is Parquet, anything else CSV.
        utterances: ids of the rows of the corpus's table, as in the manifest.
        needed: rows that the file must have.
        labels: class names.

    Returns:
        ``(rows, columns)``, not a number where the file has no such utterance; probabilities are in the order of ``labels``.

    Raises:
        UserError: no such file, no such column, an utterance that is missing or there twice, or values that are no numbers or
            no probabilities.
    """
    if not path.is_file():
        raise UserError(f"teacher.path={path}: no such file; name {_FORMS}.")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype={"utterance": str})
    except ImportError as error:
        raise UserError("teacher.path: Parquet files need pyarrow: pip install pyarrow, or give a CSV file.") from error
    except (ValueError, OSError) as error:
        raise UserError(
            f"teacher.path={path}: cannot be read as a table ({_first_line(error)}); name {_FORMS}."
        ) from error
    if "utterance" not in table:
        raise UserError(f"teacher.path={path}: has no column utterance; name {_FORMS}.")
    if (twice := table.utterance[table.utterance.duplicated()]).size:
        raise UserError(f"teacher.path={path}: has {twice.iloc[0]} twice; keep one row for each utterance.")
    are_probabilities = set(labels) <= set(table.columns)
    numbers = table.set_index("utterance").select_dtypes("number")
    if are_probabilities:
        numbers = numbers.reindex(columns=list(labels))
    values = numbers.reindex(list(utterances)).to_numpy(np.float32)
    if not values.shape[1]:
        raise UserError(f"teacher.path={path}: has no column of numbers; name {_FORMS}.")
    bad = next((row for row in needed if not np.isfinite(values[row]).all()), None)
    if bad is not None:
        raise UserError(
            f"teacher.path={path}: has no row of numbers for the training utterance {utterances[bad]}; add it, with its id as "
            "in the manifest that hrf_ser.prepare writes."
        )
    if are_probabilities and not _are_probabilities(values[list(needed)]):
        raise UserError(f"teacher.path={path}: the columns of classes must be probabilities that sum to 1 in each row.")
    return values, are_probabilities


def _are_probabilities(values: NDArray[np.float32]) -> bool:
    return bool((values >= 0).all() and np.abs(values.sum(1) - 1).max() < 0.01)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
