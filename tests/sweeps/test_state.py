import json
import os
import signal
import subprocess
import sys

import pytest

from hrf_ser.errors import UserError
from hrf_ser.run_folder import failure_reason
from hrf_ser.sweeps.state import CRASHES, MAX_CRASHES, count_crashes, crash_count, record_failure, run_lock, state

OWNER = """
import sys
from pathlib import Path
from hrf_ser.sweeps.state import run_lock
with run_lock(Path(sys.argv[1])) as locked:
    print(locked, flush=True)
    sys.stdin.read()
"""


def test_a_lock_keeps_others_out_and_ends_with_its_process(tmp_path):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline().strip() == "True"
    with run_lock(tmp_path) as locked:
        assert not locked
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with run_lock(tmp_path) as locked:
        assert locked
    with run_lock(tmp_path) as locked:
        assert locked, "released at the end of the block"


def test_a_folder_is_new_started_failed_or_finished(tmp_path):
    assert state(tmp_path) == "new"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").touch()
    assert state(tmp_path) == "started"
    with pytest.raises(ValueError, match="two") as raised:
        raise ValueError("two\nlines")
    assert record_failure(tmp_path, raised.value, None, ["fold=1"]) == "ValueError: two"
    assert record_failure(tmp_path, raised.value, "A sentence.", ["fold=1"]) == "A sentence."
    assert state(tmp_path) == "failed"
    assert failure_reason(tmp_path) == "A sentence."
    content = json.loads((tmp_path / "failed.json").read_text())
    assert content["overrides"] == ["fold=1"]
    assert "test_state.py" in content["traceback"]
    (tmp_path / "metrics.json").write_text('{"test": {"ua": 0.5}, "seconds": {"total": 3}}')
    assert state(tmp_path) == "finished"
    (tmp_path / "failed.json").write_text("{")
    assert failure_reason(tmp_path) == f"{tmp_path}/failed.json is damaged"


def test_a_full_disk_does_not_hide_why_a_run_failed(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("hrf_ser.sweeps.state.write_text", full)
    assert record_failure(tmp_path, ValueError("why"), None, []) == "ValueError: why"
    assert state(tmp_path) == "new"


def crash(folder, checkpoint=False) -> None:
    """An attempt that is killed: its mark stays."""
    with count_crashes(folder):
        mark = (folder / CRASHES).read_text()
        if checkpoint:
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / "checkpoints" / "new").write_text("")
            os.replace(folder / "checkpoints" / "new", folder / "checkpoints" / "last.ckpt")
    (folder / CRASHES).write_text(mark)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, None])
def test_an_attempt_that_ends_by_itself_is_no_crash(tmp_path, error):
    if error is None:
        with count_crashes(tmp_path):
            pass
    else:
        with pytest.raises(error), count_crashes(tmp_path):
            raise error
    assert crash_count(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_after_so_many_crashes_in_a_row_a_run_fails_once(tmp_path):
    for number in range(MAX_CRASHES):
        assert crash_count(tmp_path) == number
        crash(tmp_path)
    with (
        pytest.raises(UserError, match=r"killed its process 3 times .* sweep.retry_failed=true"),
        count_crashes(tmp_path),
    ):
        pytest.fail("tried again")
    assert crash_count(tmp_path) == 0
    crash(tmp_path)
    assert crash_count(tmp_path) == 1


def test_a_new_checkpoint_resets_the_count(tmp_path):
    for _ in range(2 * MAX_CRASHES):
        crash(tmp_path, checkpoint=True)
        assert crash_count(tmp_path) == 1
    crash(tmp_path)
    assert crash_count(tmp_path) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"count": 2}', '["x", null]'])
def test_a_mark_that_cannot_be_read_is_one_crash(tmp_path, text):
    (tmp_path / CRASHES).write_text(text)
    assert crash_count(tmp_path) == 1
