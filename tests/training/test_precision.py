"""Every precision of Lightning, with each model, with and without HRF: training, the merge, the test and the bundle."""

import csv
import json
from importlib.util import find_spec

import pytest
from safetensors.torch import load_file

from helpers import TINY_OPTIONS
from hrf_ser.errors import UserError

TRUE = ("bf16-true", "16-true", "64-true")
OTHERS = ("32-true", "bf16-mixed", "16-mixed", "bf16", "16", "32", "64", "null")


def check(train, folder, *overrides):
    record = train(folder, "trainer.max_epochs=1", "+trainer.enable_progress_bar=false", *overrides)
    # The merged model is deployed in single precision, whatever it was trained in.
    assert record["merge"]["argmax_changes"] == 0
    assert record["merge"]["max_abs_diff"] < 1e-5
    weights = load_file(folder / "bundle/model.safetensors").values()
    assert {str(value.dtype) for value in weights if value.is_floating_point()} == {"torch.float32"}
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    assert all(0 <= float(row["angry"]) <= 1 for row in rows)
    assert json.loads((folder / "metrics.json").read_text())["status"] == "finished"


@pytest.mark.parametrize("precision", TRUE)
@pytest.mark.parametrize("model", TINY_OPTIONS)
def test_models_of_another_precision_train_and_merge_exactly(train, tmp_path, model, precision):
    check(train, tmp_path, f"model={model}", "hrf=true", f"trainer.precision={precision}")


@pytest.mark.slow
@pytest.mark.parametrize("hrf", ["false", "true"])
@pytest.mark.parametrize("precision", [*TRUE, *OTHERS])
@pytest.mark.parametrize("model", TINY_OPTIONS)
def test_every_precision_trains_every_model_with_and_without_hrf(train, tmp_path, model, precision, hrf):
    check(train, tmp_path, f"model={model}", f"hrf={hrf}", f"trainer.precision={precision}")


@pytest.mark.skipif(find_spec("transformer_engine") is not None, reason="transformer-engine is installed")
@pytest.mark.parametrize("precision", ["transformer-engine", "transformer-engine-float16"])
def test_a_precision_that_needs_a_library_names_it(train, tmp_path, precision):
    with pytest.raises(UserError, match=r"^trainer: .*transformer_engine"):
        train(tmp_path, f"trainer.precision={precision}")
