"""Every old name and value is refused in one sentence that gives the new one."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict

from hrf_ser.config import validate
from hrf_ser.entry import conf_dir, describe, register_resolvers
from hrf_ser.errors import UserError
from hrf_ser.renamed import KEYS, REMOVED, VALUES, refuse_renamed

ALL_VALUES = [(key, old, new) for key, values in VALUES.items() for old, new in values.items()]


def refused(verb, *overrides):
    with pytest.raises(UserError) as error:
        refuse_renamed(verb, overrides)
    return str(error.value)


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize(("key", "old", "new"), ALL_VALUES)
def test_old_values_give_the_new_ones(key, old, new, sign):
    assert refused("train", "rank=2", f"{sign}{key}={old}") == f"{key}={old} was renamed: use {key}={new}."


@pytest.mark.parametrize(("key", "old", "new"), ALL_VALUES)
def test_old_values_in_a_sweep_give_the_new_ones(key, old, new):
    for values in (f"{new},{old}", f"choice({old},{new})", f"[{new},{old}]", f"'{old}'"):
        assert f"use {key}={new}." in refused("train", "-m", f"{key}={values}")


@pytest.mark.parametrize("sign", ["", "+", "++"])
@pytest.mark.parametrize(("verb", "old", "new"), [(*keys, new) for keys, new in KEYS.items()])
def test_old_keys_give_the_new_ones(verb, old, new, sign):
    assert refused(verb, f"{sign}{old}=4") == f"{old} was renamed: use {new}=4."


@pytest.mark.parametrize("key", REMOVED)
def test_removed_keys_say_why(key):
    assert refused("train", f"{key}=true").startswith(f"{key} was removed, as ")


def test_new_names_and_other_verbs_are_not_refused():
    refuse_renamed("train", ["-m", "protocol=validation", "part=2", "model=conformer", "data.root=/honest/paper"])
    refuse_renamed("report", ["runs=paper", "split=test", "--help", "resident=1"])


@pytest.mark.parametrize(
    ("key", "old", "new"), [one for one in ALL_VALUES if one[0] in ("protocol.name", "reparam.mode")]
)
def test_old_values_of_a_file_are_refused_too(key, old, new):
    config = composed("logger=none")
    OmegaConf.update(config, key, old)
    with pytest.raises(UserError, match=f"{key}={old} was renamed: use {key}={new}."):
        validate(config, "train")


@pytest.mark.parametrize("key", [*REMOVED, *(key for verb, key in KEYS if verb == "train")])
def test_old_keys_of_a_file_are_refused_too(key):
    config = composed("logger=none")
    with open_dict(config):
        OmegaConf.update(config, key, 4)
    with pytest.raises(UserError, match=f"{key} was (renamed|removed)"):
        validate(config, "train")


def test_old_groups_of_a_file_are_refused_too():
    for override, message in (
        ("protocol=honest", "use protocol=validation."),
        ("resident=true", "use cache_on_device."),
    ):
        with pytest.raises(HydraException) as error:
            composed(override)
        assert describe(error.value).endswith(message)


def test_the_command_ends_in_one_sentence(command, tmp_path):
    done = command("train", "protocol=honest", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "Error: protocol=honest was renamed: use protocol=validation.\n"
    assert not list(tmp_path.iterdir())


def composed(*overrides):
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", list(overrides))
