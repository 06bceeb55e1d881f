"""Sweeps as a user starts them."""

import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from helpers import TINY_OPTIONS

GRID = ("hrf=false,true", "rank=2,4", "fold=1,2", "seed=0")


def overrides(*more: str) -> list[str]:
    tiny = [
        "data.options.utterances_per_cell=3",
        "augment.speed=[]",
        "threads=1",
        "logger=none",
        "trainer.max_epochs=2",
    ]
    return ["-m", *tiny, f"model.options={TINY_OPTIONS['conv_transformer']}", "hydra.sweep.dir=runs", *more]


@pytest.fixture
def command(command):
    """Runs whole processes, as launchers start more of them."""
    return functools.partial(command, fresh=True)


def finished_runs(output: str) -> list[str]:
    """Names of the runs whose end a sweep printed."""
    return re.findall(r"^\[ *\d+/\d+\] (\S+): test UA ", output, re.M)


@pytest.mark.sweep
def test_a_sweep_records_failures_continues_skips_what_is_done_and_retries_on_request(command, tmp_path):
    first = command("train", *overrides(*GRID, "fold=9,1"), cwd=tmp_path)
    assert first.returncode == 1
    assert first.stdout.startswith("6 runs; 6 to do")
    assert "fold=9 is not a fold of demo: use one of 1, 2, 3, 4" in first.stdout
    assert "3 of 6 runs finished" in first.stdout
    assert re.search(r"^\[6/6\] demo_conv_transformer_hrf4_fold1_seed0_\w+: test UA .*; 3 failed$", first.stdout, re.M)
    assert first.stderr.strip() == "Error: 3 of 6 runs are not finished; the lines above say why."
    again = command("train", *overrides(*GRID, "fold=9,1"), cwd=tmp_path)
    assert (
        "6 runs: 3 finished already, 3 failed before (sweep.retry_failed=true tries them again); 0 to do"
        in again.stdout
    )
    assert again.returncode == 1
    retried = command("train", *overrides(*GRID, "fold=9,1", "sweep.retry_failed=true"), cwd=tmp_path)
    assert "3 to do" in retried.stdout
    more = command("train", *overrides(*GRID, "seed=0,1"), cwd=tmp_path)
    assert more.returncode == 0, more.stdout + more.stderr
    assert "12 runs: 3 finished already; 9 to do" in more.stdout
    assert "12 of 12 runs finished" in more.stdout
    finished = finished_runs(first.stdout + again.stdout + retried.stdout + more.stdout)
    assert len(finished) == len(set(finished)) == 12
    record = json.loads(next((tmp_path / "runs").glob("*_hrf4_fold1_seed1_*/metrics.json")).read_text())
    assert record["identity"] in next((tmp_path / "runs").glob("*_hrf4_fold1_seed1_*")).name
    assert "rank=4" in record["overrides"]


@pytest.mark.sweep
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "ray"])
def test_other_processes_give_the_same_runs(command, tmp_path, launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher")
    processes = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    done = command("train", *overrides("hrf=false,true", "fold=1,9", f"launcher={launcher}", *processes), cwd=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 of 4 runs finished" in done.stdout
    assert "fold=9 is not a fold of demo" in done.stdout
    here = command("train", *overrides("hrf=false,true", "fold=1", "hydra.sweep.dir=here"), cwd=tmp_path)
    assert here.returncode == 0, here.stdout + here.stderr
    for path in (tmp_path / "here").glob("*/predictions.csv"):
        assert path.read_bytes() == (tmp_path / "runs" / path.parent.name / "predictions.csv").read_bytes()


# The system kills whatever process works on fold 1; pickled by value, so that the processes of a launcher have it too.
DEADLY = """
from hrf_ser.entry import describe, entry_point

@entry_point("train")
def main(config):
    import os, signal
    from hrf_ser.sweeps.job import run_job
    from hrf_ser.train import train

    def train_or_die(config):
        if config.fold == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return train(config)

    return run_job(config, train_or_die, describe)

main()
"""


@pytest.mark.sweep
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local"])
def test_a_run_that_kills_its_process_fails_and_the_others_finish(cache, tmp_path, launcher):
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.removesuffix('_local')}_launcher")
    processes = ["hydra.launcher.n_jobs=2"] if launcher == "joblib" else []
    arguments = overrides("fold=1,2,3", f"launcher={launcher}", *processes)
    environment = {**os.environ, "HRF_SER_CACHE": str(cache), "COLUMNS": "200"}
    line = [sys.executable, "-c", DEADLY, *arguments]
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "2 of 3 runs finished" in done.stdout
    assert "The system killed its process 3 times" in done.stdout
    assert done.stderr.strip().splitlines()[-1].startswith("Error: 1 of 3 runs are not finished")


@pytest.mark.sweep
def test_a_search_maximises_validation_ua(command, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    trials = ("sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.n_startup_trials=2")
    done = command(
        "train", *[override for override in overrides(*trials) if override != "hydra.sweep.dir=runs"], cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (search,) = (tmp_path / "runs/search").iterdir()
    records = [json.loads(path.read_text()) for path in sorted(search.glob("*/metrics.json"))]
    assert len(records) == 3
    best = max(record["val"]["ua"] for record in records)
    found = (search / "optimization_results.yaml").read_text()
    assert f"best_value: {best}" in found
    assert "optimizer.lr" in found


@pytest.mark.sweep
def test_a_search_with_a_storage_resumes(command, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    storage = ("sweeper=optuna", "hydra.sweeper.storage=sqlite:///search.db")
    first = command("train", *overrides(*storage, "hydra.sweeper.n_trials=1"), cwd=tmp_path)
    assert first.returncode == 0, first.stdout + first.stderr
    more = command("train", *overrides(*storage, "hydra.sweeper.n_trials=2"), cwd=tmp_path)
    assert more.returncode == 0, more.stdout + more.stderr
    assert "1 trials of study hrf_ser are finished; 1 to do" in more.stdout
    assert {path.parent.name for path in tmp_path.glob("runs/*/metrics.json")} == {"0", "1"}
    other = command("train", *overrides(*storage, "rank=interval(1,4)"), cwd=tmp_path)
    assert other.returncode == 1
    assert other.stderr.strip().splitlines()[-1].startswith("Error: hydra.sweeper.params: study hrf_ser was searched")


@pytest.mark.sweep
def test_two_sweeps_at_once_never_do_the_same_run_twice(command, cache, tmp_path):
    environment = {**os.environ, "HRF_SER_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "hrf_ser.train", *overrides(*GRID)]
    pipe = subprocess.PIPE
    sweeps = [subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=pipe, text=True) for _ in range(2)]
    finished = finished_runs("".join(sweep.communicate(timeout=200)[0] for sweep in sweeps))
    assert len(finished) == len(set(finished)) == 6
    assert len(list((tmp_path / "runs").glob("*/metrics.json"))) == 6


@pytest.mark.sweep
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_of_joblib_end_with_the_sweep_and_it_resumes(cache, tmp_path, number):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    arguments = overrides("fold=1,2", "launcher=joblib", "hydra.launcher.n_jobs=2", "callbacks=none")
    environment = {**os.environ, "HRF_SER_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, "-m", "hrf_ser.train", *arguments, "trainer.max_epochs=5000"]
    pipe = subprocess.PIPE
    sweep = subprocess.Popen(
        line, cwd=tmp_path, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    while len(list(tmp_path.glob("runs/*/checkpoints/last.ckpt"))) < 2:
        assert sweep.poll() is None
        time.sleep(0.1)
    # As a terminal does, Ctrl-C for all; the kill is of the parent alone.
    os.killpg(sweep.pid, number) if number == signal.SIGINT else os.kill(sweep.pid, number)
    _, errors = sweep.communicate(timeout=60)  # Both pipes end with the last worker.
    time.sleep(5)
    assert "Traceback" not in errors
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/history.csv")}
    time.sleep(1)
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.glob("runs/*/history.csv")}
    again = subprocess.Popen(line, cwd=tmp_path, env=environment, stdout=pipe, text=True, start_new_session=True)
    assert again.stdout.readline().startswith("2 runs: 2 to resume; 2 to do")
    os.killpg(again.pid, signal.SIGKILL)
    again.communicate()


@pytest.mark.sweep
def test_a_sweep_killed_at_random_moments_ends_as_if_it_had_not_been(command, cache, tmp_path):
    """2 models x 2 x 2 folds x 2 seeds; the moments are random and printed."""
    grid = ("model=conv_transformer,conformer", "hrf=false,true", "fold=1,2", "seed=0,1")
    options = "model.options={width: 16, layers: 1, heads: 2, ffn: 32}"
    arguments = [override for override in overrides(*grid) if not override.startswith("model.options")] + [options]
    whole = command("train", *arguments, "hydra.sweep.dir=whole", cwd=tmp_path)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    environment = {**os.environ, "HRF_SER_CACHE": str(cache)}
    generator = random.Random()
    output = ""
    for _ in range(3):
        runs, moment = generator.randint(1, 3), generator.uniform(0, 2)
        print("killed", round(moment, 2), "s after the end of", runs, "runs")
        line = [sys.executable, "-m", "hrf_ser.train", *arguments]
        sweep = subprocess.Popen(
            line, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        # Three kills without any progress would count as a run that always crashes.
        printed = ""
        while len(finished_runs(printed)) < runs:
            text = sweep.stdout.readline()
            assert text, printed
            printed += text
        time.sleep(moment)
        os.killpg(sweep.pid, signal.SIGKILL)
        output += printed + sweep.communicate()[0]
    last = command("train", *arguments, cwd=tmp_path)
    assert last.returncode == 0, last.stdout + last.stderr
    folders = sorted(path.parent for path in (tmp_path / "runs").glob("*/metrics.json"))
    assert len(folders) == 16
    finished = finished_runs(output + last.stdout)
    assert len(finished) == len(set(finished))
    for folder in folders:
        undisturbed = tmp_path / "whole" / folder.name
        assert (folder / "predictions.csv").read_bytes() == (undisturbed / "predictions.csv").read_bytes(), folder.name
