import json
import signal
import subprocess
import sys

import pytest

from hrf_ser.sweeps.state import claim, failure, record_failure, state, ua_of

OWNER = """
import sys, time
from pathlib import Path
from hrf_ser.sweeps.state import claim
with claim(Path(sys.argv[1])) as ours:
    print(ours, flush=True)
    sys.stdin.read()
"""


def test_a_claim_keeps_others_out_and_does_not_outlive_its_owner(tmp_path):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline().strip() == "True"
    with claim(tmp_path) as ours:
        assert not ours
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with claim(tmp_path) as ours:
        assert ours
    with claim(tmp_path) as ours:
        assert ours, "given up at the end of the block"


def test_a_folder_is_new_begun_failed_or_finished(tmp_path):
    assert state(tmp_path) == "new"
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/last.ckpt").touch()
    assert state(tmp_path) == "begun"
    with pytest.raises(ValueError, match="two") as raised:
        raise ValueError("two\nlines")
    assert record_failure(tmp_path, raised.value, None, ["fold=1"]) == "ValueError: two"
    assert record_failure(tmp_path, raised.value, "A sentence.", ["fold=1"]) == "A sentence."
    assert state(tmp_path) == "failed"
    assert failure(tmp_path) == "A sentence."
    content = json.loads((tmp_path / "failed.json").read_text())
    assert content["overrides"] == ["fold=1"]
    assert "test_sweep_state.py" in content["traceback"]
    (tmp_path / "metrics.json").write_text('{"test": {"ua": 0.5}, "seconds": {"total": 3}}')
    assert state(tmp_path) == "finished"
    assert ua_of(tmp_path) == 0.5
    (tmp_path / "failed.json").write_text("{")
    assert failure(tmp_path) == "its failed.json cannot be read"


def test_a_full_disk_does_not_hide_why_a_run_failed(tmp_path, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("hrf_ser.sweeps.state.write_text", full)
    assert record_failure(tmp_path, ValueError("why"), None, []) == "ValueError: why"
    assert state(tmp_path) == "new"
