"""Every promise in SECURITY.md names existing tests."""

import ast
import re

import pytest

from helpers import REPOSITORY

PROMISES = re.findall(
    r"^\| (?P<promise>[^|]+?) \| (?P<tests>[^|]+) \|$", (REPOSITORY / "SECURITY.md").read_text(), re.MULTILINE
)[1:]


def names(path):
    """Test functions of a file."""
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


def test_there_are_promises():
    assert len(PROMISES) >= 10


@pytest.mark.parametrize(("promise", "tests"), PROMISES)
def test_every_promise_names_tests_that_exist(promise, tests):
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
    assert named, promise
    for path, name in named:
        assert name in names(REPOSITORY / path), f"{path} has no {name}"
