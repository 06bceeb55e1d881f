"""Workers of a local sweep end with its process, whatever ended that."""

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

WORKER = """
import time
from hrf_ser.parent import end_with_sweep
end_with_sweep("{launcher}")
print("ready", flush=True)
time.sleep(60)
"""
SWEEP = """
import os, subprocess, sys, time
os.environ["HRF_SER_SWEEP_PROCESS"] = str(os.getpid())
subprocess.Popen({command!r})
time.sleep(60)
"""
JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.{}Launcher"


def ends(launcher, *between, number):
    """Kill a sweep with this signal; whether its worker, which holds the other end of a pipe, ends within five seconds."""
    worker = [*between, sys.executable, "-c", WORKER.format(launcher=launcher)]
    line = [sys.executable, "-c", SWEEP.format(command=worker)]
    sweep = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert sweep.stdout.readline() == "ready\n"
        os.kill(sweep.pid, number)
        sweep.wait(timeout=10)
        # The pipe ends with the last process that holds it.
        return bool(select.select([sweep.stdout], [], [], 5)[0])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(sweep.pid, signal.SIGKILL)
        sweep.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_worker_ends_with_its_sweep(number):
    assert ends(JOBLIB, number=number)


def test_a_worker_that_another_process_started_ends_with_its_sweep():
    between = (sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])")
    assert ends(SUBMITIT.format("Local"), *between, number=signal.SIGKILL)


def test_a_job_of_slurm_outlives_the_command_that_submitted_it():
    assert not ends(SUBMITIT.format("Slurm"), number=signal.SIGKILL)
