import pytest

from hrf_ser.deploy.bundle import render_card

RECORD = {
    "model": "conformer",
    "corpus": "ravdess>emodb",
    "hrf": True,
    "rank": 4,
    "fold": "1",
    "seed": 0,
    "protocol": "validation",
    "leaks": [],
    "evaluation_unit": "utterance",
    "scored": {"val": 30, "test": 40},
    "test": {"ua": 0.5, "wa": 0.6, "wf1": 0.55, "f1": float("nan")},
    "recall": {"angry": 0.25},
    "calibration": {"temperature": 1.4, "ece": 0.031, "ece_uncalibrated": 0.12, "brier": 0.55},
    "sexes": {"female": {"ua": 0.625, "scored": 28}, "male": {"ua": 0.375, "scored": 12}},
    "parameters": {"deployed": 159_108},
    "macs_per_second_of_audio": 5_500_000,
    "versions": {"hrf_ser": "0.1.0", "torch": "2"},
}


def card(selection: str = "", warning: str = "", **changes) -> str:
    return render_card({**RECORD, **changes}, ("angry", "sad"), "CC BY", 636_432, 4.25, selection, warning)


def test_card_has_scores_costs_and_limits():
    text = card()
    for words in (
        "# conformer on ravdess>emodb",
        "with HRF of rank 4, merged",
        "UA **0.500**",
        "macro F1 n/a; chance UA 0.500",
        "| angry | 0.250 |\n| sad | n/a |",
        "| female | 0.625 | 28 |\n| male | 0.375 | 12 |",
        "Under 20 utterances (male) say little.",
        "159,108 parameters, 636 kB of weights, 5.5 M multiply-adds",
        "4.2 ms",
        "Expected calibration error 0.031 (0.120 before temperature scaling), Brier score 0.550.",
        "Corpus: CC BY.",
        "hrf_ser 0.1.0, torch 2",
        "What it is not for",
    ):
        assert words in text, words
    assert "Leaking" not in text
    assert "**" not in text.replace("UA **0.500**", "")
    assert "No checkpoint was selected" not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"warning": "No estimate for unseen speakers."}, "\n**No estimate for unseen speakers.**\n"),
        (
            {"selection": "No checkpoint was selected: all others trained.", "scored": {"val": 0, "test": 40}},
            "\nNo checkpoint was selected: all others trained.\n",
        ),
        ({"leaks": ["the label decides"]}, "**Leaking: the label decides.**"),
        ({"sexes": {}}, "there are no scores by sex"),
        ({"hrf": False, "rank": None}, "Trained without HRF."),
        ({"evaluation_unit": "participant"}, "On 40 participants of speakers"),
    ],
)
def test_caveats_are_on_the_card(changes, words):
    assert words in card(**changes)
