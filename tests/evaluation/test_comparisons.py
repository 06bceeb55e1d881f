"""Paired differences and their verdicts."""

import numpy as np
import pytest

from hrf_ser.evaluation.comparisons import compare_all
from hrf_ser.evaluation.configurations import configure, summarise
from hrf_ser.evaluation.read import to_frame
from hrf_ser.evaluation.statistics import sign_flip
from hrf_ser.evaluation.text import answer
from study import make_run, replace

FOLDS = [str(number) for number in range(1, 9)]


def compared(runs):
    return compare_all(configure(to_frame(runs))[0])


def runs_of(right, folds=FOLDS, seeds=(0,), **cell):
    """Runs whose accuracy is ``right``, a number or a function of fold and seed."""
    return [
        make_run(right(fold, seed) if callable(right) else right, each=20, fold=fold, seed=seed, **cell)
        for fold in folds
        for seed in seeds
    ]


def test_hrf_is_compared_with_plain_and_light_with_large():
    runs = [
        *runs_of(0.5),
        *runs_of(0.6, rank=2.0),
        *runs_of(0.7, model="conformer_large"),
        *runs_of(0.7, model="conformer_large", rank=4.0),
        *runs_of(0.4, corpus="other", rank=2.0),
    ]
    entries, sentences = compared(runs)
    assert [(entry["kind"], entry["label"]) for entry in entries] == [
        ("hrf", "Conformer: HRF x2 - light"),
        ("hrf", "Conformer large: HRF x4 - plain"),
        ("size", "Conformer: light - large"),
        ("size", "Conformer: HRF x2 - large"),
    ]
    assert [entry["difference"] for entry in entries] == pytest.approx([0.1, 0.0, -0.2, -0.1])
    assert entries[0]["key"] == "demo/validation/conformer/hrf2 - demo/validation/conformer/plain"
    assert sentences == []


def test_options_of_the_factors_do_not_part_hrf_from_the_plain_model():
    tuned = {"optimizer.lr": "0.001", "reparam.factors": "2"}
    runs = [
        *runs_of(0.5, settings={"optimizer.lr": "0.001"}),
        *runs_of(0.6, rank=4.0, settings=tuned),
        *runs_of(0.65, rank=4.0, settings=tuned | {"reparam.factors": "3"}, folds=FOLDS[:6]),
        *runs_of(0.7, rank=4.0, settings=tuned | {"optimizer.lr": "0.1"}, folds=FOLDS[:6]),
        *runs_of(0.7, model="conformer_large", settings={"optimizer.lr": "0.001"}),
    ]
    entries, (apart, narrowed) = compared(runs)
    assert [(entry["label"], round(entry["difference"], 3)) for entry in entries] == [
        ("All 2 together: HRF - light", 0.125),
        ("Conformer: HRF x4 - light", 0.1),
        ("Conformer: HRF x4 - light, reparam.factors=3", 0.15),
        ("Conformer: light - large", -0.2),
        ("Conformer: HRF x4 - large", -0.1),
        ("Conformer: HRF x4 - large, reparam.factors=3", -0.05),
        ("Conformer, HRF x4: optimizer.lr=0.1 - usual", 0.1),
        ("Conformer, HRF x4: reparam.factors=3 - usual", 0.05),
    ]
    assert apart.startswith("Conformer, HRF x4, optimizer.lr=0.1 has no plain counterpart")
    assert narrowed.startswith("All 2 comparisons of HRF with light are pooled on 6 folds only: ")


def test_seeds_are_averaged_before_folds_are_tested():
    liking = {fold: 0.05 * (int(fold) - 3) for fold in FOLDS}
    runs = [
        *runs_of(0.4, seeds=(0, 1)),
        *runs_of(lambda fold, seed: 0.4 + liking[fold] + (0.05 if seed else -0.05), seeds=(0, 1), rank=4.0),
    ]
    (entry,), _ = compared(runs)
    assert (entry["pairs"], entry["units"], entry["unit"]) == (16, 8, "fold")
    assert entry["p"] == pytest.approx(sign_flip(np.array(list(liking.values()))))
    assert entry["smallest_p"] == 2 / 256
    assert [pair["difference"] for pair in entry["per_pair"] if pair["fold"] == "3"] == pytest.approx([-0.05, 0.05])


@pytest.mark.parametrize("by_speaker", [True, False])
def test_a_fold_with_more_seeds_does_not_count_more_in_the_difference(by_speaker):
    more = [*runs_of(0.5, seeds=(0,)), *runs_of(0.5, folds=FOLDS[:1], seeds=range(1, 6))]
    other = [
        *runs_of(lambda fold, _: 0.6 if fold == "1" else 0.45, rank=4.0),
        *runs_of(0.6, folds=FOLDS[:1], seeds=range(1, 6), rank=4.0),
    ]
    runs = more + other if by_speaker else [replace(run, confusion=None, speakers=()) for run in more + other]
    (entry,), _ = compared(runs)
    assert (entry["pairs"], entry["units"]) == (13, 8)
    assert entry["difference"] == pytest.approx((0.1 - 7 * 0.05) / 8)
    assert entry["low"] < entry["difference"] < entry["high"]
    assert entry["p"] == pytest.approx(sign_flip(np.array([0.1, *[-0.05] * 7])))


def test_only_folds_and_seeds_that_both_have_are_compared():
    runs = [*runs_of(0.5, seeds=(0, 1)), *runs_of(0.6, folds=FOLDS[:6], rank=4.0)]
    (entry,), _ = compared(runs)
    assert entry["pairs"] == entry["units"] == 6
    entries, sentences = compared([*runs_of(0.5, seeds=(0,)), *runs_of(0.6, seeds=(1,), rank=4.0)])
    assert entries == []
    assert "no fold and seed in common" in sentences[0]


def test_pairing_makes_intervals_of_differences_narrow_where_speakers_agree():
    """Speakers are easy or hard for both; what they say of the difference is the same."""
    skill = {fold: {f"{fold}{n}": 0.2 + 0.1 * n for n in range(5)} for fold in FOLDS}
    better = {fold: {speaker: value + 0.05 for speaker, value in one.items()} for fold, one in skill.items()}
    runs = [
        make_run(table[fold], each=20, fold=fold, rank=rank)
        for table, rank in ((skill, None), (better, 4.0))
        for fold in FOLDS
    ]
    (entry,), _ = compared(runs)
    assert entry["difference"] == pytest.approx(0.05)
    assert (entry["low"], entry["high"]) == pytest.approx((0.05, 0.05), abs=1e-9)
    assert entry["interval_over"] == "speakers"


def test_an_interval_of_differences_is_wider_where_speakers_differ():
    def width(spread):
        runs = [
            make_run({f"{fold}a": 0.5 + s, f"{fold}b": 0.5 - s}, each=40, fold=fold, rank=rank)
            for rank, s in ((None, 0), (4.0, spread))
            for fold in FOLDS
        ]
        (entry,), _ = compared(runs)
        return entry["high"] - entry["low"]

    # One over the 5,120 utterances would have a width of 0.039, whoever spoke them.
    assert width(0.0) < 1e-9
    assert width(0.3) > 4 * 0.039


def test_holm_corrects_over_all_comparisons_but_the_pooled_one():
    runs = [*runs_of(0.5), *(run for rank in (2.0, 4.0, 8.0) for run in runs_of(0.6, rank=rank))]
    (pooled, *entries), _ = compared(runs)
    assert (pooled["kind"], pooled["p"], pooled["p_holm"], pooled["tests"]) == ("pooled", 2 / 256, 2 / 256, 1)
    assert pooled["verdict"].endswith("p = 0.008.")
    assert [entry["p"] for entry in entries] == pytest.approx([2 / 256] * 3)
    assert [entry["p_holm"] for entry in entries] == pytest.approx([6 / 256] * 3)
    assert all(entry["verdict"].startswith("HRF is better than plain: +0.100 UA") for entry in entries)


def test_a_design_that_is_too_small_says_so():
    entries, _ = compared([*runs_of(0.5, folds=FOLDS[:3]), *runs_of(0.9, folds=FOLDS[:3], rank=4.0)])
    assert entries[0]["verdict"].startswith("This design cannot decide: +0.400 UA")
    assert "3 folds give p = 0.25 at best; 6 folds are needed." in entries[0]["verdict"]


def test_seven_folds_are_enough_for_one_comparison_and_too_few_for_four():
    runs = [*runs_of(0.5, folds=FOLDS[:7]), *runs_of(0.6, folds=FOLDS[:7], rank=2.0)]
    (entry,), _ = compared(runs)
    assert entry["verdict"].startswith("HRF is better")
    (pooled, *entries), _ = compared(
        [*runs, *(run for rank in (3.0, 4.0, 8.0) for run in runs_of(0.6, folds=FOLDS[:7], rank=rank))]
    )
    assert pooled["verdict"].startswith("HRF is better")
    assert all(entry["verdict"].startswith("This design cannot decide") for entry in entries)
    assert "4 comparisons need 0.013; 8 folds are needed, or fewer comparisons" in entries[0]["verdict"]


def test_every_model_counts_the_same_in_the_pooled_comparison():
    liking = {fold: 0.05 * (int(fold) - 4) for fold in FOLDS}
    runs = [
        *runs_of(0.4, seeds=(0, 1)),
        *runs_of(0.5, seeds=(0, 1), rank=2.0),
        *runs_of(0.6, seeds=(0, 1), rank=4.0),
        *runs_of(0.4, model="conv_transformer"),
        *runs_of(lambda fold, _: 0.4 + liking[fold], model="conv_transformer", rank=4.0),
        # Large models and other corpora are no part of the question.
        *runs_of(0.1, model="conformer_large"),
        *runs_of(0.9, model="conformer_large", rank=4.0),
        *runs_of(0.1, corpus="other"),
        *runs_of(0.9, corpus="other", rank=4.0),
    ]
    entries, _ = compared(runs)
    (pooled,) = [entry for entry in entries if entry["kind"] == "pooled"]
    by_fold = np.array([(0.15 + liking[fold]) / 2 for fold in FOLDS])
    assert (pooled["corpus"], pooled["label"], pooled["pairs"]) == ("demo", "All 3 together: HRF - light", 40)
    assert [(point["fold"], point["seed"]) for point in pooled["per_pair"]] == [(fold, None) for fold in FOLDS]
    assert [point["difference"] for point in pooled["per_pair"]] == pytest.approx(list(by_fold))
    assert pooled["p"] == pytest.approx(sign_flip(by_fold))


def test_pooling_a_comparison_with_itself_changes_nothing():
    runs = [
        make_run({f"{fold}a": right + 0.2, f"{fold}b": right - 0.1}, each=40, fold=fold, rank=rank)
        for rank, right in ((None, 0.5), (2.0, 0.6), (4.0, 0.6))
        for fold in FOLDS
    ]
    (pooled, one, _), _ = compared(runs)
    assert pooled["difference"] == pytest.approx(one["difference"])
    assert (pooled["low"], pooled["high"]) == pytest.approx((one["low"], one["high"]), abs=1e-9)


def test_every_comparison_is_pooled_with_all_seeds_that_it_has():
    seeds = {(fold, seed): 0.05 * seed for fold in FOLDS for seed in range(3)}
    usual = [
        *runs_of(0.4, seeds=range(3)),
        *runs_of(lambda fold, seed: 0.4 + seeds[fold, seed], seeds=range(3), rank=4.0),
    ]
    fewer = [*runs_of(0.4, model="conv_transformer"), *runs_of(0.5, model="conv_transformer", rank=4.0)]
    (pooled, *_), sentences = compared([*usual, *fewer])
    assert (pooled["pairs"], pooled["units"], pooled["interval_over"]) == (32, 8, "speakers")
    assert pooled["difference"] == pytest.approx((0.05 + 0.1) / 2)
    assert pooled["low"] < pooled["difference"] < pooled["high"]
    assert sentences == []


def test_a_comparison_on_fewer_folds_narrows_the_pool_and_is_named():
    runs = [*runs_of(0.5), *runs_of(0.6, rank=2.0), *runs_of(0.6, folds=FOLDS[:1], rank=4.0)]
    (pooled, *_), (sentence,) = compared(runs)
    assert (pooled["units"], pooled["unit"]) == (1, "seed")
    assert sentence == (
        "All 2 comparisons of HRF with light are pooled on 1 fold only: Conformer, HRF x4 has 1 of the 8 folds "
        "of others."
    )


def test_of_a_single_fold_the_seeds_that_all_have_are_pooled():
    one = {"folds": ["official"]}
    runs = [*runs_of(0.5, seeds=range(7), **one), *runs_of(0.6, seeds=range(6), rank=2.0, **one)]
    (pooled, *_), sentences = compared([*runs, *runs_of(0.7, seeds=range(1, 7), rank=4.0, **one)])
    assert (pooled["units"], pooled["unit"], pooled["pairs"]) == (5, "seed", 10)
    assert [point["difference"] for point in pooled["per_pair"]] == pytest.approx([0.15] * 5)
    assert sentences == []


def test_what_has_no_fold_in_common_is_not_pooled_with_a_warning():
    runs = [*runs_of(0.5), *runs_of(0.6, folds=FOLDS[:4], rank=2.0), *runs_of(0.6, folds=FOLDS[4:], rank=4.0)]
    entries, (sentence,) = compared(runs)
    assert [entry["kind"] for entry in entries] == ["hrf", "hrf"]
    assert sentence.startswith("All 2 comparisons of HRF with light are not pooled: ")


def test_no_difference_is_called_not_significant():
    signs = {fold: 0.05 if int(fold) % 2 else -0.05 for fold in FOLDS}
    (entry,), _ = compared([*runs_of(0.5), *runs_of(lambda fold, _: 0.5 + signs[fold], rank=4.0)])
    assert entry["p"] == 1.0
    assert entry["verdict"].startswith("No significant difference: +0.000 UA")


def test_one_split_is_tested_over_seeds_and_says_so():
    runs = [
        *runs_of(0.5, folds=["official"], seeds=range(6)),
        *runs_of(0.6, folds=["official"], seeds=range(6), rank=4.0),
    ]
    (entry,), _ = compared(runs)
    assert (entry["unit"], entry["units"], entry["p"]) == ("seed", 6, 2 / 64)
    assert entry["verdict"].endswith("This holds for one split and its speakers only.")


def test_test_oracle_is_marked_in_every_verdict():
    (entry,), _ = compared([*runs_of(0.5, protocol="test_oracle"), *runs_of(0.6, protocol="test_oracle", rank=4.0)])
    assert "protocol test_oracle selects the checkpoint on the test set" in entry["verdict"]
    # Runs of different protocols are no pair.
    assert compared([*runs_of(0.5), *runs_of(0.6, protocol="test_oracle", rank=4.0)])[0] == []


def test_other_settings_are_not_compared():
    usual, short = {"trainer.max_epochs": "60"}, {"trainer.max_epochs": "20"}
    entries, sentences = compared(
        [*runs_of(0.5, settings=usual), *runs_of(0.6, folds=FOLDS[:6], rank=4.0, settings=short)]
    )
    assert entries == []
    assert (
        compared([*runs_of(0.5, settings=usual), *runs_of(0.6, FOLDS[:6], model="conformer_large", settings=short)])[0]
        == []
    )
    assert sentences == [
        "Conformer, HRF x4, trainer.max_epochs=20 has no plain counterpart with the same settings: it is not compared."
    ]


def mixup(value):
    return {"settings": {"augment.mixup": value}}


def test_another_setting_is_compared_with_the_usual_one_and_corrected_by_itself():
    runs = [
        *runs_of(0.5, seeds=(0, 1), **mixup("0.3")),
        *runs_of(0.55, rank=4.0, **mixup("0.3")),
        *runs_of(0.4, **mixup("0")),
        *runs_of(0.45, seeds=(1,), **mixup("0.6")),
        *runs_of(0.7, corpus="other", **mixup("0")),
    ]
    hrf, *settings = compared(runs)[0]
    assert (hrf["kind"], hrf["tests"]) == ("hrf", 1)
    assert [(entry["kind"], entry["label"], entry["pairs"], entry["tests"]) for entry in settings] == [
        ("setting", "Conformer: augment.mixup=0 - usual", 8, 2),
        ("setting", "Conformer: augment.mixup=0.6 - usual", 8, 2),
    ]
    assert [entry["difference"] for entry in settings] == pytest.approx([-0.1, -0.05])
    assert settings[0]["p_holm"] == pytest.approx(4 / 256)
    assert settings[0]["verdict"].startswith("This setting is worse than the usual one: -0.100 UA")


def test_settings_that_were_scored_on_other_utterances_are_not_compared():
    usual = runs_of(0.5, seeds=(0, 1), **mixup("0.3"))
    for other in (
        [replace(run, speakers=("x",)) for run in runs_of(0.6, **mixup("0"))],
        [make_run(0.6, each=5, fold=fold, **mixup("0")) for fold in FOLDS],
        runs_of(0.6, seeds=(2,), **mixup("0")),
    ):
        assert compared([*usual, *other]) == ([], [])


def test_a_sweep_of_settings_has_its_own_answer():
    def sentence(*values, folds=FOLDS, protocol="validation"):
        runs = [*runs_of(0.5, folds=folds, seeds=(0, 1), protocol=protocol, **mixup("0.3"))]
        for number, right in enumerate(values):
            runs += runs_of(right, folds=folds, protocol=protocol, **mixup(f"{number}"))
        configured, _ = configure(to_frame(runs))
        configurations = [summarise(one) for _, one in configured.groupby("key", sort=False)]
        return answer(configurations, compared(runs)[0])

    assert sentence(0.4, 0.5, 0.6).startswith(
        "Of 3 other settings: 1 better and 1 worse after Holm's correction. Best, Conformer: augment.mixup=2 - usual: "
        "+0.100 UA; worst, Conformer: augment.mixup=0 - usual: -0.100 UA."
    )
    assert "none is significant after Holm's correction" in sentence(0.5, 0.5)
    assert sentence(0.4).endswith("This setting is worse than the usual one: -0.100 UA [-0.100, -0.100], p = 0.008.")
    assert "Note that protocol test_oracle selects the checkpoint on the test set" in sentence(
        0.4, 0.6, protocol="test_oracle"
    )
    assert sentence(0.4, 0.6, folds=FOLDS[:3]).endswith(
        "Differences cannot be significant: 3 folds give p = 0.25 at best, and 2 comparisons need 0.025; 7 folds are needed, "
        "or fewer comparisons."
    )


def test_runs_that_were_scored_on_other_utterances_are_not_compared():
    plain = [make_run(0.5, fold=fold) for fold in "12"]
    same = make_run(0.6, fold="2", rank=4.0)
    for other in (
        replace(make_run(0.6, fold="1", rank=4.0), speakers=("x", "y")),
        make_run(0.6, fold="1", rank=4.0, each=5),
    ):
        (entry,), (warning,) = compared([*plain, other, same])
        assert (entry["pairs"], entry["difference"]) == (1, pytest.approx(0.1))
        assert (
            warning
            == f"{other['folder']} and {plain[0]['folder']} were scored on different utterances: they are not compared."
        )
        entries, (warning,) = compared([plain[0], other])
        assert entries == []
        assert "were scored on different utterances" in warning


def test_a_comparison_does_not_depend_on_which_others_there_are():
    rng = np.random.default_rng(0)
    jitter = {(fold, seed): rng.normal(0, 0.1) for fold in FOLDS for seed in (0, 1)}
    pair = [*runs_of(0.5, seeds=(0, 1)), *runs_of(lambda f, s: 0.5 + jitter[f, s], seeds=(0, 1), rank=4.0)]
    alone, _ = compared(pair)
    among, _ = compared([*runs_of(0.4, seeds=(0, 1), rank=2.0), *reversed(pair)])
    same = next(entry for entry in among if entry["key"] == alone[0]["key"])
    for key in ("difference", "low", "high", "p"):
        assert same[key] == alone[0][key]


def test_every_light_model_is_compared_with_a_pretrained_encoder_by_a_family_of_tests():
    encoder = {"model": "whisper_base", "encoder": {"encoder": "whisper"}, "settings": {"trainer.max_epochs": "20"}}
    runs = [
        *runs_of(0.5, settings={"trainer.max_epochs": "100"}),
        *runs_of(0.5, rank=2.0, settings={"trainer.max_epochs": "100"}),
        *runs_of(0.7, **encoder),
        *runs_of(0.7, rank=2.0, **encoder),
    ]
    entries, sentences = compared(runs)
    assert sentences == []
    assert [(entry["kind"], entry["label"], entry["tests"]) for entry in entries] == [
        ("hrf", "Conformer: HRF x2 - light", 2),
        ("hrf", "Whisper base: HRF x2 - plain", 2),
        ("added", "Conformer - Whisper base", 2),
        ("added", "Conformer, HRF x2 - Whisper base", 2),
    ]
    assert entries[2]["difference"] == pytest.approx(-0.2)
    assert entries[2]["verdict"].startswith("Conformer is worse than Whisper base: -0.200 UA")
    configured = configure(to_frame(runs))[0]
    assert set(configured[configured.model == "whisper_base"]["size"]) == {"large"}
    assert set(configured.variant) == {""}
