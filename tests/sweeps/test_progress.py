import json
from pathlib import Path

import pytest

from hrf_ser.sweeps.progress import SWEEP_FILE, duration, print_progress, sweep_file


@pytest.fixture
def sweep(tmp_path):
    """A sweep of three runs, a to c -> its file."""
    with sweep_file(tmp_path, ["a", "b", "c"]):
        (path,) = tmp_path.glob(".sweep-*.json")
        yield path


def end(sweep: Path, run: str, file: str) -> None:
    (sweep.parent / run).mkdir(exist_ok=True)
    (sweep.parent / run / file).write_text("{}")


def shift(sweep: Path, seconds: float) -> None:
    content = json.loads(sweep.read_text())
    sweep.write_text(json.dumps({**content, "started": content["started"] + seconds}))


def test_each_job_prints_how_far_the_sweep_is(sweep, capsys):
    shift(sweep, -600)
    end(sweep, "a", "metrics.json")
    print_progress("run a", 60)
    end(sweep, "b", "failed.json")
    print_progress("run b", 60)
    print_progress("run c: in progress in another process")
    end(sweep, "c", "metrics.json")
    print_progress("run c", 60)
    assert capsys.readouterr().out.splitlines() == [
        "[1/3] run a; about 20 min left",
        "[2/3] run b; about 5 min left; 1 failed",
        "[2/3] run c: in progress in another process; about 5 min left; 1 failed",
        "[3/3] run c; 1 failed",
    ]


def test_a_clock_that_is_set_back_leaves_no_negative_time(sweep, capsys):
    shift(sweep, 1e6)
    end(sweep, "a", "metrics.json")
    print_progress("run a", 45)
    assert capsys.readouterr().out == "[1/3] run a; about 2 min left\n"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"runs": 3}', '{"started": 1e999, "runs": ["a"]}'])
def test_a_damaged_file_costs_the_progress_alone(sweep, capsys, content):
    sweep.write_text(content)
    end(sweep, "a", "metrics.json")
    print_progress("run a", 45)
    assert capsys.readouterr().out.endswith("run a\n")


def test_the_file_is_removed_with_the_sweep(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv(SWEEP_FILE, raising=False)
    with sweep_file(tmp_path, []):
        pass
    assert list(tmp_path.iterdir()) == []
    print_progress("run a", 1.0)
    assert capsys.readouterr().out == "run a\n"


def test_durations_are_readable():
    assert [duration(seconds) for seconds in (45, 720, 12_000)] == ["45 s", "12 min", "3 h 20 min"]
