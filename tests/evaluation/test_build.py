"""The whole report: its answer, its warnings, its files."""

import csv
import io
import json

import pytest

from hrf_ser.errors import UserError
from hrf_ser.evaluation.build import build_report
from hrf_ser.evaluation.find import Found
from hrf_ser.evaluation.read import to_frame
from hrf_ser.evaluation.tables import comparisons_csv, configurations_csv, latex, markdown
from study import make_run, replace

FOLDS = [str(number) for number in range(1, 9)]
VARIANTS = {None: 0.5, 2.0: 0.55, 4.0: 0.6}


def study(ranks=VARIANTS, folds=FOLDS, seeds=(0, 1), **cell):
    return [
        make_run(right + 0.01 * seed, each=100, fold=fold, seed=seed, rank=rank, **cell)
        for rank, right in ranks.items()
        for fold in folds
        for seed in seeds
    ]


def report_on(runs, **found):
    return build_report(Found(**found), to_frame(runs))


def test_the_report_answers_the_three_questions():
    report = report_on([*study(), *study({None: 0.7}, model="conformer_large")])
    assert report["answer"] == (
        "Light with HRF is better than light over 2 comparisons together: +0.075 UA [+0.075, +0.075], p = 0.008. "
        "Singly they range from +0.050 to +0.100; 2 better after Holm's correction. "
        "Light is 0.200 UA below large, light with HRF is 0.125 UA below large (from -0.150 to -0.100). "
        "Tested over folds and corrected for 5 comparisons."
    )
    assert report["warnings"] == []
    assert report["labels"] == {"demo": ["angry", "happy", "neutral", "sad"]}
    json.dumps(report, allow_nan=False)


def test_worse_runs_and_no_difference_are_answered_too():
    report = report_on(study({None: 0.5, 4.0: 0.4}))
    assert report["answer"].startswith(
        "Light with HRF is worse than light for Conformer on demo: -0.100 UA [-0.100, -0.100], p = 0.008."
    )
    signs = {fold: 0.05 if int(fold) % 2 else -0.05 for fold in FOLDS}
    runs = [*study({None: 0.5}), *(run for f in FOLDS for run in study({4.0: 0.5 + signs[f]}, folds=[f]))]
    report = report_on(runs)
    assert report["answer"].startswith(
        "No difference is shown between light with HRF and light for Conformer on demo: "
    )
    assert "A difference that is not significant is not equality" in report["answer"]


def test_one_question_may_be_answered_where_the_many_cannot():
    report = report_on(study(folds=FOLDS[:6]))
    assert report["answer"].startswith("Light with HRF is better than light over 2 comparisons together: +0.075 UA")
    assert "none is significant after Holm's correction" in report["answer"]
    assert "Single differences cannot be significant: 6 folds give p = 0.031 at best" in report["answer"]
    assert report["warnings"][0].startswith("The design is too small for significance in 2 of 2 comparisons")
    few = report_on(study(folds=FOLDS[:3]))["answer"]
    assert few.startswith("These runs cannot decide whether light with HRF is better than light over 2 comparisons")


def test_what_is_shown_of_all_together_is_not_called_no_difference():
    early, late = (
        {fold: 0.12 if int(fold) in folds else -0.08 for fold in FOLDS} for folds in (range(1, 7), range(3, 9))
    )
    runs = [make_run(0.5, each=50, fold=fold) for fold in FOLDS]
    for rank, liking in ((2.0, early), (4.0, late)):
        runs += [make_run(0.5 + liking[fold], each=50, fold=fold, rank=rank) for fold in FOLDS]
    report = report_on(runs)
    pooled, *single = report["comparisons"]
    assert pooled["p_holm"] < 0.05 < min(entry["p_holm"] for entry in single)
    assert "better than light over 2 comparisons together: +0.070 UA" in report["answer"]
    assert report["answer"].endswith("Tested over folds and corrected for 2 comparisons.")


def test_each_corpus_has_its_own_pooled_answer():
    report = report_on([*study(), *study({None: 0.6, 2.0: 0.5, 4.0: 0.4}, corpus="other")])
    assert "better than light over 2 comparisons on demo together: +0.075 UA" in report["answer"]
    assert "worse than light over 2 comparisons on other together: -0.150 UA" in report["answer"]
    assert "p = 0.016 after Holm's correction" in report["answer"]


def test_a_corpus_with_one_comparison_is_answered_beside_a_pooled_one():
    answer = report_on([*study(), *study({None: 0.5, 4.0: 0.4}, corpus="other")])["answer"]
    assert "better than light over 2 comparisons on demo together: +0.075 UA" in answer
    assert "Light with HRF is worse than light for Conformer on other: -0.100 UA [-0.100, -0.100], p =" in answer


def test_a_design_that_is_too_small_leads_the_answer():
    report = report_on(study({None: 0.5, 4.0: 0.9}, folds=FOLDS[:3]))
    assert report["answer"].startswith(
        "These runs cannot decide whether light with HRF is better than light for Conformer on demo: +0.400 UA"
    )
    assert any(
        sentence.startswith("The design is too small for significance in 1 of 1 comparison: 3 folds (p = 0.25 at best)")
        for sentence in report["warnings"]
    )


def test_a_report_without_comparisons_gives_the_best_model():
    report = report_on(study({None: 0.5}))
    assert "No model ran with and without HRF" in report["answer"]
    assert report["comparisons"] == []


def test_everything_that_impairs_the_runs_is_a_warning():
    runs = study(protocol="test_oracle")[:-1]
    runs[0] = replace(runs[0], confusion=None, speakers=())
    runs[1] = replace(runs[1], record={**runs[1]["record"], "versions": {"torch": "2.9"}, "leaks": ["it leaks."]})
    double = replace(runs[2], folder="double", written=2)
    report = report_on(
        [*runs, double], failed=[("sweep/7", "out of memory."), ("sweep/8", "again")], unfinished=["sweep/9"]
    )
    warnings = "\n".join(report["warnings"])
    for sentence in (
        "47 runs under protocol test_oracle: protocol test_oracle selects the checkpoint on the test set, so these are no "
        "estimates for unseen speakers.",
        "demo: it leaks.",
        "1 run of other configurations is missing: demo/test_oracle/conformer/hrf4 fold 8 seed 1.",
        "2 runs failed: sweep/7 (out of memory); 1 more.",
        "1 run began and did not finish, such as sweep/9.",
        "is the same run as double",
        "1 run without predictions.csv",
        "Runs were made with different versions: torch 2.13.0, 2.9.",
    ):
        assert sentence in warnings, sentence
    assert "Note that protocol test_oracle selects the checkpoint" in report["answer"]
    assert report["failed"][0] == {"folder": "sweep/7", "reason": "out of memory."}
    assert report["missing"] == [{"key": "demo/test_oracle/conformer/hrf4", "fold": "8", "seed": 1}]


def without_validation(runs):
    return [
        replace(
            run,
            val_ua=None,
            record={**run["record"], "val": None},
            history={"train/loss": run["history"]["train/loss"]},
        )
        for run in runs
    ]


def test_runs_without_validation_speakers_have_a_report_of_their_own():
    validated = study({None: 0.5, 4.0: 0.6})
    last_epoch = without_validation(study({None: 0.6, 4.0: 0.6}, protocol="last_epoch"))
    report = report_on([*validated, *last_epoch])
    entries = {entry["key"]: entry for entry in report["configurations"]}
    assert [(key, entry["runs"]) for key, entry in entries.items()] == [
        (f"demo/{protocol}/conformer/{method}", 16)
        for protocol in ("validation", "last_epoch")
        for method in ("plain", "hrf4")
    ]
    alone = entries["demo/last_epoch/conformer/plain"]
    assert alone["history"].keys() == {"epoch", "train/loss"}
    assert {run["val_ua"] for run in alone["detail"]} == {None}
    assert [(entry["protocol"], round(entry["difference"], 3)) for entry in report["comparisons"]] == [
        ("validation", 0.1),
        ("last_epoch", 0.0),
    ]
    # A mean over protocols would be of nothing, so each has its own answer.
    assert report["answer"].startswith("Protocol validation: Light with HRF is better than light for Conformer on demo")
    assert "Protocol last_epoch: No difference is shown between light with HRF and light" in report["answer"]
    assert "estimates" not in report["answer"]
    # What is best under one protocol is no answer under another.
    best = report_on([*study({None: 0.4}), *without_validation(study({None: 0.6}, protocol="last_epoch"))])["answer"]
    assert [round(float(rest[:5]), 1) for rest in best.split("The best mean UA is ")[1:]] == [0.4, 0.6]
    assert "## demo (protocol last_epoch)" in markdown(report)


def test_settings_are_chosen_by_scores_of_validation_speakers():
    """Nobody who tunes should have to look at the test part."""
    runs = [
        replace(run, record={**run["record"], "val": {**run["record"]["test"], "ua": 0.6 if run["rank"] else 0.5}})
        for run in study({None: 0.4, 4.0: 0.3}, folds="12")
    ]
    unvalidated = without_validation(study({None: 0.9}, folds="3"))
    unvalidated[0] = replace(
        unvalidated[0], record={**unvalidated[0]["record"], "val": {**unvalidated[0]["record"]["test"], "ua": 7}}
    )
    report = build_report(Found(), to_frame([*runs, *unvalidated]), split="validation")
    assert report["split"] == "validation"
    assert report["title"].endswith(", validation speakers")
    assert [round(entry["scores"]["ua"]["mean"], 3) for entry in report["configurations"]] == [0.5, 0.6]
    assert report["comparisons"][0]["difference"] == pytest.approx(0.1)
    assert report["comparisons"][0]["interval_over"] == "folds"
    assert report["configurations"][0]["confusion"] == []
    assert report["warnings"][0].startswith("Scores are of the validation speakers")
    assert not any("predictions.csv" in sentence for sentence in report["warnings"])
    assert any(
        "has no scores of validation speakers; the run is left out" in sentence for sentence in report["warnings"]
    )
    with pytest.raises(UserError, match="no run has scores"):
        build_report(Found(), to_frame(unvalidated), split="validation")


def test_many_sentences_of_one_kind_are_counted():
    report = build_report(Found(), to_frame(study()), [f"file {n} is damaged." for n in range(9)])
    assert [s for s in report["warnings"] if "damaged" in s] == [
        *(f"file {n} is damaged." for n in range(5)), "And 4 more about damaged files.",
    ]  # fmt: skip


def test_one_seed_and_shared_test_speakers_are_warned_of():
    runs = [make_run({"a": 0.5, "b": 0.6}, fold=fold) for fold in FOLDS]
    warnings = "\n".join(report_on(runs)["warnings"])
    assert "Some configurations on demo have one seed" in warnings
    assert "Folds on demo share test speakers" in warnings
    assert "share test speakers" not in "\n".join(report_on(study())["warnings"])


def test_the_same_runs_give_the_same_report_in_any_order():
    runs = study()
    assert json.dumps(report_on(runs)) == json.dumps(report_on(runs[::-1]))


def test_tables_have_a_row_for_everything():
    report = report_on([*study(), *study({None: 0.5}, corpus="other", folds=["1"], seeds=(0,))])
    rows = {
        name: list(csv.DictReader(io.StringIO(table(report))))
        for name, table in (("c", configurations_csv), ("d", comparisons_csv))
    }
    assert [row["key"] for row in rows["c"]] == [entry["key"] for entry in report["configurations"]]
    assert float(rows["c"][0]["ua_mean"]) == report["configurations"][0]["scores"]["ua"]["mean"]
    assert rows["c"][3]["ua_sd"] == ""
    assert [float(row["p_holm"]) for row in rows["d"]] == [entry["p_holm"] for entry in report["comparisons"]]


def test_markdown_and_latex_mark_the_best_and_give_intervals():
    report = report_on([*study(), *study({None: 0.7}, model="conformer_large")])
    text, tex = markdown(report), latex(report)
    assert "| Conformer large | - | 6.30 M | 6.56 M | **0.705 [" in text
    assert "| Conformer | ×4 | 0.22 M | 6.56 M | 0.605 [" in text
    assert "| demo | Conformer: HRF x4 - light | 16 | +0.100 [+0.100, +0.100] | 0.008 |" in text
    assert r"Conformer large & -- & 6.30 M & 6.56 M & \textbf{0.705 [" in tex
    assert r"demo & Conformer: HRF x4 -- light & 16 & $+$0.100 [$+$0.100, $+$0.100] & 0.008 &" in tex
    assert tex.count(r"\toprule") == tex.count(r"\midrule") == tex.count(r"\bottomrule") == 2
    assert tex.count("{") == tex.count("}")
    # Every row has as many cells as the table has columns.
    for line in tex.splitlines():
        if line.endswith(r"\\"):
            assert line.count(" & ") in {9, 6}, line


def test_latex_of_odd_names_is_escaped():
    settings = [{"a.b_c": value} for value in ("1", "1", "50%_{x}")]
    report = report_on([make_run(seed=seed, settings=one) for seed, one in enumerate(settings)])
    assert r"Conformer (a.b\_c=50\%\_\{x\})" in latex(report)
