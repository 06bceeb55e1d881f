"""Lightning's Trainer: every argument is either taken by its name or refused with the reason."""

import inspect

import lightning
import pytest
from test_validate import config

from hrf_ser.config import unknown_key, validate
from hrf_ser.config.command_line import normalise
from hrf_ser.config.trainer import ARGUMENTS, REFUSED
from hrf_ser.entry import conf_dir
from hrf_ser.errors import UserError

# A value of every argument that a run takes, other than the default.
VALUES = {
    "min_epochs": "2",
    "max_steps": "100",
    "min_steps": "10",
    "max_time": "00:00:10:00",
    "accelerator": "cpu",
    "devices": "1",
    "strategy": "auto",
    "precision": "bf16-mixed",
    "accumulate_grad_batches": "2",
    "gradient_clip_val": "0.5",
    "gradient_clip_algorithm": "value",
    "check_val_every_n_epoch": "2",
    "val_check_interval": "0.5",
    "num_sanity_val_steps": "1",
    "limit_train_batches": "0.9",
    "limit_val_batches": "3",
    "log_every_n_steps": "1",
    "enable_progress_bar": "false",
    "enable_model_summary": "true",
    "enable_autolog_hparams": "false",
    "deterministic": "warn",
    "benchmark": "true",
    "inference_mode": "false",
    "profiler": "simple",
    "detect_anomaly": "true",
    "max_epochs": "4",
}


def test_every_argument_of_lightning_is_taken_or_refused():
    arguments = set(inspect.signature(lightning.Trainer).parameters)
    assert set(ARGUMENTS) | set(REFUSED) == arguments
    assert not set(ARGUMENTS) & set(REFUSED)
    assert set(VALUES) == set(ARGUMENTS)


@pytest.mark.parametrize("plus", ["", "+", "++", "--"])
def test_every_argument_is_taken_by_its_name(plus):
    overrides = normalise([f"{plus}trainer.{name}={value}" for name, value in VALUES.items()], conf_dir())
    composed = config(*overrides)
    assert [str(composed.trainer[name]).lower() for name in VALUES] == list(VALUES.values())
    validate(composed, "train")


@pytest.mark.parametrize("name", REFUSED)
def test_an_argument_that_makes_no_sense_is_refused_with_the_reason(name):
    for sentence in (unknown_key("train", f"trainer.{name}"), _refused(f"+trainer.{name}=1")):
        assert sentence.startswith(f"trainer.{name}")
        assert " is refused, as " in sentence
        assert sentence.count(": ") == 1
        assert sentence.endswith(".")


def _refused(override):
    with pytest.raises(UserError) as refused:
        validate(config(override), "train")
    return str(refused.value)


def test_they_train_together(train, tmp_path):
    """All but those that only bound the time or the place of the training."""
    left_out = ("max_epochs", "min_epochs", "min_steps", "max_steps", "devices", "strategy", "check_val_every_n_epoch")
    words = [f"trainer.{name}={value}" for name, value in VALUES.items() if name not in left_out]
    record = train(tmp_path, "trainer.max_epochs=1", "batch_size=8", *normalise(words, conf_dir()))
    assert record["status"] == "finished"
