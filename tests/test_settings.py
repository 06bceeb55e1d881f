"""What a configuration is refused for before torch is imported: every value here once ended in a traceback."""

import pytest
from hydra import compose, initialize_config_dir

from hrf_ser.entry import conf_dir, register_resolvers
from hrf_ser.errors import UserError
from hrf_ser.settings import check


def config(*overrides):
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", ["logger=none", *overrides])


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("loss.label_smoothing=2", "is more than 1; give a smaller number"),
        ("optimizer.warmup_epochs=abc", "is not a number of at least 0"),
        ("optimizer.final_lr=abc", "is not a number of at least 0"),
        ("optimizer.momentum=-1", "is not a number of at least 0"),
        ("augment.speed=0.9", "is no list of numbers from 0.1 to 10, such as [0.9,1.1]"),
        ("augment.speed=[0]", "is no list of numbers"),
        ("augment.speed=[fast]", "is no list of numbers"),
        ("augment.noise_snr_db=5", "is neither null nor a range in dB, such as [10,30]"),
        ("augment.noise_snr_db=[1]", "is neither null nor a range in dB"),
        ("augment.mixup=1e-300", "is neither 0 nor a number of at least 1e-06"),
        ("augment.band_width=abc", "is not a number of at least 0"),
        ("augment.time_width=abc", "is not a number of at least 0"),
        ("trainer.accumulate_grad_batches=0", "is not a number of at least 1"),
        ("trainer.check_val_every_n_epoch=0", "is not a number of at least 1"),
        ("features.window_ms=0", "is not a number of at least 1"),
        ("features.f_min=9000", "is not less than features.f_max=8000"),
        ("features.floor_db=abc", "is not a number of at least 0"),
        ("features.trim_db=abc", "is not a number of at least 0"),
        ("reparam.factors=2.0", "is unknown: use one of 2, 3"),
        ("reparam.targets=4", "is neither a name of layers nor a list of names"),
        ("reparam.targets=[4]", "is neither a name of layers nor a list of names"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_key(word, message):
    with pytest.raises(UserError) as refused:
        check(config(word))
    assert str(refused.value).startswith(word.partition("=")[0])
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "words",
    [
        ["augment.speed=[]", "augment.noise_snr_db=[10,30]", "features.trim_db=null"],
        ["augment.speed=[0.9,1,1.1]", "optimizer.warmup_epochs=0.5", "loss.label_smoothing=0"],
        ["hrf=true", r"reparam.targets='layers\.\d+\.ffn\.linear1'"],
        ["hrf=true", r"reparam.targets=['layers\.\d+\.ffn\.linear1']"],
        ["trainer.check_val_every_n_epoch=null"],
    ],
    ids=" ".join,
)
def test_a_value_that_can_be_is_not(words):
    check(config(*words))
