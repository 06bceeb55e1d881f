"""What a run refuses before torch is imported. No times: that torch is absent is what makes it quick."""

import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning", "torchaudio", "matplotlib", "scipy", "wandb")

# A process without torch that forks the main job for each command line of its input, and says which heavy modules came.
PROGRAM = f"""
import atexit, json, os, sys
import hrf_ser.train
from forked import run_forked

def watch():
    atexit.register(lambda: print(json.dumps([name for name in {HEAVY} if name in sys.modules])))

for line in sys.stdin:
    ended = run_forked("train", json.loads(line), os.getcwd(), os.environ, setup=watch)
    print(json.dumps([ended.returncode, ended.stdout, ended.stderr]), flush=True)
"""


@pytest.fixture(scope="module")
def without_torch(tmp_path_factory):
    """Runs the main job in a process that has not imported torch -> its status, what it printed, its errors."""
    paths = os.pathsep.join([os.path.dirname(__file__), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    line, pipe = [sys.executable, "-c", PROGRAM], subprocess.PIPE
    folder = tmp_path_factory.mktemp("without_torch")
    with subprocess.Popen(line, cwd=folder, env=environment, stdin=pipe, stdout=pipe, text=True) as server:

        def run(*overrides):
            server.stdin.write(json.dumps(overrides) + "\n")
            server.stdin.flush()
            return json.loads(server.stdout.readline())

        yield run
        server.stdin.close()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--help"], ""),
        (["no_such_key=1"], "Error: no_such_key is unknown: --help lists all settings."),
        (["optimizer.name=nope"], "Error: optimizer.name=nope is unknown"),
        (["batch_size=many"], "Error: batch_size=many"),
        (["cache_on_device=1"], "Error: cache_on_device=1 must be auto or true or false."),
        (["data=ravdess"], "Error: data.root has no value"),
        (["data=ravdess", "data.root=/no/such/folder"], "Error: data.root=/no/such/folder does not exist"),
        (["data=table", "data.root=/no/such.csv"], "Error: data.root=/no/such.csv does not exist"),
        (["model=nope"], "Error: model=nope is unknown"),
        (["model.name=nope"], "Error: model.name=nope is unknown: use one of conformer, "),
        (["fold=9"], "Error: fold=9 is not a fold of demo: use one of 1, 2, 3, 4."),
        (["data@test_data=demo"], "Error: demo would be tested on itself"),
        (["+label_map.classes={a: [sad]}"], "Error: label_map"),
        (["init_from=/no/such"], "Error: init_from=/no/such: no such file or folder."),
        (["protocol=out_of_fold"], "Error: protocol=out_of_fold leaves other speakers out"),
        (["reparam.bias=true"], "Error: reparam.bias was removed"),
        (["-m", "protocol=honest,paper"], "Error: protocol=honest was renamed: use protocol=validation."),
        (
            ["model=speechformer", "+model.options.ffn=16"],
            "Error: model.options.ffn is unknown: use one of model.options",
        ),
        (["model.options.heads=3"], "Error: model.options.width=64 must be a multiple of heads=3."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_and_help_need_no_torch(without_torch, overrides, message):
    status, printed, errors = without_torch(*overrides)
    assert errors.startswith(message)
    assert status == (1 if message else 0)
    assert json.loads(printed.splitlines()[-1]) == []
