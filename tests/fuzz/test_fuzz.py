"""Fuzz every file reader: a valid result or a one-sentence error that names the file, within time and memory limits.

The inputs are fixed. ``python -m benchmarks.fuzz --inputs 20000`` runs more.
"""

import random
import sys

import pytest
from fuzz_harness import LIMIT_S, MEMORY, Outcome, Target, attempt, describe
from fuzz_mutators import mutate, mutate_json
from fuzz_run import try_targets
from fuzz_worker import all_targets

from hrf_ser.errors import UserError

SEED, LIGHT, HEAVY = 1, 120, 25
TARGETS = all_targets()
if sys.platform != "linux":
    pytest.skip("memory is limited and measured as Linux does", allow_module_level=True)


@pytest.fixture(scope="session")
def outcomes():
    """Name of a target -> its outcome, computed once for all tests."""
    pytest.importorskip("onnxscript")
    found = {}
    for count, heavy in ((LIGHT, False), (HEAVY, True)):
        names = [name for name, target in TARGETS.items() if target.heavy is heavy]
        found |= {outcome.name: outcome for outcome in try_targets(names, count, SEED)}
    return found


@pytest.mark.parametrize("name", TARGETS)
def test_corrupted_files_are_read_or_refused_in_one_sentence(outcomes, name):
    outcome = outcomes[name]
    assert not outcome.faults, f"\n{describe(outcome)}"
    assert outcome.inputs == outcome.refused + outcome.read == (HEAVY if TARGETS[name].heavy else LIGHT)


def _target(read):
    seeds = [b"1,2\n3,4\n"]
    return Target("made_up", lambda _: (lambda rng: mutate(seeds, rng, text=True), read, "made_up"))


def _slow(_):
    while True:
        pass


def _raise(error):
    def read(_):
        raise error

    return read


@pytest.mark.parametrize(
    ("read", "fault"),
    [
        (_raise(KeyError("x")), "KeyError in outside"),
        (_raise(UserError("wrong")), "an error that does not name made_up"),
        (_raise(UserError("made_up:\nwrong")), "an error of several lines"),
        (lambda _: bytearray(2 * MEMORY), "MemoryError in outside"),
        (_slow, "TooSlowError in outside"),
    ],
)
def test_the_harness_detects_every_kind_of_fault(tmp_path, monkeypatch, read, fault):
    monkeypatch.setattr("fuzz_harness.LIMIT_S", 0.2)
    outcome = attempt(_target(read), tmp_path, 0, range(2), lambda _: None)
    assert list(outcome.faults) == [fault]
    description = describe(outcome)
    assert "--target made_up --seed 0 --number 0" in description
    assert outcome.faults[fault]["input"] in description


def test_valid_results_and_user_errors_are_no_faults(tmp_path):
    def read(data):
        if len(data) % 2:
            raise UserError("made_up: is odd")

    marked = []
    outcome = attempt(_target(read), tmp_path, 0, range(50), marked.append)
    assert (outcome.faults, outcome.inputs, outcome.refused + outcome.read) == ({}, 50, 50)
    assert min(outcome.refused, outcome.read) > 0
    assert marked == list(range(50))
    assert outcome.slowest_s < LIMIT_S


def test_seed_and_number_determine_an_input():
    seeds = [bytes(range(256)), b'{"a": [1, 2.5], "b": {"c": "d"}}']
    for make in (lambda rng: mutate(seeds, rng, text=True), lambda rng: mutate_json({"a": [1, {"b": 2}]}, rng)):
        first = [make(random.Random(number)) for number in range(300)]
        assert first == [make(random.Random(number)) for number in range(300)]
        assert len(set(first)) > 100


def test_an_input_that_crashes_the_process_is_reported(monkeypatch):
    class Worker:
        end = "the process ended with status -11"

        def __init__(self, names, inputs, seed, first, folder):
            self.names = names
            (folder / "at").write_text(f"{names[0]} {7:12d}\n")

        def outcomes(self):
            return [] if self.names[0] == "table.csv" else [Outcome(name) for name in self.names]

    monkeypatch.setattr("fuzz_run._Worker", Worker)
    crashed, other = try_targets(["table.csv", "m3ed.lists"], 10, 0)
    assert "status -11" in describe(crashed)
    assert "--target table.csv --seed 0 --number 7" in describe(crashed)
    assert other.faults == {}
