import io
import json

from rich.console import Console

from hrf_ser.sweeps.plan import Planned
from hrf_ser.sweeps.progress import JOURNAL, begin, duration, ended, summary, tell


def test_each_job_says_how_far_the_sweep_is(tmp_path, monkeypatch, capsys):
    journal = begin(tmp_path, 3)
    monkeypatch.setenv(JOURNAL, str(journal))
    head = json.loads(journal.read_text())
    journal.write_text(json.dumps({**head, "started": head["started"] - 600}) + "\n")
    tell("finished", "a", "run a", 60.0)
    tell("failed", "b", "run b", 60.0)
    tell("elsewhere", "c", "run c", 0.0)
    assert capsys.readouterr().out.splitlines() == [
        "[1/3] run a; about 20 min left",
        "[2/3] run b; about 5 min left; 1 failed",
        "[3/3] run c; 1 failed",
    ]
    assert [json.loads(line)["run"] for line in journal.read_text().splitlines()[1:]] == ["a", "b", "c"]


def test_a_journal_that_a_kill_or_a_full_disk_cut_is_gone_on_with(tmp_path, monkeypatch, capsys):
    journal = begin(tmp_path, 3)
    monkeypatch.setenv(JOURNAL, str(journal))
    tell("finished", "a", "run a", 60.0)
    with journal.open("a") as file:
        file.write('{"outcome": "fin')
    tell("finished", "b", "run b", 60.0)
    assert capsys.readouterr().out.splitlines()[-1].startswith("[2/3] run b; about ")
    assert ended(journal) == {"a", "b"}
    journal.write_text("")
    tell("finished", "c", "run c", 60.0)
    assert capsys.readouterr().out == "run c, finished\n"


def test_a_clock_that_is_set_back_leaves_no_negative_time(tmp_path, monkeypatch, capsys):
    journal = begin(tmp_path, 2)
    monkeypatch.setenv(JOURNAL, str(journal))
    head = json.loads(journal.read_text())
    journal.write_text(json.dumps({**head, "started": head["started"] + 1e6}) + "\n")
    tell("finished", "a", "run a", 45.0)
    assert capsys.readouterr().out == "[1/2] run a; about 45 s left\n"


def test_a_job_without_a_journal_says_what_it_did(monkeypatch, capsys):
    monkeypatch.delenv(JOURNAL, raising=False)
    tell("finished", "a", "run a", 1.0)
    assert capsys.readouterr().out == "run a, finished\n"


def test_the_summary_counts_groups_reasons_and_says_what_to_type(tmp_path):
    planned = [Planned((), name) for name in ("a", "b", "c", "d")]
    for name, file, content in (
        ("a", "metrics.json", {"test": {"ua": 0.25}, "seconds": {"total": 1}}),
        ("b", "failed.json", {"reason": "no [such] file"}),
        ("c", "failed.json", {"reason": "no [such] file"}),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(json.dumps(content))
    out = io.StringIO()
    assert summary(tmp_path, planned, Console(file=out, width=100)) == 3
    text = out.getvalue()
    assert "no [such] file\n              b and 1 more" in text
    assert "1 of 4 runs finished, 1 not finished (another sweep has them, or was stopped)" in text
    assert "sweep.retry_failed=true" in text
    assert f"python -m hrf_ser.report runs={tmp_path}" in text


def test_durations_are_in_words():
    assert [duration(seconds) for seconds in (45, 720, 12_000)] == ["45 s", "12 min", "3 h 20 min"]
