"""``--help`` has every setting with its default, values and meaning."""

import pytest

from hrf_ser.config.describe import is_group, settings_of
from hrf_ser.config.help import help_text
from hrf_ser.config.schema import SCHEMAS
from hrf_ser.entry import conf_dir, register_resolvers


def text(verb, *overrides):
    register_resolvers()
    return " ".join(help_text(verb, conf_dir(), overrides).split())


@pytest.mark.parametrize("verb", SCHEMAS)
def test_every_setting_is_described(verb):
    shown = text(verb)
    assert shown.startswith(f"python -m hrf_ser.{verb} ")
    absent = ("model.options", "test_data.", "label_map.", "teacher.", *(["data."] if verb == "export" else []))
    for key, node in settings_of(SCHEMAS[verb]).items():
        if not is_group(node) and not key.startswith(absent):
            assert f" {key}=" in shown
            assert node["description"] in shown


def test_defaults_values_and_group_choices_are_shown():
    shown = text("train")
    assert "optimizer.lr=0.001 Peak learning rate. (a number greater than or equal to 0)" in shown
    assert "protocol=validation last_epoch, out_of_fold, test_oracle, validation" in shown
    assert "data@test_data=null crema_d, " in shown
    assert "bundle=... " in text("export")
    assert "(text, required)" in text("export")


def test_options_are_those_of_the_model_that_is_chosen():
    assert "model.options.kernel=15" in text("train", "model=conformer", "rank=8")
    assert "rank=8" in text("train", "model=conformer", "rank=8")
    assert "model.options.kernel" not in text("train")
