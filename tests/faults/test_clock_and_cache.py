"""A clock that jumps, and a cache folder that may only be read."""

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
def test_a_run_that_was_killed_under_one_clock_ends_under_another(forks, given, undisturbed, tmp_path, name):
    verb = VERBS[name]
    whole, outcome, _ = undisturbed(name)
    killed = verb.run(forks, given, tmp_path / "run", clock=2, kill_at=whole.operations // 2)
    assert killed.status == -9
    again = verb.run(forks, given, tmp_path / "run", restart=True, clock=3)
    assert again.status == 0, again.output
    assert verb.outcome(tmp_path / "run") == outcome


@pytest.fixture
def read_only(tmp_path):
    """A file system, and a function that lets nobody write to it, root included."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here; needs root")
    yield folder, lambda: subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    subprocess.run(["umount", str(folder)], check=True)


def test_a_cache_that_is_complete_need_not_be_writable(forks, given, undisturbed, read_only, tmp_path):
    disk, protect = read_only
    words = ("data=table", f"data.root={given}/corpus/table.csv", f"cache_dir={disk}")
    assert forks.run(tmp_path / "prepared", "prepare", *words).status == 0
    protect()
    train = [word for word in VERBS["train"].words if not word.startswith(("data.", "cache_dir"))]
    trained = forks.run(tmp_path / "trained", "train", *train, *words, "protocol.folds=speaker")
    assert trained.status == 0, trained.output


@pytest.mark.parametrize(("verb", "words"), [("prepare", ()), ("train", ("logger=none", "protocol.folds=speaker"))])
def test_an_empty_cache_that_cannot_be_written_is_told(forks, given, read_only, tmp_path, verb, words):
    disk, protect = read_only
    protect()
    words = ("data=table", f"data.root={given}/corpus/table.csv", f"cache_dir={disk}/cache", *words)
    ended = forks.run(tmp_path / "run", verb, *words)
    assert ended.status == 1
    assert re.search(r"^Error: \S+/cache: cannot be written; set cache_dir to", ended.output, re.M), ended.output
    assert "Traceback" not in ended.output
    assert not damaged(disk)


def test_results_that_cannot_be_written_are_told(forks, given, read_only, tmp_path):
    disk, protect = read_only
    protect()
    words = (f"bundle={given}/run/bundle", f"audio={given}/corpus/00.wav", f"out={disk}/predictions.csv")
    ended = forks.run(tmp_path / "run", "predict", *words)
    assert ended.status == 1
    assert ended.output.splitlines()[-1].startswith(f"Error: {disk}/predictions.csv: no permission"), ended.output
