"""Errors of Lightning that the user can fix, as sentences."""

import pytest
from lightning import Trainer

from hrf_ser.errors import UserError
from hrf_ser.training.errors import user_errors


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "mps"])
def test_an_accelerator_that_is_not_there_is_one_sentence_with_the_remedy(accelerator, monkeypatch):
    for module in ("cuda", "mps"):
        monkeypatch.setattr(
            f"lightning.pytorch.accelerators.{module}.{module.upper()}Accelerator.is_available", lambda: False
        )
    with (
        pytest.raises(UserError, match=r"^trainer\.accelerator: this computer has no such device .*set cpu"),
        user_errors(),
    ):
        Trainer(accelerator=accelerator, logger=False)
