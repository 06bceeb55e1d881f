"""Finding and reading run folders, whole and damaged."""

import json

import numpy as np
import pytest

from helpers import REPOSITORY
from hrf_ser.errors import UserError
from hrf_ser.evaluation.build import build_report
from hrf_ser.evaluation.configurations import configure
from hrf_ser.evaluation.find import Found, find_runs
from hrf_ser.evaluation.read import SCHEMA, read_run, read_runs, read_settings, to_frame, to_lines
from study import LABELS, make_run, replace, write_run


def test_finished_failed_and_unfinished_runs_are_found_anywhere_below(tmp_path):
    write_run(tmp_path / "sweep/0", make_run())
    write_run(tmp_path / "sweep/0/bundle", make_run())  # a run's own folders hold no runs
    write_run(tmp_path / "sweep/.hydra", make_run())
    (tmp_path / "deep/er/failed").mkdir(parents=True)
    (tmp_path / "deep/er/failed/failed.json").write_text('{"reason": "out of\\nmemory", "overrides": []}')
    (tmp_path / "deep/er/failed/config.yaml").touch()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/failed.json").write_text("{")
    (tmp_path / "started/checkpoints").mkdir(parents=True)
    found = find_runs([str(tmp_path), f"{tmp_path}/sw*"])  # twice the same is once
    assert found.finished == [f"{tmp_path}/sweep/0"]
    assert found.failed == [
        (f"{tmp_path}/broken", f"{tmp_path}/broken/failed.json is damaged"),
        (f"{tmp_path}/deep/er/failed", "out of memory"),
    ]
    assert found.unfinished == [f"{tmp_path}/started"]


def test_nothing_found_is_an_error(tmp_path):
    with pytest.raises(UserError, match="runs=/nowhere does not exist"):
        find_runs(["/nowhere"])
    (tmp_path / "started/checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match=r"holds no finished run \(0 failed, 1 unfinished\)"):
        find_runs([str(tmp_path)])


def test_a_run_is_read_as_it_was_written(tmp_path):
    run = make_run({"a": 0.3, "b": 0.6}, rank=4.0, fold="2")
    folder = write_run(tmp_path / "run", run)
    again, sentences = read_run(str(folder))
    assert sentences == []
    assert (again["labels"], again["speakers"]) == (LABELS, ("a", "b"))
    assert np.array_equal(again["confusion"], run["confusion"])
    assert again["history"] == run["history"]
    assert (again["rank"], again["fold"], again["seed"]) == (4.0, "2", 0)
    assert again["settings"] == {"trainer.max_epochs": "60"}


def test_names_with_commas_and_quotes_are_read(tmp_path):
    folder = write_run(tmp_path, make_run())
    text = (folder / "predictions.csv").read_text()
    expected, _ = read_run(str(folder))
    (folder / "predictions.csv").write_text(text.replace("1a-0", '"one, ""a"""', 1))
    again, warnings = read_run(str(folder))
    assert warnings == []
    for column in ("labels", "speakers", "confusion"):
        assert np.array_equal(again[column], expected[column])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: "{", "metrics.json is damaged"),
        (lambda _: "[]", "valid dictionary"),
        (lambda record: json.dumps({**record, "status": "running"}), "status: "),
        (lambda record: json.dumps({**record, "fold": None}), "fold.str: "),
        (lambda record: json.dumps({**record, "test": {**record["test"], "ua": None}}), "test.ua: "),
        (lambda record: json.dumps({**record, "hrf": True}), "rank is missing"),
        (lambda record: json.dumps({**record, "seed": "0"}), "seed: "),
        (lambda _: "[" * 100_000, "metrics.json is damaged"),
    ],
)
def test_a_damaged_record_leaves_its_run_out_and_names_the_file(tmp_path, change, reason):
    folder = write_run(tmp_path / "run", make_run())
    record = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(change(record))
    run, (sentence,) = read_run(str(folder))
    assert run is None
    assert sentence.startswith(f"{folder}/metrics.json is damaged")
    assert reason in sentence


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: "", "its columns are not those of predictions"),
        (lambda text: text.replace("speaker", "who", 1), "its columns are not those of predictions"),
        (lambda text: text.splitlines()[0], "it has no rows"),
        (lambda text: text[: text.rindex("1b") + 3], "a row is cut short or names an unknown class"),
        (lambda text: text.replace(",sad,sad,", ",sad,bored,", 1), "a row is cut short or names an unknown class"),
        (lambda text: text.replace(",sad,sad,", ",sad,angry,", 1), "its UA is not that of metrics.json"),
    ],
)
def test_damaged_predictions_cost_the_run_its_speakers_only(tmp_path, change, reason):
    folder = write_run(tmp_path / "run", make_run())
    text = (folder / "predictions.csv").read_text()
    (folder / "predictions.csv").write_text(change(text))
    run, (sentence,) = read_run(str(folder))
    assert run["confusion"] is None
    assert run["ua"] == 0.5
    assert reason in sentence


def test_missing_files_beside_the_record_are_warned_of_or_not_needed(tmp_path):
    folder = write_run(tmp_path / "run", make_run())
    for name in ("predictions.csv", "history.csv", "config.yaml"):
        (folder / name).unlink()
    run, (sentence,) = read_run(str(folder))
    assert "predictions.csv is missing" in sentence
    assert (run["confusion"], run["history"], run["settings"]) == (None, {}, {})


def test_a_run_without_validation_has_a_curve_of_its_loss(tmp_path):
    run = make_run(protocol="last_epoch", val=None)
    del run["history"]["val/ua"]
    again, sentences = read_run(str(write_run(tmp_path / "run", run)))
    assert sentences == []
    assert again["history"] == {"train/loss": [2.0, 1.5, 1.2, 1.1]}
    assert again["val_ua"] is None


def test_the_records_of_the_repository_are_read(tmp_path):
    runs, sentences = read_runs(find_runs([str(REPOSITORY / "docs/results/ravdess_folds_1-3.jsonl")]))
    assert len(runs) == 18
    assert sentences == []
    lines = tmp_path / "records.jsonl"
    lines.write_text(json.dumps(make_run()["record"]) + "\n\n{\n")
    runs, (sentence,) = read_runs(find_runs([str(lines)]))
    assert len(runs) == 1
    assert sentence.startswith(f"{lines}, line 3 is damaged")


def test_runs_travel_as_lines_and_give_the_same_report(tmp_path):
    runs = [
        make_run(right, fold=fold, seed=seed, rank=rank, settings={"optimizer.lr": lr})
        for rank, right in ((None, 0.5), (4.0, 0.6))
        for fold in ("1", "2")
        for seed, lr in ((0, "0.001"), (1, "0.001"), (2, "0.01"))
    ]
    lines = tmp_path / "runs.jsonl"
    lines.write_text(to_lines(to_frame(runs)))
    again, sentences = read_runs(find_runs([str(lines)]))
    assert sentences == []

    def reported(runs):
        report = build_report(Found(), runs)
        for entry in report["configurations"]:
            entry["history"] = None
            for detail in entry["detail"]:
                del detail["folder"]
        return report

    assert reported(again) == reported(to_frame(runs))


def test_of_runs_that_are_there_twice_the_newer_one_counts_in_their_lines_too(tmp_path):
    older = [make_run(0.2, seed=seed) for seed in range(12)]
    newer = [replace(make_run(0.8, seed=seed), written=2, folder=f"again/{seed}") for seed in range(12)]
    lines = tmp_path / "runs.jsonl"
    lines.write_text(to_lines(to_frame([*newer, *older])))
    again, _ = read_runs(find_runs([str(lines)]))
    for runs in (to_frame([*newer, *older]), again):
        one, doubles = configure(runs)
        assert set(one.ua) == {0.8}
        assert len(doubles) == 12


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": ["a"]}, "not one per speaker"),
        ({"labels": "abcd"}, "labels: "),
        ({"speakers": ["1a", "1a"]}, "not one per speaker"),
        ({"speakers": ["1a"]}, "not one per speaker"),
        ({"confusion": [[1, 2], [3]]}, "confusion.0.0: "),
        ({"confusion": [[[-1.0] * 4] * 4] * 2}, "confusion.0.0.0: "),
        ({"confusion": [np.eye(4, dtype=int).tolist()] * 2}, "its UA is not that of"),
        ({"settings": ["lr"]}, "settings: "),
        ({"settings": {"lr": 0.1}}, "settings.lr: "),
        ({"merge": {"max_abs_diff": float("nan")}}, "not JSON compliant"),
    ],
)
def test_a_damaged_line_is_left_out_with_a_warning(tmp_path, change, reason):
    lines = tmp_path / "runs.jsonl"
    whole = json.loads(to_lines(to_frame([make_run(0.5)])))
    lines.write_text(json.dumps(whole) + "\n" + json.dumps(whole | change) + "\n")
    runs, (sentence,) = read_runs(find_runs([str(lines)]))
    assert runs.ua.tolist() == [0.5]
    assert sentence.startswith(f"{lines}, line 2 is damaged (")
    assert reason in sentence


def test_a_table_of_runs_has_the_columns_of_its_schema(tmp_path):
    write_run(tmp_path / "run", make_run(rank=4.0))
    read = read_runs(find_runs([str(tmp_path)]))[0]
    for runs in (read, to_frame([make_run()]), to_frame([])):
        assert {name: str(kind) for name, kind in runs.dtypes.items()} == SCHEMA


def test_settings_are_what_decides_the_result(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "model: {name: conformer, label: conformer, options: {width: 64}}\n"
        "data:\n  name: ravdess\n  root: /data\n  options:\n    download: true\n    channels:\n    - 1\n    - 2\n"
        "protocol: {name: validation, folds: corpus}\nlogger:\n  wandb: {name: a}\ncallbacks: {}\n"
        "hrf: false\nrank: 4\nfold: 1\nseed: 3\nthreads: 1\ncache_dir: /cache\nreparam: {mode: parametrized}\n"
        "optimizer:\n  lr: 0.001\n  nesterov: true\ntest_data: null\n"
    )
    plain, hrf = {"hrf": False}, {"hrf": True}
    assert read_settings(path, plain)["settings"] == {
        "model.options.width": "64",
        "data.options.channels": "[1,2]",
        "protocol.folds": "corpus",
        "callbacks": "{}",
        "optimizer.lr": "0.001",
        "optimizer.nesterov": "true",
        "test_data": "null",
    }
    assert read_settings(path, hrf)["settings"]["reparam.mode"] == "parametrized"
    path.write_text("data: {name: table, root: mine.csv}\n")
    assert read_settings(path, hrf) == {"settings": {"data.root": "mine.csv"}}
    path.write_text("trainer: [")
    with pytest.raises(ValueError, match="while parsing"):
        read_settings(path, hrf)


@pytest.mark.parametrize(
    ("source", "method"), [({"hrf": False, "rank": None}, "plain"), ({"hrf": True, "rank": 4}, "hrf4")]
)
def test_runs_that_start_from_runs_are_known_by_the_variant_of_those(tmp_path, source, method):
    folders = []
    for fold in ("1", "2"):
        run = make_run(fold=fold, init_from={"corpus": "demo", "fold": fold, **source})
        config = f"init_from: runs/plain_fold{fold}\ntrainer:\n  max_epochs: 60\n"
        folders.append(write_run(tmp_path / fold, run, config))
    runs = [read_run(str(folder))[0] for folder in folders]
    assert [run["settings"]["init_from"] for run in runs] == [f"demo/{method}"] * 2
