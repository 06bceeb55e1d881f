"""The fork server and the inputs of the commands, set up once for all fault-injection tests."""

import pytest
from forking import Forks
from verbs import VERBS, make_given


@pytest.fixture(scope="session")
def forks():
    with Forks() as server:
        yield server


@pytest.fixture(scope="session")
def given(tmp_path_factory, cache, forks):
    return make_given(tmp_path_factory.mktemp("given"), cache, forks)


@pytest.fixture(scope="session")
def undisturbed(given, tmp_path_factory, forks):
    """Run a command without faults, once: its end, its outcome and its folder."""
    known = {}

    def run(name):
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            ended = VERBS[name].run(forks, given, folder / "whole")
            assert ended.status == 0, ended.output
            known[name] = ended, VERBS[name].outcome(folder / "whole"), folder / "whole"
        return known[name]

    return run
