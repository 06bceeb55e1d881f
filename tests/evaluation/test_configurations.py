"""Grouping of runs, their scores and intervals, their commands."""

import warnings

import numpy as np
import pytest

from hrf_ser.evaluation.configurations import configure, missing, summarise
from hrf_ser.evaluation.read import to_frame
from hrf_ser.evaluation.scores import scores
from study import make_run, replace

GRID = [(fold, seed) for fold in ("1", "2", "10") for seed in (0, 1)]


def grouped(runs):
    """The rows of each configuration, and sentences on doubles."""
    configured, doubles = configure(to_frame(runs))
    return [one for _, one in configured.groupby("key", sort=False)], doubles


def one_of(runs):
    (runs,), _ = grouped(runs)
    return summarise(runs)


def test_scores_are_those_of_training():
    torch = pytest.importorskip("torch")
    from hrf_ser.training.metrics import scores as trained

    counts = np.random.default_rng(0).integers(0, 9, (5, 4, 4)).astype(float)
    counts[2, 1] = 0  # a class without utterances
    for matrix in counts:
        assert {k: float(v) for k, v in scores(matrix).items()} == pytest.approx(trained(torch.from_numpy(matrix)))


def test_configurations_are_sorted_and_labelled():
    cells = [("conformer", 8.0), ("conformer_large", None), ("conformer", None), ("conv_transformer", 2.0)]
    found, _ = grouped([make_run(model=model, rank=rank) for model, rank in cells])
    assert [one.label.iloc[0] for one in found] == [
        "Conformer",
        "Conformer, HRF x8",
        "Conformer large",
        "ConvTransformer, HRF x2",
    ]
    assert [one.key.iloc[0] for one in found][1:3] == [
        "demo/validation/conformer/hrf8",
        "demo/validation/conformer_large/plain",
    ]


def test_mean_spread_and_pooled_are_what_they_are_called():
    # Fold 2 has one speaker and one seed, fold 1 two of each: folds count the same, and seed 1 has no fold 2.
    runs = [
        make_run({"a": 0.2, "b": 0.4}, fold="1", seed=0),
        make_run({"a": 0.4, "b": 0.6}, fold="1", seed=1),
        make_run({"c": 0.9}, fold="2", seed=0),
    ]
    ua = one_of(runs)["scores"]["ua"]
    assert ua["mean"] == pytest.approx((0.4 + 0.9) / 2)
    assert ua["sd"] == pytest.approx(np.std([0.3, 0.5, 0.9], ddof=1))
    assert ua["pooled"] == pytest.approx((0.2 + 0.4 + 0.9) / 3)
    assert ua["low"] < ua["mean"] < ua["high"]
    assert one_of(runs[1:])["scores"]["ua"]["pooled"] is None  # no seed has both folds


def test_an_interval_is_wider_where_speakers_differ_and_utterances_are_the_same():
    alike = one_of([make_run({"a": 0.5, "b": 0.5, "c": 0.5, "d": 0.5}, each=40)])["scores"]["ua"]
    differing = one_of([make_run({"a": 0.2, "b": 0.8, "c": 0.3, "d": 0.7}, each=40)])["scores"]["ua"]
    assert alike["mean"] == differing["mean"] == 0.5
    # An interval over the 640 utterances would have a half width of 0.039 in both.
    assert alike["high"] - alike["low"] < 0.01
    assert differing["high"] - differing["low"] > 4 * 0.039


def test_runs_without_predictions_have_intervals_over_folds():
    runs = [
        replace(make_run(ua, fold=fold), confusion=None, speakers=())
        for fold, ua in (("1", 0.4), ("2", 0.5), ("3", 0.6))
    ]
    entry = one_of(runs)
    assert entry["scores"]["ua"]["low"] < 0.45
    assert entry["scores"]["ua"]["high"] > 0.55
    assert entry["scores"]["ua"]["pooled"] is None
    assert entry["confusion"] == []
    assert one_of(runs[:1])["scores"]["ua"]["low"] is None


def test_recall_and_confusion_add_up_over_runs():
    entry = one_of([make_run(0.4, fold=fold, seed=seed) for fold, seed in GRID])
    assert np.sum(entry["confusion"]) == 6 * 80
    assert entry["recall"] == {label: pytest.approx(0.4) for label in ("angry", "happy", "neutral", "sad")}
    assert (entry["runs"], entry["folds"], entry["seeds"]) == (6, ["1", "2", "10"], [0, 1])


def test_curves_end_where_half_of_the_runs_ended():
    curves = ([0.1, 0.2, 0.3, 0.4], [0.3, 0.4], [0.2, 0.3, 0.5])
    runs = [
        replace(make_run(seed=seed), history={"train/loss": curve, "val/ua": curve})
        for seed, curve in enumerate(curves)
    ]
    history = one_of(runs)["history"]
    assert history["epoch"] == [0, 1, 2]
    assert history["val/ua"] == pytest.approx([0.2, 0.3, 0.4])
    assert history["val/ua_low"] == pytest.approx([0.1, 0.2, 0.3])
    assert history["val/ua_high"] == pytest.approx([0.3, 0.4, 0.5])


def test_curves_have_no_point_where_no_run_validated():
    curves = {"train/loss": [2.0, 1.5, 1.0], "val/ua": [float("nan"), 0.3, float("nan")]}
    runs = [replace(make_run(seed=seed), history=curves) for seed in range(2)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = one_of(runs)["history"]
    assert history["train/loss"] == [2.0, 1.5, 1.0]
    for curve in ("val/ua", "val/ua_low", "val/ua_high"):
        assert np.isnan(history[curve]).tolist() == [True, False, True]


def test_of_runs_that_are_there_twice_the_newer_one_counts_with_a_warning():
    old, new = make_run(0.2), replace(make_run(0.8), folder="again", written=2)
    for runs in ([old, new], [new, old]):
        (one,), doubles = grouped(runs)
        assert one.ua.tolist() == [0.8]
        assert len(doubles) == 1
        assert old["folder"] in doubles[0]
        assert "again" in doubles[0]


def test_differing_settings_are_not_pooled():
    usual = {"trainer.max_epochs": "60", "model.options.width": "64", "callbacks.early_stopping.patience": "20"}
    runs = [make_run(seed=seed, rank=4.0, model="conv_transformer", settings=usual) for seed in range(3)]
    shorter = make_run(seed=0, rank=4.0, model="conv_transformer", settings={**usual, "trainer.max_epochs": "20"})
    patient = make_run(
        seed=0, rank=4.0, model="conv_transformer",
        settings={"trainer.max_epochs": "60", "model.options.width": "64", "callbacks": "{}"},
    )  # fmt: skip
    # Another model has options of its own, and a file of an older version lacks whole groups: neither is a difference.
    other = make_run(model="conformer", settings={**usual, "model.options.width": "128"})
    older = make_run(seed=7, rank=4.0, model="conv_transformer", settings={"trainer.max_epochs": "60"})
    found, doubles = grouped([*runs, shorter, patient, other, older])
    assert [(one.label.iloc[0], len(one)) for one in found] == [
        ("Conformer", 1),
        ("ConvTransformer, HRF x4", 4),
        ("ConvTransformer, HRF x4, trainer.max_epochs=20", 1),
        ("ConvTransformer, HRF x4, without callbacks.early_stopping", 1),
    ]
    assert doubles == []


def test_other_weights_to_start_from_are_another_configuration():
    usual = [make_run(rank=4.0, settings={"init_from": "null"}, seed=seed) for seed in (0, 1)]
    warm = make_run(rank=4.0, settings={"init_from": "demo/plain"})
    found, _ = grouped([*usual, warm, make_run(settings={"init_from": "null"})])
    assert [(one.method.iloc[0], one.variant.iloc[0], len(one)) for one in found] == [
        ("plain", "", 1),
        ("HRF x4", "", 2),
        ("HRF x4", "init_from=demo/plain", 1),
    ]


def test_other_classes_and_other_folds_are_other_configurations():
    four, five = make_run(seed=0), replace(make_run(seed=1), labels=("a", "b", "c", "d"))
    assert len(grouped([four, make_run(seed=2), five])[0]) == 2
    speaker = make_run(settings={"protocol.folds": "speaker"})
    corpus = [make_run(seed=seed, settings={"protocol.folds": "corpus"}) for seed in (0, 1)]
    assert [one.variant.iloc[0] for one in grouped([speaker, *corpus])[0]] == ["", "protocol.folds=speaker"]


def test_missing_runs_are_those_that_others_have():
    plain = [make_run(fold=fold, seed=seed) for fold, seed in GRID]
    hrf = [make_run(fold=fold, seed=seed, rank=4.0) for fold, seed in GRID if (fold, seed) not in (("2", 1), ("10", 0))]
    elsewhere = [make_run(fold="7", seed=9, corpus="other")]
    key = "demo/validation/conformer/hrf4"
    assert missing(configure(to_frame([*plain, *hrf, *elsewhere]))[0]) == [
        {"key": key, "fold": "2", "seed": 1},
        {"key": key, "fold": "10", "seed": 0},
    ]


def test_commands_come_from_the_overrides_that_the_runs_were_started_with():
    overrides = [
        "experiment=hrf_study",
        "data=demo",
        "model=conformer",
        "hrf=true",
        "rank=4",
        "fold=1",
        "seed=0",
        "optimizer.lr=0.01",
    ]
    runs = [
        make_run(
            rank=4.0, seed=seed, overrides=[*overrides[:6], f"seed={seed}", overrides[7], "hydra.run.dir=/private"]
        )
        for seed in (0, 1)
    ]
    entry = one_of(runs)
    assert entry["command"] == (
        "python -m hrf_ser.train -m experiment=hrf_study data=demo model=conformer hrf=true rank=4 optimizer.lr=0.01 "
        "fold=1 seed=0,1"
    )
    assert entry["detail"][1]["command"].endswith("rank=4 optimizer.lr=0.01 fold=1 seed=1")


def test_runs_with_different_overrides_have_a_line_each():
    overrides = ["data=demo", "model=conformer", "hrf=true", "rank=4"]
    runs = [
        make_run(
            rank=4.0,
            fold=fold,
            overrides=[*overrides, f"fold={fold}", f"init_from=runs/fold{fold}", "data.root=/of/" + fold],
        )
        for fold in ("1", "2")
    ]
    assert one_of(runs)["command"].splitlines() == [
        "python -m hrf_ser.train data=demo model=conformer hrf=true rank=4 init_from=runs/fold1 data.root=/of/1 "
        "fold=1 seed=0",
        "python -m hrf_ser.train data=demo model=conformer hrf=true rank=4 init_from=runs/fold2 data.root=/of/2 "
        "fold=2 seed=0",
    ]
    same = [replace(run, record={**run["record"], "overrides": run["record"]["overrides"][:5]}) for run in runs]
    assert one_of(same)["command"].endswith("hrf=true rank=4 fold=1,2 seed=0")


def test_runs_that_no_command_started_have_none():
    entry = one_of([make_run()])
    assert entry["command"] is None
    assert entry["detail"][0]["command"] is None
