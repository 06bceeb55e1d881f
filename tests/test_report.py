"""``python -m hrf_ser.report`` as a user types it."""

import json
import subprocess
import sys

import pytest

from hrf_ser.report import print_report, split_paths
from study import make_run, write_run

TABLES = {"configurations.csv", "comparisons.csv", "tables.md", "tables.tex"}
FILES = {"report.json", "index.html", "runs.jsonl", *TABLES}


@pytest.fixture
def runs(tmp_path):
    """Two variants, six folds; a damaged, a failed and an unfinished run."""
    for rank, right in ((None, 0.5), (4.0, 0.6)):
        for fold in "123456":
            folder = tmp_path / f"my runs, {'hrf' if rank else 'plain'}" / fold
            write_run(folder, make_run(right, fold=fold, rank=rank))
    damaged = write_run(tmp_path / "my runs, hrf/damaged", make_run(seed=1))
    (damaged / "metrics.json").write_text("{")
    (tmp_path / "my runs, hrf/failed").mkdir()
    (tmp_path / "my runs, hrf/failed/failed.json").write_text('{"reason": "no audio"}')
    (tmp_path / "my runs, hrf/started/checkpoints").mkdir(parents=True)
    return tmp_path


def test_runs_become_an_answer_and_files(command, runs):
    words = ("runs=my runs, *", "out=the report", "latency=false", "title=A study")
    finished = command("report", *words, cwd=runs, fresh=True)
    assert finished.returncode == 0, finished.stderr
    assert "Light with HRF is better than light for Conformer on demo" in finished.stdout
    assert "my runs, hrf/damaged/metrics.json is damaged" in finished.stdout
    assert "1 run failed: my runs, hrf/failed (no audio)." in finished.stdout
    assert "the page      the report/index.html" in finished.stdout
    assert {path.name for path in (runs / "the report").iterdir()} == FILES
    report = json.loads((runs / "the report/report.json").read_text())
    assert report["title"] == "A study"
    assert report["comparisons"][0]["p_holm"] == 2 / 64
    assert report["configurations"][0]["latency_ms"] is None
    assert "A study" in (runs / "the report/index.html").read_text()
    # The report of a report is the same, and its own folder holds no runs.
    again = command("report", "runs=my runs, plain", "latency=false", cwd=runs)
    assert again.returncode == 0, again.stderr
    assert {path.name for path in (runs / "my runs, plain/report").iterdir()} == FILES


def test_the_records_of_a_report_give_its_tables_again(command, runs):
    for source, out in (("my runs, *", "first"), ("first/runs.jsonl", "second")):
        finished = command("report", f"runs={source}", f"out={out}", "latency=false", cwd=runs)
        assert finished.returncode == 0, finished.stderr
    first, second = ((runs / out / "comparisons.csv").read_text() for out in ("first", "second"))
    assert first == second
    assert len(first.splitlines()) == 2


def test_a_report_of_validation_speakers_keeps_the_records_whole(command, runs):
    arguments = ("runs=my runs, *", "out=chosen", "latency=false", "split=validation")
    finished = command("report", *arguments, cwd=runs)
    assert finished.returncode == 0, finished.stderr
    assert "Scores are of the validation speakers" in finished.stdout
    assert json.loads((runs / "chosen/runs.jsonl").read_text().splitlines()[0])["confusion"]


def test_predictions_of_another_system_are_added(command, runs):
    tables = [(runs / f"my runs, plain/{fold}/predictions.csv").read_text().splitlines() for fold in "123456"]
    lines = [tables[0][0], *(line for table in tables for line in table[1:])]
    (runs / "their, file.csv").write_text("\n".join(lines) + "\n")
    known = 'add=[{path: "their, file.csv", name: "openSMILE + SVM", parameters: 88, macs: null}]'
    for word, name in (("add=their, file.csv", "their, file"), (known, "openSMILE + SVM")):
        finished = command("report", "runs=my runs, plain", word, f"out={name}", "latency=false", cwd=runs)
        assert finished.returncode == 0, finished.stderr
        report = json.loads((runs / name / "report.json").read_text())
        assert report["configurations"][1]["label"] == name
        assert report["comparisons"][0]["difference"] == 0
    # The records hold the system, too.
    again = command("report", "runs=openSMILE + SVM/runs.jsonl", "out=again", "latency=false", cwd=runs)
    assert again.returncode == 0, again.stderr
    assert (runs / "again/comparisons.csv").read_text() == (runs / "openSMILE + SVM/comparisons.csv").read_text()


def test_latency_of_real_bundles_is_measured(command, train, tmp_path):
    for hrf in ("false", "true"):
        train(tmp_path / "runs" / hrf, "trainer.max_epochs=1", f"hrf={hrf}")
    finished = command("report", "runs=runs", cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "runs/report/report.json").read_text())
    plain, hrf = (entry["latency_ms"] for entry in report["configurations"])
    # HRF is merged away: both are one model, measured once.
    assert plain == hrf
    assert 0 < plain["p50"] <= plain["p95"] < 1000
    assert report["comparisons"][0]["pairs"] == 1


def test_mistakes_end_in_one_sentence(command, runs):
    (runs / "empty").mkdir()
    (runs / "file").touch()
    cases = {
        ("runs=nowhere",): "Error: runs=nowhere does not exist",
        ("runs=empty",): "Error: runs=empty holds no finished run",
        ("runs=",): "Error: runs is empty",
        (): "Error: runs has no value",
        ("runs=my runs, hrf", "latency=maybe"): "Error: latency=maybe must be true or false",
        ("runs=my runs, hrf", "split=train"): "Error: split=train is unknown: use one of test, validation.",
        ("runs=my runs, hrf", "out=file"): "Error: out=file is a file",
        ("runs=my runs, hrf", "add=theirs.csv"): "Error: add=theirs.csv cannot be read",
        ("runs=my runs, hrf", "add="): "Error: add is empty: give CSV files.",
        ("runs=my runs, hrf", "add=[{name: SVM}]"): "Error: add.path has no value",
        ("runs=my runs, hrf", "add={path: a.csv, macs: few}"): "Error: add.macs=few must be a number greater than or",
        ("runs=my runs, hrf", "add={path: a.csv, flops: 3}"): "Error: add.flops is unknown",
        ("runs=my runs, hrf", "add=a.csv", "split=validation"): "Error: add=... has predictions of test speakers",
        ("runs=my runs, hrf/damaged",): "Error: my runs, hrf/damaged/metrics.json is damaged",
    }
    for arguments, message in cases.items():
        finished = command("report", *arguments, cwd=runs)
        assert finished.returncode == 1, arguments
        assert finished.stderr.startswith(message), finished.stderr
        assert len(finished.stderr.strip().splitlines()) == 1
        assert finished.stdout == ""


@pytest.mark.parametrize("overrides", [["runs=nowhere"], ["runs=", "latency=maybe"], ["--help"]])
def test_mistakes_and_help_come_before_anything_heavy(overrides, tmp_path):
    program = (
        "import sys\nfrom hrf_ser.report import main\n"
        f"sys.argv = ['report', *{overrides}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('heavy:', [name for name in ('torch', 'scipy', 'numpy', 'pandas', 'statsmodels') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip().endswith("heavy: []")
    assert ("python -m hrf_ser.report runs=" in done.stdout) == (overrides == ["--help"])


def test_paths_are_split_at_commas_unless_they_exist(tmp_path):
    (tmp_path / "a,b").mkdir()
    assert split_paths(f"{tmp_path}/a,b") == [f"{tmp_path}/a,b"]
    assert split_paths(f"{tmp_path}/a,*") == [f"{tmp_path}/a,*"]
    assert split_paths("runs/a, runs/c") == split_paths(["runs/a", "runs/c"]) == ["runs/a", "runs/c"]


def test_markup_in_a_report_is_printed_as_it_is(capsys, tmp_path):
    print_report({"title": "t", "answer": "Yes.", "warnings": ["a [bold] folder"]}, tmp_path)
    printed = capsys.readouterr().out
    assert "! a [bold] folder" in printed
    assert f"the page      {tmp_path}/index.html\n" in printed
