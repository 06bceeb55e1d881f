"""The notebooks run from a clean clone, leave nothing in it, and are committed without outputs."""

import os
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import REPOSITORY

NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.ipynb"))
# On two cores each takes well under a minute; a busy machine may take longer.
SECONDS = 300


@pytest.fixture
def execute(tmp_path, cache, monkeypatch):
    """Runs a notebook in a folder of its own: ``execute(path)`` -> the notebook with its outputs."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("HRF_SER_CACHE", str(cache))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    # A test before this one may have drawn with another.
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")

    def run(path: Path) -> nbformat.NotebookNode:
        notebook = nbformat.read(path, as_version=4)
        (tmp_path / "here").mkdir()
        resources = {"metadata": {"path": str(tmp_path / "here")}}
        NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources).execute()
        return notebook

    return run


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_speaks_of(execute, tmp_path, path):
    before = {str(one) for one in (REPOSITORY / "notebooks").rglob("*")}
    started = time.perf_counter()
    notebook = execute(path)
    print(f"{path.stem}: {time.perf_counter() - started:.0f} s")
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    pictures = sum("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
    assert pictures == {"01-first-model": 3, "02-compare-light-and-large": 1, "03-your-own-corpus": 0}[path.stem]
    assert {str(one) for one in (REPOSITORY / "notebooks").rglob("*")} == before
    assert not list((tmp_path / "here").iterdir())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs"), f"{path.name}: clear the outputs before committing"
        assert cell.get("execution_count") is None
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert str(os.path.expanduser("~")) not in path.read_text()


def test_there_is_a_notebook_for_each_question():
    assert [path.stem for path in NOTEBOOKS] == ["01-first-model", "02-compare-light-and-large", "03-your-own-corpus"]
