"""Every file of conf/ composes, and begins with the command that uses it."""

import re

import pytest
from hydra import compose, initialize_config_dir

from helpers import REPOSITORY
from hrf_ser.config import validate
from hrf_ser.entry import register_resolvers
from hrf_ser.models import count_parameters, create_model

CONF = REPOSITORY / "conf"
FILES = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml"))
CHOICES = [path for path in FILES if len(path.parts) == 2]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_begins_with_the_command_that_uses_it(path):
    # Hydra reads its own header from the first line only.
    lines = [line for line in (CONF / path).read_text().splitlines() if not line.startswith("# @package")]
    verb = path.stem if len(path.parts) == 1 else "train"
    assert lines[0].startswith(f"# python -m hrf_ser.{verb} ")
    if len(path.parts) == 2:
        group, name = path.parts[0], path.stem
        assert re.search(rf"{group}=(\S*[\[,])?{name}\b", lines[0]) or f"{group}." in lines[0]


@pytest.mark.parametrize("path", CHOICES, ids=str)
def test_every_choice_composes_and_is_valid(path):
    register_resolvers()
    if path.name == "ray.yaml":
        pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="hrf_ser[ray] wants an environment of its own")
    group, name = path.parts[0], path.stem
    needs_root = group == "data" or name in ("ravdess_light", "ravdess_recipe", "builtin", "fine_tune")
    root = ["data.root=/somewhere"] if needs_root else []
    root += ["teacher.path=/somewhere"] if (group == "teacher" and name != "none") or name == "builtin" else []
    encoder = "name: pretrained" in (CONF / path).read_text()
    root += ["model.options.name_or_path=/somewhere"] if encoder else []
    members = ["model.options.ensemble_size=2"] if path.stem == "out_of_fold" else []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"{group}={name}", *root, *members])
    del config.logger  # names the run's folder, which there is none of here
    validate(config, "train")


@pytest.mark.parametrize(("sweep", "ranks"), [("hrf_study", "2,4,8"), ("hrf_pilot", 4)])
def test_a_recipe_and_a_sweep_go_together(sweep, ranks):
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        words = [f"experiment=[ravdess_recipe,{sweep}]", "data.root=/somewhere"]
        config = compose("train", words, return_hydra_config=True)
    assert config.features.hop_ms == 40
    assert config.hydra.sweeper.params.rank == ranks


def test_the_light_recipe_is_light():
    register_resolvers()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", ["experiment=ravdess_light", "data.root=/somewhere"])
    model = create_model(
        config.model.name,
        n_features=config.features.n_mels,
        n_classes=8,
        hop_ms=config.features.hop_ms,
        **config.model.options,
    )
    assert 200_000 < count_parameters(model) <= 300_000
    # What the recipe of one model has, the light one has too, but for what it says itself.
    assert (config.augment.mixup, config.augment.time_masks) == (0.3, 0)
