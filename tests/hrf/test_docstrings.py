"""The examples in the docstrings run."""

import doctest
import importlib
import pkgutil

import pytest

from hrf_ser import hrf

MODULES = ["hrf_ser.hrf", *(module.name for module in pkgutil.iter_modules(hrf.__path__, "hrf_ser.hrf."))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", ["insert_hrf", "merge_hrf", "merge_state_dict", "is_factorised"])
def test_public_functions_have_an_example(name: str) -> None:
    assert f"{name}(" in getattr(hrf, name).__doc__.partition(">>>")[2]
