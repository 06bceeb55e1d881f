"""Soft labels and embeddings from a file."""

import numpy as np
import pandas as pd
import pytest

from hrf_ser.distillation.table import read_teacher_table
from hrf_ser.errors import UserError

UTTERANCES, LABELS = ["01", "02", "b/c.wav"], ("angry", "sad")


def write(path, columns) -> str:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_columns_of_the_classes_are_probabilities_in_the_order_of_the_classes(tmp_path):
    columns = {"sad": [0.9, 0.2, 0.5], "angry": [0.1, 0.8, 0.5], "note": ["x", "y", "z"], "utterance": UTTERANCES}
    values, are_probabilities = read_teacher_table(write(tmp_path / "t.csv", columns), UTTERANCES, [0, 1, 2], LABELS)
    assert are_probabilities
    np.testing.assert_allclose(values, [[0.1, 0.9], [0.8, 0.2], [0.5, 0.5]])


def test_other_columns_of_numbers_are_embeddings(tmp_path):
    columns = {"utterance": UTTERANCES[:2], "0": [1.0, 2.0], "1": [3.0, 4.0], "angry": [0.5, 0.5], "file": ["a", "b"]}
    values, are_probabilities = read_teacher_table(write(tmp_path / "t.csv", columns), UTTERANCES, [0, 1], LABELS)
    assert not are_probabilities
    np.testing.assert_array_equal(values[:2], [[1, 3, 0.5], [2, 4, 0.5]])
    assert np.isnan(values[2]).all()


def test_parquet_is_read_or_named(tmp_path):
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        (tmp_path / "t.parquet").write_bytes(b"PAR1")
        with pytest.raises(UserError, match="pip install pyarrow"):
            read_teacher_table(tmp_path / "t.parquet", UTTERANCES, [0], LABELS)
        return
    pd.DataFrame({"utterance": UTTERANCES, "x": [1.0, 2.0, 3.0]}).to_parquet(tmp_path / "t.parquet")
    assert read_teacher_table(tmp_path / "t.parquet", UTTERANCES, [0], LABELS)[0].tolist() == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"id": UTTERANCES, "x": [1, 2, 3]}, "has no column utterance"),
        ({"utterance": ["01", "01"], "x": [1, 2]}, "has 01 twice"),
        ({"utterance": UTTERANCES, "x": ["a", "b", "c"]}, "has no column of numbers"),
        ({"utterance": UTTERANCES[:2], "x": [1, 2]}, r"training utterance b/c\.wav"),
        ({"utterance": UTTERANCES, "x": [1, np.nan, 3]}, "training utterance 02"),
        ({"utterance": UTTERANCES, "angry": [1, 1, 1], "sad": [1, 0, 0]}, "sum to 1"),
        ({"utterance": UTTERANCES, "angry": [2, 1, 1], "sad": [-1, 0, 0]}, "probabilities"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(tmp_path, columns, sentence):
    with pytest.raises(UserError, match=sentence):
        read_teacher_table(write(tmp_path / "t.csv", columns), UTTERANCES, [0, 1, 2], LABELS)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'"'])
def test_files_that_are_no_tables_are_refused(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=r"teacher\.path="):
        read_teacher_table(tmp_path / "t.csv", UTTERANCES, [0], LABELS)
    with pytest.raises(UserError, match="no such file"):
        read_teacher_table(tmp_path / "none.csv", UTTERANCES, [0], LABELS)
