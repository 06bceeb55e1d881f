"""What a run refuses before torch is imported. No times: that torch is absent is what makes it quick."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "lightning", "torchaudio", "matplotlib", "scipy", "wandb")

# Runs the main job as ``python -m`` does, and says at its end which heavy modules it came to import.
PROGRAM = f"""
import atexit, json, runpy, sys
atexit.register(lambda: print(json.dumps([name for name in {HEAVY} if name in sys.modules])))
runpy.run_module("hrf_ser.train", run_name="__main__", alter_sys=True)
"""


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
def test_mistakes_and_help_need_no_torch(tmp_path, overrides, message):
    line = [sys.executable, "-c", PROGRAM, *overrides]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.stderr.startswith(message)
    assert done.returncode == (1 if message else 0)
    assert json.loads(done.stdout.splitlines()[-1]) == []
