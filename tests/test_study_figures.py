"""The figures of docs/explanation/study.md are those that the records beside it give."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from statistics import mean, stdev

import pytest

from helpers import REPOSITORY
from hrf_ser.evaluation.build import build_report
from hrf_ser.evaluation.find import find_runs
from hrf_ser.evaluation.read import read_runs

pytestmark = pytest.mark.study
DOCS = REPOSITORY / "docs"
PAGE = (DOCS / "explanation" / "study.md").read_text()
# Overrides that say where or how often, not what.
PLACE = {"experiment", "data.root", "logger", "launcher", "fold", "seed", "hrf", "rank", "model", "hydra.sweep.dir"}


def section(heading: str) -> list[list[str]]:
    """Cells of all table rows under a heading."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [
        re.split(r"(?<!\\)\|", line.removeprefix("|").removesuffix("|"))
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return [[cell.strip().replace("**", "") for cell in row] for row in rows]


def records(name: str) -> list[dict]:
    return [json.loads(line) for line in (DOCS / "results" / f"{name}.jsonl").read_text().splitlines()]


def overrides(record: dict) -> frozenset[str]:
    return frozenset(one for one in record["overrides"] if one.partition("=")[0] not in PLACE)


def mean_over_folds(runs: list[dict], split: str) -> float:
    folds = defaultdict(list)
    for run in runs:
        folds[run["fold"]].append(run[split]["ua"])
    return mean(mean(values) for values in folds.values())


def is_shown(value: float, text: str) -> bool:
    """Whether a figure of three digits shows a value; a tie may be rounded either way."""
    return abs(value - float(text)) < 0.00051


@cache
def report(name: str, split: str = "test") -> dict:
    found = find_runs([str(DOCS / "results" / f"{name}.jsonl")])
    return build_report(found, read_runs(found)[0], split=split)


def compared(name: str, label: str, split: str = "test") -> dict:
    (one,) = (entry for entry in report(name, split)["comparisons"] if entry["label"] == label)
    return one


def shown(entry: dict) -> str:
    return f"{entry['difference']:+.3f} [{entry['low']:+.3f}, {entry['high']:+.3f}]"


def accuracy_runs(label: str) -> list[dict]:
    """The runs of a row of the accuracies."""
    protocol = next((name for name in ("last_epoch", "out_of_fold") if f"`{name}`" in label), "validation")
    if label.startswith("four"):
        found = [run for run in records("ravdess_light") if run["seed"] in (0, 1)]
    elif label.startswith("three"):
        found = [
            run for run in records("ravdess_three") if run["seed"] == 0 and "augment.time_masks=0" not in overrides(run)
        ]
    else:
        found = [run for run in records("study/runs") if run["model"] == "conv_transformer" and not run["hrf"]]
    return [run for run in found if run["protocol"] == protocol]


def accuracy_rows() -> list[list[str]]:
    return [row for row in section("How accurate") if len(row) == 11 and "0." in row[3]]


@pytest.mark.parametrize("row", accuracy_rows(), ids=lambda row: row[0])
def test_a_row_of_the_accuracies(row):
    label, parameters, macs, *folds, ua, validation = row
    runs = accuracy_runs(label)
    assert {f"{run['parameters']['deployed']:,}" for run in runs} == {parameters}
    assert {f"{run['macs_per_second_of_audio'] / 1e6:.1f} M" for run in runs} == {macs}
    for fold, shown_ua in zip("123456", folds, strict=True):
        assert is_shown(mean(run["test"]["ua"] for run in runs if run["fold"] == fold), shown_ua)
    assert is_shown(mean_over_folds(runs, "test"), ua.partition(" ")[0])
    assert validation == "none" or is_shown(mean_over_folds(runs, "val"), validation.partition(",")[0])


def study_rows() -> list[list[str]]:
    return [row for row in section("Does HRF help") if len(row) == 14 and row[3].isdigit()]


@pytest.mark.parametrize("row", study_rows(), ids=lambda row: f"{row[0]}, {row[1]}")
def test_a_row_of_the_study(row):
    model, method, parameters, count, *folds, ua, difference, p, validation = row
    label = model.replace(", large", " large") + ("" if method == "plain" else f", {method}")
    (entry,) = (one for one in report("study/runs")["configurations"] if one["label"] == label)
    assert (f"{entry['parameters']['training']:,}", str(entry["runs"])) == (parameters, count)
    by_fold = defaultdict(list)
    for run in entry["detail"]:
        by_fold[run["fold"]].append(run["ua"])
    assert [f"{mean(by_fold[fold]):.3f}" for fold in "123456"] == folds
    assert f"{entry['scores']['ua']['mean']:.3f}" == ua
    if method == "plain":
        (chosen,) = (one for one in report("study/runs", "validation")["configurations"] if one["label"] == label)
        assert (difference, p, validation) == ("", "", f"{chosen['scores']['ua']['mean']:.3f}")
    else:
        comparison = f"{model}: {method} - light"
        tested = compared("study/runs", comparison)
        assert (difference, p) == (shown(tested), f"{tested['p']:.3f}")
        assert validation == shown(compared("study/runs", comparison, "validation"))


@pytest.mark.parametrize("split", ["test", "validation"])
def test_the_answer_of_the_study(split):
    pooled = shown(compared("study/runs", "All 9 together: HRF - light", split))
    lead = " ".join(PAGE.split("## Design")[0].replace("UA", "").split())
    assert pooled in lead


def large_rows() -> list[list[str]]:
    return [row for row in section("Comparison with large models") if row[0] and "/" in row[1]]


@pytest.mark.parametrize("row", large_rows(), ids=lambda row: row[0])
def test_a_row_of_light_and_large(row):
    model, _, light, large, difference, p, hrf, validation = row
    (one,) = (entry for entry in report("study/runs")["configurations"] if entry["label"] == model)
    (other,) = (entry for entry in report("study/runs")["configurations"] if entry["label"] == f"{model} large")
    assert (light, large) == tuple(f"{entry['scores']['ua']['mean']:.3f}" for entry in (one, other))
    tested = compared("study/runs", f"{model}: light - large")
    assert (difference, p) == (shown(tested), f"{tested['p']:.3f}")
    assert hrf == shown(compared("study/runs", f"{model}: HRF x4 - large"))
    assert validation == shown(compared("study/runs", f"{model}: light - large", "validation"))


def ablation_rows() -> Iterator[tuple[str, str, str]]:
    for row in section("Ablation of the recipe"):
        if len(row) == 5 and re.fullmatch(r"0\.\d+", row[2]):
            yield row[1].strip("`"), row[2], row[3].partition(" ")[0]


@pytest.mark.parametrize("row", list(ablation_rows()), ids=lambda row: row[0] or "the recipe")
def test_a_row_of_the_ablation_study(row):
    given, ua, difference = row
    found = defaultdict(list)
    for run in records("ablation"):
        found[overrides(run)].append(run)
    runs, usual = found[frozenset(given.split())], found[frozenset()]
    assert len(runs) == 6
    assert is_shown(mean_over_folds(runs, "val"), ua)
    if given:
        assert is_shown(mean_over_folds(runs, "val") - mean_over_folds(usual, "val"), difference)


def pilot_rows() -> Iterator[tuple[str, str, str, str, str]]:
    models = iter(("conv_transformer", "speechformer", "conformer"))
    model = ""
    for row in section("Pilot experiments"):
        if "plain" in row:
            model = next(models)
        elif re.fullmatch(r"0\.\d+", row[-3]) and "init_from" not in row[-4]:
            given = re.findall("`(.*)`", row[-4])
            yield model, given[0].replace(r"\|", "|") if given else "", *row[-3:-1], row[-1].partition(" ")[0]


@pytest.mark.parametrize("row", list(pilot_rows()), ids=lambda row: f"{row[0]} {row[1]}".strip())
def test_a_row_of_the_pilot_experiments(row):
    model, given, plain, hrf, difference = row
    found = defaultdict(list)
    for run in records("hrf_pilots"):
        if run["model"] == model:
            found[overrides(run), run["hrf"]].append(run)
    given_overrides = frozenset(one for one in given.split() if one.partition("=")[0] not in PLACE)
    of_model = frozenset(one for one in given_overrides if not one.startswith("reparam."))
    without = mean_over_folds(found[of_model, False], "val")
    assert is_shown(without, plain)
    if hrf:
        assert is_shown(mean_over_folds(found[given_overrides, True], "val"), hrf)
        assert is_shown(mean_over_folds(found[given_overrides, True], "val") - without, difference)


def test_all_rows_are_there():
    # Of a table that is no longer understood pytest would only say that it has no rows.
    assert len(study_rows()) == len(report("study/runs")["configurations"]) == 15
    found = [len(list(rows())) for rows in (accuracy_rows, large_rows, ablation_rows, pilot_rows)]
    assert found == [6, 3, 10, 25]


def test_distillation_table_shows_the_records():
    plain = {(run["protocol"], run["fold"], run["seed"]): run for run in records("ravdess_light")}
    changed = ("data.unlabelled", "augment.speed")
    pilots = records("distillation_pilots")
    taught = [run for run in pilots if not any(override.startswith(changed) for override in run["overrides"])]
    rows = section("Distillation, first runs")[2:6]
    assert len(rows) == len(taught)
    for run in taught:
        (row,) = (row for row in rows if row[:2] == [run["protocol"], run["fold"]])
        before = plain[run["protocol"], run["fold"], run["seed"]]
        assert is_shown(before["test"]["ua"], row[2])
        assert is_shown(run["test"]["ua"], row[3])
        assert is_shown(run["teacher"]["test"]["ua"], row[4])
        assert run["parameters"]["deployed"] == before["parameters"]["deployed"] == 272_928
    selected = [run for run in taught if run["protocol"] == "validation"]
    assert is_shown(mean(run["test"]["ua"] for run in selected), "0.656")
    pairs = [plain["validation", run["fold"], 0]["test"]["ua"] for run in selected]
    assert is_shown(mean(pairs), "0.625")


def test_the_guide_of_encoders_shows_the_records():
    runs = sorted(records("encoders"), key=lambda run: run["fold"])
    (row,) = (
        line for line in (DOCS / "guides" / "encoders.md").read_text().splitlines() if line.startswith("| Whisper")
    )
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert [run["fold"] for run in runs] == list("123456")
    assert all(is_shown(run["test"]["ua"], cell) for run, cell in zip(runs, cells[1:7], strict=True))
    assert is_shown(mean(run["test"]["ua"] for run in runs), cells[7].split("**")[1])
    assert {run["parameters"]["deployed"] for run in runs} == {11_398_409}


def test_single_distilled_models_show_the_records():
    runs = {(run["variant"], run["fold"], run["seed"]): run for run in records("distillation_single")}
    rows = section("Distillation, first runs")[-3:]
    ua = {
        variant: [runs[variant, fold, seed] for fold in "123" for seed in (0, 1)]
        for variant in ("distilled", "frame hints", "seven speeds")
    }
    assert len(runs) == 18
    for row, own in zip(rows, ua.values(), strict=True):
        assert is_shown(mean(run["val"]["ua"] for run in own), row[1])
        assert is_shown(mean(run["test"]["ua"] for run in own), row[2])
        assert {run["parameters"]["deployed"] for run in own} == {68_232}
    plain, *others = ua.values()
    for row, own in zip(rows[1:], others, strict=True):
        differences = [run["test"]["ua"] - other["test"]["ua"] for run, other in zip(own, plain, strict=True)]
        assert is_shown(mean(differences), row[3].split()[0])
        assert is_shown(stdev(differences) / 6**0.5, row[3].split()[1].strip("()"))
