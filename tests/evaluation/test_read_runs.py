"""Finding and reading run folders, whole and damaged."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from helpers import REPOSITORY
from hrf_ser.errors import UserError
from hrf_ser.evaluation import read
from hrf_ser.evaluation.build import build_report
from hrf_ser.evaluation.config_text import read_settings
from hrf_ser.evaluation.configurations import group
from hrf_ser.evaluation.find import Found, find_runs
from hrf_ser.evaluation.folder import read_predictions, read_run
from hrf_ser.evaluation.read import read_runs
from hrf_ser.evaluation.records import to_lines
from study import LABELS, make_run, write_run


def test_finished_failed_and_unfinished_runs_are_found_anywhere_below(tmp_path):
    write_run(tmp_path / "sweep/0", make_run())
    write_run(tmp_path / "sweep/0/bundle", make_run())  # a run's own folders hold no runs
    write_run(tmp_path / "sweep/.hydra", make_run())
    (tmp_path / "deep/er/failed").mkdir(parents=True)
    (tmp_path / "deep/er/failed/failed.json").write_text('{"reason": "out of\\nmemory", "overrides": []}')
    (tmp_path / "deep/er/failed/config.yaml").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/failed.json").write_text("{")
    (tmp_path / "begun/checkpoints").mkdir(parents=True)
    found = find_runs([str(tmp_path), f"{tmp_path}/sw*"])  # twice the same is once
    assert found.finished == [f"{tmp_path}/sweep/0"]
    assert found.failed == [
        (f"{tmp_path}/broken", f"{tmp_path}/broken/failed.json is damaged"),
        (f"{tmp_path}/deep/er/failed", "out of memory"),
    ]
    assert found.unfinished == [f"{tmp_path}/begun"]


def test_nothing_found_is_told(tmp_path):
    with pytest.raises(UserError, match="runs=/nowhere: nothing is there"):
        find_runs(["/nowhere"])
    (tmp_path / "begun/checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no finished run \(0 failed, 1 unfinished\)"):
        find_runs([str(tmp_path)])


def test_a_run_is_read_as_it_was_written(tmp_path):
    run = make_run({"a": 0.3, "b": 0.6}, rank=4.0, fold="2")
    folder = write_run(tmp_path / "run", run)
    again, sentences = read_run(str(folder))
    assert sentences == []
    assert (again.labels, again.speakers) == (LABELS, ("a", "b"))
    assert np.array_equal(again.counts, run.counts)
    assert again.history == run.history
    assert (again.rank, again.fold, again.seed) == (4.0, "2", 0)
    assert again.settings == {"trainer.max_epochs": "60"}


def test_names_with_commas_and_quotes_are_read(tmp_path):
    folder = write_run(tmp_path, make_run())
    text = (folder / "predictions.csv").read_text()
    expected = read_predictions(f"{folder}/predictions.csv")
    (folder / "predictions.csv").write_text(text.replace("1a-0", '"one, ""a"""', 1))
    for one, other in zip(read_predictions(f"{folder}/predictions.csv"), expected, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: "{", "metrics.json: is damaged"),
        (lambda _: "[]", "it is not the record of a finished run"),
        (lambda record: json.dumps({**record, "status": "running"}), "it is not the record of a finished run"),
        (lambda record: json.dumps({**record, "fold": None}), "it has no fold"),
        (lambda record: json.dumps({**record, "test": {**record["test"], "ua": None}}), "its test ua is no number"),
        (lambda record: json.dumps({**record, "hrf": True}), "its rank is no number"),
        (lambda record: json.dumps({**record, "seed": "0"}), "its seed or test has the wrong kind"),
        (lambda _: "[" * 100_000, "metrics.json: is damaged"),
    ],
)
def test_a_damaged_record_leaves_its_run_out_and_names_the_file(tmp_path, change, reason):
    folder = write_run(tmp_path / "run", make_run())
    record = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(change(record))
    run, (sentence,) = read_run(str(folder))
    assert run is None
    assert sentence.startswith(f"{folder}/metrics.json: is damaged")
    assert reason in sentence


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: "", "its columns are not those of predictions"),
        (lambda text: text.splitlines()[0], "it has no rows"),
        (lambda text: text[: text.rindex("1b") + 3], "a row is cut short"),
        (lambda text: text.replace(",sad,sad,", ",sad,bored,", 1), "'bored' is no class"),
        (lambda text: text.replace(",sad,sad,", ",sad,angry,", 1), "its UA is not that of metrics.json"),
    ],
)
def test_damaged_predictions_cost_the_run_its_speakers_only(tmp_path, change, reason):
    folder = write_run(tmp_path / "run", make_run())
    text = (folder / "predictions.csv").read_text()
    (folder / "predictions.csv").write_text(change(text))
    run, (sentence,) = read_run(str(folder))
    assert run.counts is None
    assert run.score("ua") == 0.5
    assert reason in sentence


def test_missing_files_beside_the_record_are_told_or_not_needed(tmp_path):
    folder = write_run(tmp_path / "run", make_run())
    for name in ("predictions.csv", "history.csv", "config.yaml"):
        (folder / name).unlink()
    run, (sentence,) = read_run(str(folder))
    assert "predictions.csv: is missing" in sentence
    assert (run.counts, run.history, run.settings) == (None, {}, {})


def test_a_run_without_validation_has_a_curve_of_its_loss(tmp_path):
    run = make_run(protocol="last_epoch", val=None)
    del run.history["val/ua"]
    again, sentences = read_run(str(write_run(tmp_path / "run", run)))
    assert sentences == []
    assert again.history == {"train/loss": [2.0, 1.5, 1.2, 1.1]}
    assert "val" not in again.record


def test_the_records_of_the_repository_are_read(tmp_path):
    runs, sentences = read_runs(find_runs([str(REPOSITORY / "docs/results/ravdess_folds_1-3.jsonl")]))
    assert len(runs) == 18
    assert sentences == []
    lines = tmp_path / "records.jsonl"
    lines.write_text(json.dumps(make_run().record) + "\n\n{\n")
    runs, (sentence,) = read_runs(find_runs([str(lines)]))
    assert len(runs) == 1
    assert sentence.startswith(f"{lines}, line 3: is damaged")


def test_runs_travel_as_lines_and_give_the_same_report(tmp_path):
    runs = [
        make_run(right, fold=fold, seed=seed, rank=rank, settings={"optimizer.lr": lr})
        for rank, right in ((None, 0.5), (4.0, 0.6))
        for fold in ("1", "2")
        for seed, lr in ((0, "0.001"), (1, "0.001"), (2, "0.01"))
    ]
    lines = tmp_path / "runs.jsonl"
    lines.write_text(to_lines(runs))
    again, sentences = read_runs(find_runs([str(lines)]))
    assert sentences == []

    def told(runs):
        report = build_report(Found(), runs)
        for entry in report["configurations"]:
            entry["history"] = None
            for detail in entry["detail"]:
                del detail["folder"]
        return report

    assert told(again) == told(runs)


def test_of_runs_that_are_there_twice_the_newer_one_counts_in_their_lines_too(tmp_path):
    older = [make_run(0.2, seed=seed) for seed in range(12)]
    newer = [replace(make_run(0.8, seed=seed), written=2, folder=f"again/{seed}") for seed in range(12)]
    lines = tmp_path / "runs.jsonl"
    lines.write_text(to_lines([*newer, *older]))
    again, _ = read_runs(find_runs([str(lines)]))
    for runs in ([*newer, *older], again):
        (one,), doubles = group(runs)
        assert {run.score("ua") for run in one.runs.values()} == {0.8}
        assert len(doubles) == 12


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ["a"]}, "one class, or too many"),
        ({"labels": "abcd"}, "no names"),
        ({"speakers": ["1a", "1a"]}, "twice"),
        ({"speakers": ["1a"]}, "not a matrix for every speaker"),
        ({"confusion": [[1, 2], [3]]}, "no table of numbers"),
        ({"confusion": [[[-1.0] * 4] * 4] * 2}, "not a matrix for every speaker"),
        ({"confusion": [np.eye(4).tolist()] * 2}, "its UA is not that of"),
        ({"settings": ["lr"]}, "settings have the wrong kind"),
        ({"settings": {"lr": 0.1}}, "no short texts"),
        ({"merge": {"max_abs_diff": float("nan")}}, "not JSON compliant"),
    ],
)
def test_a_damaged_line_is_left_out_and_told(tmp_path, change, reason):
    lines = tmp_path / "runs.jsonl"
    whole = json.loads(to_lines([make_run(0.5)]))
    lines.write_text(json.dumps(whole) + "\n" + json.dumps(whole | change) + "\n")
    (run,), (sentence,) = read_runs(find_runs([str(lines)]))
    assert run.score("ua") == 0.5
    assert sentence.startswith(f"{lines}, line 2: is damaged (")
    assert reason in sentence


def test_many_runs_are_read_by_several_processes_in_order(tmp_path, monkeypatch):
    for seed in range(6):
        write_run(tmp_path / str(seed), make_run(seed=seed))
    alone, _ = read_runs(find_runs([str(tmp_path)]))
    monkeypatch.setattr(read, "_POOL_FROM", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    together, _ = read_runs(find_runs([str(tmp_path)]))
    assert [run.folder for run in together] == [run.folder for run in alone]
    assert all(np.array_equal(a.counts, b.counts) for a, b in zip(alone, together, strict=True))


def test_settings_are_what_decides_the_result(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "model: {name: conformer, label: conformer, options: {width: 64}}\n"
        "data:\n  name: ravdess\n  root: /data\n  options:\n    download: true\n    channels:\n    - 1\n    - 2\n"
        "protocol: {name: honest, folds: corpus}\nlogger:\n  wandb: {name: a}\ncallbacks: {}\n"
        "hrf: false\nrank: 4\nfold: 1\nseed: 3\nthreads: 1\ncache_dir: /cache\nreparam: {mode: parametrized}\n"
        "optimizer:\n  lr: 0.001\n  nesterov: true\ntest_data: null\n"
    )
    settings, root = read_settings(path.read_text(), hrf=False)
    assert root == "/data"
    assert settings == {
        "model.options.width": "64",
        "data.options.channels": "[1,2]",
        "protocol.folds": "corpus",
        "callbacks": "{}",
        "optimizer.lr": "0.001",
        "optimizer.nesterov": "true",
        "test_data": "null",
    }
    assert read_settings(path.read_text(), hrf=True)[0]["reparam.mode"] == "parametrized"
    path.write_text("data: {name: table, root: mine.csv}\n")
    assert read_settings(path.read_text(), hrf=True) == ({"data.root": "mine.csv"}, "mine.csv")
    path.write_text("trainer: [")
    assert read_settings(path.read_text(), hrf=True) == ({}, None)


@pytest.mark.parametrize(
    ("source", "told"), [({"hrf": False, "rank": None}, "plain"), ({"hrf": True, "rank": 4}, "hrf4")]
)
def test_runs_that_start_from_runs_are_known_by_the_arm_of_those(tmp_path, source, told):
    folders = []
    for fold in ("1", "2"):
        run = make_run(fold=fold, init_from={"corpus": "demo", "fold": fold, **source})
        config = f"init_from: runs/plain_fold{fold}\ntrainer:\n  max_epochs: 60\n"
        folders.append(write_run(tmp_path / fold, run, config))
    runs = [read_run(str(folder))[0] for folder in folders]
    assert [run.settings["init_from"] for run in runs] == [f"demo/{told}"] * 2
