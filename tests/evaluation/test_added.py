"""Predictions of other systems in a report."""

import numpy as np
import pandas as pd
import pytest

from hrf_ser.config.schema import AddedSystem
from hrf_ser.errors import UserError
from hrf_ser.evaluation.added import add_systems
from hrf_ser.evaluation.build import build_report
from hrf_ser.evaluation.find import Found, find_runs
from hrf_ser.evaluation.read import read_runs
from hrf_ser.evaluation.scores import SCORES
from hrf_ser.evaluation.tables import WRITERS
from study import LABELS, make_run, write_run

FOLDS = [str(number) for number in range(1, 7)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six folds and two seeds of a light model."""
    root = tmp_path_factory.mktemp("runs")
    for number, fold in enumerate(FOLDS):
        for seed in (0, 1):
            write_run(root / f"{fold}-{seed}", make_run(0.5 + 0.05 * number, fold=fold, seed=seed))
    return root


@pytest.fixture
def runs(folder):
    return read_runs(find_runs([str(folder)]))[0]


@pytest.fixture
def predictions(folder):
    """Our own predictions of seed 0 as one table."""
    tables = [pd.read_csv(folder / f"{fold}-0/predictions.csv", dtype=str).assign(fold=fold) for fold in FOLDS]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture
def add(runs, tmp_path):
    """The table of runs with a CSV file, and the warnings."""

    def run(table, name="theirs.csv", **facts):
        table.to_csv(tmp_path / name, index=False)
        return add_systems(runs, [AddedSystem(path=str(tmp_path / name), **facts)])

    return run


def report_on(added):
    return build_report(Found(), added[0], added[1])


def test_our_own_predictions_have_our_scores_and_no_difference(add, predictions):
    report = report_on(add(predictions[["utterance", "predicted"]], name="copy.csv"))
    ours, theirs = report["configurations"]
    assert (theirs["label"], theirs["size"], theirs["folds"], theirs["runs"]) == ("copy", "added", FOLDS, 6)
    for name in SCORES:
        assert {key: theirs["scores"][name][key] for key in ("mean", "low", "high", "pooled")} == pytest.approx(
            {key: ours["scores"][name][key] for key in ("mean", "low", "high", "pooled")}, abs=1e-12
        )
    assert np.array(theirs["confusion"]).sum() * 2 == np.array(ours["confusion"]).sum()
    [difference] = report["comparisons"]
    assert difference["label"] == "Conformer - copy"
    # Predictions without a seed stand beside both seeds of ours.
    assert (difference["pairs"], difference["units"], difference["unit"]) == (12, 6, "fold")
    assert (difference["difference"], difference["low"], difference["high"]) == (0, 0, 0)
    assert difference["p_holm"] == 1
    assert report["missing"] == []
    assert report["title"] == "demo: 12 runs"


def test_shuffled_predictions_are_at_chance_and_significantly_worse(add, predictions):
    shuffled = predictions.assign(predicted=np.random.default_rng(0).permutation(predictions.predicted))
    report = report_on(add(shuffled, name="shuffled.csv"))
    assert report["configurations"][1]["scores"]["ua"]["mean"] == pytest.approx(0.25, abs=0.06)
    [difference] = report["comparisons"]
    assert difference["low"] > 0.2
    assert difference["p_holm"] == 2 / 64
    assert difference["verdict"].startswith("Conformer is better than shuffled: +0.")
    assert "The best of these models against shuffled is Conformer: +0." in report["answer"]


def test_probabilities_serve_where_there_is_no_predicted_class(add, predictions):
    probabilities = pd.get_dummies(predictions.predicted).reindex(columns=LABELS).astype(float)
    table = pd.concat([predictions.utterance, 0.1 + 0.7 * probabilities], axis=1)
    assert report_on(add(table))["comparisons"][0]["difference"] == 0


def test_seeds_are_paired_where_the_file_has_them(add, predictions, folder):
    table = pd.concat([predictions.assign(seed=0), predictions.assign(seed=7)])
    report = report_on(add(table))
    assert report["configurations"][1]["seeds"] == [0, 7]
    assert report["comparisons"][0]["pairs"] == 6
    assert report["missing"] == []


def test_what_is_known_of_a_system_is_on_the_page_and_in_the_records(add, predictions, tmp_path):
    facts = {"name": "openSMILE, SVM", "parameters": 88, "macs": 1.5e6, "milliseconds": 2.5}
    report = report_on(add(predictions, **facts))
    entry = report["configurations"][1]
    assert entry["label"] == "openSMILE, SVM"
    assert entry["parameters"]["deployed"] == 88
    assert entry["macs_per_second_of_audio"] == 1.5e6
    assert entry["latency_ms"] == {"p50": 2.5, "p95": None}
    assert "| openSMILE, SVM | - | 0.00 M | 1.50 M |" in WRITERS["tables.md"](report)
    assert "openSMILE, SVM" in WRITERS["configurations.csv"](report)
    assert "openSMILE, SVM" in WRITERS["tables.tex"](report)


def test_every_protocol_has_the_system_and_no_warning_counts_it(tmp_path, predictions):
    for protocol in ("last_epoch", "test_oracle"):
        for fold in FOLDS:
            write_run(tmp_path / protocol / fold, make_run(fold=fold, protocol=protocol))
    path = tmp_path / "theirs.csv"
    tables = [pd.read_csv(tmp_path / f"last_epoch/{fold}/predictions.csv", dtype=str) for fold in FOLDS]
    pd.concat(tables).to_csv(path, index=False)
    runs = read_runs(find_runs([str(tmp_path)]))[0]
    report = report_on(add_systems(runs, [AddedSystem(path=str(path))]))
    assert [entry["protocol"] for entry in report["comparisons"]] == ["last_epoch", "test_oracle"]
    assert any(warning.startswith("6 runs under protocol test_oracle") for warning in report["warnings"])


def test_utterances_that_no_fold_tests_are_a_warning(add, predictions):
    more = pd.DataFrame({"utterance": ["x1", "x2", "x3", "x4"], "predicted": "sad"})
    table, warnings = add(pd.concat([predictions, more]))
    assert warnings == [
        f"{table.folder.iloc[-1]} has utterances that no fold of these runs tests, which are left out: x1, x2, x3 and 1 more."
    ]


def _shifted(table):
    return table.assign(utterance=[f"new-{number}" for number in range(len(table))])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.drop(t[t.fold == "2"].index[:4]), "lacks test utterances in fold 2: 2a-0-0-0, 2a-0-0-1, 2a-0-0-2 and 1"),
        (lambda t: t.assign(fold="1"), "lacks test utterances in fold 2: 2a-0-0-0, 2a-0-0-1, 2a-0-0-2 and 77 more."),
        (lambda t: pd.concat([t, t[t.fold == "3"][:1]]), "has utterances twice in fold 3: 3a-0-0-0."),
        (lambda t: t.replace({"predicted": {"sad": "blue"}}), "none of the classes angry, happy, neutral, sad: 1a-"),
        (lambda t: t.assign(label=t.label[::-1].to_numpy()), "has other labels than the runs: 1a-0-0-0, "),
        (lambda t: t.assign(sad="often"), "has probabilities that are not from 0 to 1: 1a-0-0-0, "),
        (lambda t: t[["utterance", "sad", "happy"]], "lacks the column predicted, and probabilities of angry, neutral."),
        (lambda t: t[["predicted"]], "lacks the column utterance."),
        (lambda t: t[:0], "has no rows."),
        (lambda t: t.assign(seed="first"), "seed 'first' must be a whole number from 0."),
        (_shifted, "has no test utterance of the runs: it has new-0, new-1, new-2 and 477 more and lacks 1a-0-0-0, 1a-0-0-1, "),
    ],
)  # fmt: skip
def test_mistakes_are_one_sentence_that_names_utterances(add, predictions, change, sentence):
    with pytest.raises(UserError) as raised:
        add(change(predictions))
    assert sentence in str(raised.value)


def test_files_that_cannot_be_read_are_one_sentence(runs, tmp_path):
    (tmp_path / "empty.csv").touch()
    (tmp_path / "binary.csv").write_bytes(b"utterance\xff\xfe,predicted\n")
    for name, sentence in (
        ("none.csv", "cannot be read (No such file or directory): give a CSV file."),
        ("empty.csv", "is no CSV file (No columns to parse from file)."),
        ("binary.csv", "is no CSV file ("),
    ):
        with pytest.raises(UserError, match="add=") as raised:
            add_systems(runs, [AddedSystem(path=str(tmp_path / name))])
        assert sentence in str(raised.value)


def test_names_are_unique_and_runs_need_predictions(add, runs, predictions, tmp_path):
    with pytest.raises(UserError, match="Conformer names two systems; give name: of "):
        add(predictions, name="Conformer.csv")
    with pytest.raises(UserError, match=r"needs the predictions\.csv of the runs"):
        add_systems(runs.assign(folder="runs.jsonl:1"), [AddedSystem(path="theirs.csv")])
