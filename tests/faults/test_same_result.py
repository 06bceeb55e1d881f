"""The same seed gives the same bytes with any number of data workers."""

import hashlib

import pytest
from verbs import VERBS

from helpers import TINY_OPTIONS

FILES = ("predictions.csv", "history.csv", "bundle/model.safetensors")


@pytest.mark.parametrize("model", TINY_OPTIONS)
def test_repeated_runs_and_any_number_of_workers_give_the_same_bytes(forks, given, tmp_path, model):
    overrides = [
        override for override in VERBS["train"].words if not override.startswith(("model.options", "cache_dir"))
    ]
    overrides += [f"model={model}", f"model.options={TINY_OPTIONS[model]}", f"cache_dir={given}/cache", "seed=5"]
    found = []
    for workers in (0, 1, 2):
        folder = tmp_path / f"workers{workers}"
        ended = forks.run(folder, "train", *overrides, f"workers={workers}")
        assert ended.status == 0, ended.output
        found.append([hashlib.sha256((folder / "run" / name).read_bytes()).hexdigest() for name in FILES])
    assert found == [found[0]] * 3


def test_another_seed_gives_another_result(forks, given, undisturbed, tmp_path):
    ended = VERBS["train"].run(forks, given, tmp_path / "run", "seed=1")
    assert ended.status == 0, ended.output
    other, first = VERBS["train"].outcome(tmp_path / "run"), undisturbed("train")[1]
    assert other["run/predictions.csv"] != first["run/predictions.csv"]
