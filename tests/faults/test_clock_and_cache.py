"""A clock that jumps, and a read-only cache."""

import re
import subprocess

import pytest
from verbs import VERBS, damaged


@pytest.mark.parametrize("name", ["prepare", "train", "sweep"])
def test_a_clock_that_jumps_changes_nothing(forks, given, undisturbed, tmp_path, name):
    verb = VERBS[name]
    outcome = undisturbed(name)[1]
    jumped = verb.run(forks, given, tmp_path / "jumped", clock=1)
    assert jumped.status == 0, jumped.output
    assert verb.outcome(tmp_path / "jumped") == outcome
    assert not re.search(r"about -|in -\d", jumped.output)
    for path in tmp_path.glob("jumped/**/metrics.json"):
        seconds = re.search(r'"seconds": \{([^}]*)\}', path.read_text())[1]
        assert "-" not in seconds, "a duration is negative"


@pytest.mark.parametrize("name", ["train", "sweep"])
def test_a_killed_run_resumes_under_another_clock(forks, given, undisturbed, tmp_path, name):
    verb = VERBS[name]
    whole, outcome, _ = undisturbed(name)
    killed = verb.run(forks, given, tmp_path / "run", clock=2, kill_at=whole.operations // 2)
    assert killed.status == -9
    again = verb.run(forks, given, tmp_path / "run", restart=True, clock=3)
    assert again.status == 0, again.output
    assert verb.outcome(tmp_path / "run") == outcome


@pytest.fixture
def read_only(tmp_path):
    """A file system, and a function that makes it read-only, also for root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here; needs root")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    subprocess.run(["umount", str(folder)], check=True)


def test_a_complete_cache_may_be_read_only(forks, given, undisturbed, read_only, tmp_path):
    disk, protect = read_only
    overrides = ("data=table", f"data.root={given}/corpus/table.csv", f"cache_dir={disk}")
    assert forks.run(tmp_path / "prepared", "prepare", *overrides).status == 0
    protect()
    train = [override for override in VERBS["train"].words if not override.startswith(("data.", "cache_dir"))]
    trained = forks.run(tmp_path / "trained", "train", *train, *overrides, "protocol.folds=speaker")
    assert trained.status == 0, trained.output


@pytest.mark.parametrize(("verb", "overrides"), [("prepare", ()), ("train", ("logger=none", "protocol.folds=speaker"))])
def test_an_unwritable_empty_cache_is_reported(forks, given, read_only, tmp_path, verb, overrides):
    disk, protect = read_only
    protect()
    overrides = ("data=table", f"data.root={given}/corpus/table.csv", f"cache_dir={disk}/cache", *overrides)
    ended = forks.run(tmp_path / "run", verb, *overrides)
    assert ended.status == 1
    assert re.search(r"^Error: \S+/cache cannot be written: set cache_dir to", ended.output, re.M), ended.output
    assert "Traceback" not in ended.output
    assert not damaged(disk)


def test_unwritable_results_are_reported(forks, given, read_only, tmp_path):
    disk, protect = read_only
    protect()
    words = (f"bundle={given}/run/bundle", f"audio={given}/corpus/00.wav", f"out={disk}/predictions.csv")
    ended = forks.run(tmp_path / "run", "predict", *words)
    assert ended.status == 1
    assert ended.output.splitlines()[-1].startswith(f"Error: {disk}/predictions.csv: no permission"), ended.output
