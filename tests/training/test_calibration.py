"""Temperature scaling: fitted on validation speakers alone, and measures of calibration."""

from dataclasses import dataclass

import pytest
import torch
from torch.distributions import Categorical

from hrf_ser.data.protocols import PROTOCOLS
from hrf_ser.training.calibration import calibrate, calibration_scores, fit_temperature, scale


def overconfident(factor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are ``factor`` times those that labels are drawn from."""
    generator = torch.Generator().manual_seed(0)
    logits = 1.5 * torch.randn(4000, 5, generator=generator)
    torch.manual_seed(0)
    return factor * logits, Categorical(logits=logits).sample()


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_what_made_logits_too_large_or_too_small(factor):
    assert fit_temperature(*overconfident(factor)) == pytest.approx(factor, rel=0.05)


def test_a_temperature_stays_within_bounds_where_every_utterance_is_right():
    labels = torch.arange(5)
    assert fit_temperature(torch.eye(5), labels) == 0.25
    assert fit_temperature(torch.eye(5), (labels + 1) % 5) == 4.0


def test_scaled_probabilities_are_better_calibrated_and_predict_the_same():
    logits, labels = overconfident(2.5)
    before = logits.softmax(-1)
    after = scale(before, fit_temperature(logits, labels))
    assert torch.equal(before.argmax(1), after.argmax(1))
    assert calibration_scores(before, labels)["ece"] > 0.1
    assert calibration_scores(after, labels)["ece"] < 0.03
    assert calibration_scores(after, labels)["brier"] < calibration_scores(before, labels)["brier"]
    torch.testing.assert_close(scale(before, 2.0), (logits / 2).softmax(-1))


def test_measures_of_certain_predictions():
    sure = torch.eye(3)[[0, 1, 2, 0]]
    right, wrong = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 1])
    assert calibration_scores(sure, right) == {"ece": pytest.approx(0.0), "brier": pytest.approx(0.0)}
    assert calibration_scores(sure, wrong) == {"ece": pytest.approx(1.0), "brier": pytest.approx(2.0)}


@dataclass
class FakeData:
    """Two validation batches of a protocol."""

    protocol: object
    out_of_fold: torch.Tensor | None = None

    def val_dataloader(self):
        logits, labels = overconfident(2.0)
        return [{"logits": logits[rows], "labels": labels[rows]} for rows in (slice(0, 1500), slice(1500, None))]


class FakeModule(torch.nn.Module):
    def validation_logits(self, batch):
        return batch["logits"]


def test_the_temperature_is_fitted_on_validation_speakers_and_never_on_test_speakers():
    found = {name: calibrate(FakeModule(), FakeData(protocol)) for name, protocol in PROTOCOLS.items()}
    assert found == {
        "validation": fit_temperature(*overconfident(2.0)),
        "out_of_fold": fit_temperature(*overconfident(2.0)),
        "last_epoch": None,
        "test_oracle": None,
    }
