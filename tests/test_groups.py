"""Every test is in one of the two groups of the Makefile, and every mark says why."""

import re

import pytest

from helpers import REPOSITORY


def test_the_makefile_names_every_mark_and_every_mark_has_a_reason():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11 has it.
    markers = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    marks = dict(line.split(": ", 1) for line in markers)
    rest = re.search(r"^REST := (.*)$", (REPOSITORY / "Makefile").read_text(), re.M)[1].split(" or ")
    assert sorted(marks) == sorted([*rest, "serial"])
    assert all(len(reason) > 20 for reason in marks.values())


def test_continuous_integration_runs_the_same_targets_and_no_test_twice():
    # Separate calls of make would run the first tests twice.
    for path in (".ci/run", ".github/workflows/checks.yml"):
        text = (REPOSITORY / path).read_text()
        assert re.search(r"^\W*(run: )?make lint test test-all( EXCEPT='and not slow')?$", text, re.M), path
