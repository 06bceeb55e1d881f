"""conf/model: what `model=<name>` gives, with 64 mel bands every 10 ms and 8 classes."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from torch import nn

from hrf_ser.models import MODULES, PRETRAINED, count_macs, count_parameters, create_model
from hrf_ser.models.options import ModelOptions

FOLDER = Path(__file__).parents[2] / "conf" / "model"
FILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _read(config: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{config}.yaml").read_text())
    return content


# Classifiers on pretrained encoders have one size.
ENCODERS = [config for config in FILES if _read(config)["name"] in PRETRAINED]
CONFIGS = [config for config in FILES if config not in ENCODERS]


def _model(config: str) -> nn.Module:
    content = _read(config)
    return create_model(content["name"], n_features=64, n_classes=8, **content["options"])


def test_every_model_has_a_light_and_a_large_configuration() -> None:
    assert sorted([*MODULES, *(f"{name}_large" for name in MODULES)]) == CONFIGS


@pytest.mark.parametrize("config", CONFIGS)
def test_configuration_says_how_to_use_it_and_sets_every_option(config: str) -> None:
    first_line = (FOLDER / f"{config}.yaml").read_text().splitlines()[0]
    assert first_line == f"# python -m hrf_ser.train model={config} data=demo hrf=true"
    content = _read(config)
    assert content["label"] == config
    assert content["name"] == config.removesuffix("_large")
    assert set(content["options"]) == set(ModelOptions.known[content["name"]].model_fields)


@pytest.mark.parametrize("name", MODULES)
def test_light_model_is_light_and_large_model_is_fifteen_times_that(name: str) -> None:
    light, large = _model(name), _model(f"{name}_large")
    assert 90_000 <= count_parameters(light) <= 300_000
    assert 3_000_000 <= count_parameters(large) <= 10_000_000
    assert count_parameters(large) >= 15 * count_parameters(light)
    assert count_macs(large, 215, 64) >= 15 * count_macs(light, 215, 64)


@pytest.mark.parametrize("config", ENCODERS)
def test_encoder_says_how_to_use_it_and_sets_every_option(config: str) -> None:
    first_line = (FOLDER / f"{config}.yaml").read_text().splitlines()[0]
    assert first_line.startswith(f"# python -m hrf_ser.train model={config} model.options.name_or_path=")
    content = _read(config)
    assert content["label"] == config
    assert set(content["options"]) == set(ModelOptions.known[content["name"]].model_fields)
