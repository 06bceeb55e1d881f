"""Runs of a sweep that crash their process or exhaust its memory: they fail, and the others finish."""

import json
import re

from verbs import VERBS

SWEEP = VERBS["sweep"]
KILLED = """
import os, signal
import hrf_ser.training.run as run
inner = run.instantiate_data
def instantiate_data(config, dataset):
    if config.fold == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(config, dataset)
run.instantiate_data = instantiate_data
"""
HUNGRY = """
import hrf_ser.training.run as run
import torch
inner = run.instantiate_data
def instantiate_data(config, dataset):
    if config.fold == 1:
        torch.empty(1 << 50)
    return inner(config, dataset)
run.instantiate_data = instantiate_data
"""
HUNGRY_WORKER = """
import os, signal
import torch
from hrf_ser.data.batches import FeatureBatches
inner = FeatureBatches.__getitem__
def getitem(self, rows):
    if torch.utils.data.get_worker_info() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(self, rows)
FeatureBatches.__getitem__ = getitem
"""


def test_a_run_that_is_killed_every_time_fails(forks, given, undisturbed, tmp_path):
    folder = tmp_path / "sweep"
    for _ in range(3):
        assert SWEEP.run(forks, given, folder, setup=KILLED).status == -9
    fourth = SWEEP.run(forks, given, folder, setup=KILLED)
    assert fourth.status == 1
    output = " ".join(fourth.output.split())
    assert "The system killed its process 3 times without a new checkpoint in between" in output
    assert "1 of 2 runs finished" in output
    assert SWEEP.run(forks, given, folder, setup=KILLED).status == 1, "not tried again"
    (failed,) = folder.glob("runs/*/failed.json")
    assert "batch_size" in json.loads(failed.read_text())["reason"]
    assert SWEEP.run(forks, given, folder, "sweep.retry_failed=true").status == 0
    assert SWEEP.outcome(folder) == undisturbed("sweep")[1]


def test_a_run_without_memory_fails_alone_with_a_sentence_about_memory(forks, given, tmp_path):
    folder = tmp_path / "sweep"
    ended = SWEEP.run(forks, given, folder, setup=HUNGRY)
    assert ended.status == 1
    assert "1 of 2 runs finished" in ended.output
    (failed,) = folder.glob("runs/*/failed.json")
    assert json.loads(failed.read_text())["reason"].startswith("Memory ran out (")


def test_a_limit_of_memory_ends_a_run_in_a_sentence(forks, given, tmp_path):
    words = ("model.options={width: 4096, layers: 4, heads: 2, ffn: 65536}", "hrf=false")
    ended = VERBS["train"].run(forks, given, tmp_path / "run", *words, memory=600)
    assert ended.status == 1, ended.output
    assert ended.output.strip().splitlines()[-1].startswith("Error: Memory ran out (")
    assert not (tmp_path / "run" / "run" / "metrics.json").exists()


def test_a_data_worker_that_the_system_killed_is_reported_as_lack_of_memory(forks, given, tmp_path):
    ended = VERBS["train"].run(forks, given, tmp_path / "run", "workers=1", setup=HUNGRY_WORKER)
    assert ended.status == 1, ended.output
    assert re.search(r"^Error: Memory ran out \(DataLoader worker .*Killed", ended.output, re.M), ended.output
