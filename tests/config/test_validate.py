"""What a configuration is refused for before torch is imported, in one sentence with the key's path."""

import importlib
from typing import get_args

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf, open_dict

from hrf_ser.config import unknown_key, validate
from hrf_ser.config.describe import is_group, settings_of
from hrf_ser.config.other_names import OTHER_NAMES
from hrf_ser.config.schema import SCHEMAS, Export
from hrf_ser.entry import conf_dir, register_resolvers
from hrf_ser.errors import UserError
from hrf_ser.models.options import ModelOptions


def config(*overrides, verb="train"):
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose(verb, ["logger=none", *overrides] if verb == "train" else list(overrides))


def sentence(*overrides, verb="train"):
    with pytest.raises(UserError) as refused:
        validate(config(*overrides, verb=verb), verb)
    return str(refused.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimizer.lr=-1", "optimizer.lr=-1 must be a number greater than or equal to 0."),
        ("optimizer.lr=true", "optimizer.lr=true must be a number greater than or equal to 0."),
        ("optimizer.lr=nan", "optimizer.lr=nan must be finite."),
        ("rank=inf", "rank=inf must be finite."),
        ("rank=1e13", "rank=10000000000000.0 must be a number from 0 to 1000000000000."),
        ("seed=4294967296", "seed=4294967296 must be a whole number from 0 to 4294967295 or null."),
        ("batch_size=many", "batch_size=many must be a whole number greater than or equal to 1."),
        ("batch_size=8.0", "batch_size=8.0 must be a whole number greater than or equal to 1."),
        ("hrf=1", "hrf=1 must be true or false."),
        ("cache_on_device=1", "cache_on_device=1 must be auto or true or false."),
        ("fold=[1]", "fold=[1] must be text, a whole number, a number or null."),
        ("data.root=5", "data.root=5 must be text."),
        ("optimizer=null", "optimizer=null must be a group of settings."),
        (
            "protocol.name=fair",
            "protocol.name=fair is unknown: use one of validation, last_epoch, out_of_fold, test_oracle.",
        ),
        (
            "protocol.folds=1",
            "protocol.folds=1 must be corpus, group, speaker, official or a whole number greater than",
        ),
        ("loss.label_smoothing=2", "loss.label_smoothing=2 must be a number from 0 to 1."),
        ("optimizer.warmup_epochs=abc", "optimizer.warmup_epochs=abc must be a number"),
        ("augment.speed=0.9", "augment.speed=0.9 must be a list of numbers from 0.1 to 10, such as [0.9,1.1]."),
        ("augment.speed=[0]", "augment.speed=[0] must be a list of numbers"),
        ("augment.speed=[fast]", "augment.speed=['fast'] must be a list of numbers"),
        ("augment.noise_snr_db=[1]", "augment.noise_snr_db=[1] must be a list of 2 numbers from -100 to 100 or null"),
        ("augment.mixup=1e-300", "augment.mixup=1e-300 must be 0 or at least 1e-06."),
        ("trainer.accumulate_grad_batches=0", "trainer.accumulate_grad_batches=0 must be a whole number"),
        ("trainer.check_val_every_n_epoch=90", "trainer.check_val_every_n_epoch=90 must not be more than"),
        (
            "+trainer.fast_dev_run=true",
            "trainer.fast_dev_run=true is refused, as it keeps no epoch to test: use debug=fast.",
        ),
        ("+trainer.limit_train_batches=0", "trainer.limit_train_batches=0 leaves nothing to train"),
        ("+trainer.limit_val_batches=0", "trainer.limit_val_batches=0 leaves no validation"),
        ("features.window_ms=0", "features.window_ms=0 must be a number from 1 to 1000."),
        ("features.f_min=8000", "features.f_min=8000 must be less than features.f_max=8000."),
        ("features.trim_db=abc", "features.trim_db=abc must be a number greater than or equal to 0 or null."),
        ("reparam.factors=2.0", "reparam.factors=2.0 must be a whole number from 2 to 3."),
        ("reparam.targets=4", "reparam.targets=4 must be text, a list of text or null."),
        ("reparam.targets=[4]", "reparam.targets=[4] must be text, a list of text or null."),
        ("protocol=out_of_fold", "protocol=out_of_fold leaves other speakers out for each member"),
        ("~rank", "rank has no value: give it on the command line as rank=..."),
        ("data=ravdess", "data.root has no value: give it on the command line as data.root=..."),
        ("+learning_rate=1", "learning_rate is unknown: it is called optimizer.lr here."),
        ("+batchsize=1", "batchsize is unknown: did you mean batch_size?"),
        ("+optimizer.lrr=1", "optimizer.lrr is unknown: did you mean optimizer.lr?"),
        ("+loss.gamma=1", "loss.gamma is unknown: use one of loss.class_weights, loss.label_smoothing."),
        (
            "model.name=nope",
            "model.name=nope is unknown: use one of conformer, conv_transformer, pretrained, speechformer.",
        ),
        ("model.options.heads=3", "model.options.width=64 must be a multiple of heads=3."),
        ("model.options.width=0", "model.options.width=0 must be a whole number greater than or equal to 1."),
        ("model.options.pooling=max", "model.options.pooling=max is unknown: use one of mean, attentive, statistics."),
        ("model.options.dropout=abc", "model.options.dropout=abc must be a number from 0 to 1."),
        ("model.options.attention_dropout=2", "model.options.attention_dropout=2 must be a number from 0 to 1."),
        ("model.options.token_ms=0", "model.options.token_ms=0 must be a number greater than 0."),
        ("model.options.ensemble_size=true", "model.options.ensemble_size=true must be a whole number"),
    ],
)
def test_a_wrong_value_is_refused_with_its_path_and_the_remedy(override, message):
    assert sentence(override).startswith(message)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=conformer", "model.options.kernel=4"], "model.options.kernel=4 must be odd"),
        (
            ["model=conformer", "model.options.positions=absolute"],
            "model.options.positions=absolute is unknown: use one of",
        ),
        (["model=conformer", "model.options.max_distance=-1"], "model.options.max_distance=-1 must be a whole number"),
        (["model.options.width=9", "model.options.heads=3"], "model.options.width=9 must be even"),
        (["model=speechformer", "model.options.layers=[0,0,0,0]"], "model.options.layers=[0, 0, 0, 0] has no layer"),
        (["model=speechformer", "+model.options.ffn=16"], "model.options.ffn is unknown: use one of model.options."),
    ],
)
def test_options_are_those_of_the_model(overrides, message):
    assert sentence(*overrides).startswith(message)


@pytest.mark.parametrize(
    ("verb", "overrides", "message"),
    [
        ("export", ["bundle=b", "format=zip"], "format=zip is unknown: use one of onnx, onnx-int8"),
        ("export", ["bundle=b", "format=onnx-int8", "int8.mode=static"], "int8.mode=static is calibrated on training"),
        ("export", ["bundle=b", "parity.utterances=0"], "parity.utterances=0 must be all or a whole number"),
        (
            "export",
            ["bundle=b", "+limits.foo=1"],
            "limits.foo is unknown: use one of limits.logits, limits.",
        ),
        ("report", ["runs=r", "split=train"], "split=train is unknown: use one of test, validation."),
        ("predict", ["bundle=b", "audio=a", "rows=word"], "rows=word is unknown: use one of file, window."),
        ("predict", ["bundle=b"], "audio has no value"),
        ("benchmark", ["bundle=b", "seconds=[]"], "seconds=[] must be a list of numbers from 0.1 to 600"),
        ("benchmark", ["bundle=b", "rank=0"], "rank=0 must be a number greater than 0."),
        ("demo", ["bundle=b", "port=70000"], "port=70000 must be a whole number from 0 to 65535."),
        ("workspace", ["entity=e", "kind=page"], "kind=page is unknown: use one of workspace, report."),
        ("prepare", ["features.n_mels=0"], "features.n_mels=0 must be a whole number from 1 to 4096."),
    ],
)
def test_every_verb_has_a_schema(verb, overrides, message):
    assert sentence(*overrides, verb=verb).startswith(message)


@pytest.mark.parametrize(
    "overrides",
    [
        ["augment.speed=[]", "augment.noise_snr_db=[10,30]", "features.trim_db=null"],
        ["augment.speed=[0.9,1,1.1]", "optimizer.warmup_epochs=0.5", "loss.label_smoothing=0"],
        ["hrf=true", r"reparam.targets='layers\.\d+\.ffn\.linear1'"],
        ["hrf=true", r"reparam.targets=['layers\.\d+\.ffn\.linear1']"],
        ["trainer.check_val_every_n_epoch=null", "+trainer.max_steps=3", "+trainer.limit_val_batches=0.5"],
        ["protocol=last_epoch", "+trainer.limit_val_batches=0"],
        ["data@test_data=table", "test_data.root=a.csv", "label_map=four", "fold=1of5", "rank=2.5"],
    ],
    ids=" ".join,
)
def test_a_valid_value_is_not_refused(overrides):
    validate(config(*overrides), "train")


@pytest.mark.parametrize("name", sorted(path.stem for path in (conf_dir() / "model").glob("*.yaml")))
def test_every_model_of_conf_is_valid(name):
    composed = config(f"model={name}")
    if composed.model.name == "pretrained":
        with pytest.raises(UserError, match=r"model\.options\.name_or_path has no value"):
            validate(composed, "train")
        composed.model.options.name_or_path = "/somewhere"
    validate(composed, "train")


@pytest.mark.parametrize("verb", SCHEMAS)
def test_a_schema_has_the_settings_of_its_file_and_describes_each(verb):
    composed = config(verb=verb)
    settings = settings_of(SCHEMAS[verb])
    assert set(composed) <= {key for key in settings if "." not in key}
    assert all(node.get("description") for node in settings.values() if not is_group(node))
    for key, group in OmegaConf.to_container(composed).items():
        if isinstance(group, dict) and is_group(settings[key]) and key != "trainer":
            assert {f"{key}.{name}" for name in group} <= set(settings)


# For any type of setting, values that are impossible.
IMPOSSIBLE = {"a": {"b": [1]}, "list": [{}], "nan": float("nan"), "minus": -1e13, "huge": 1e13, "pair": [[], {}]}
EXPERIMENTS = sorted(path.stem for path in (conf_dir() / "experiment").glob("*.yaml"))
OPEN = (
    "model.options",
    "data.options",
    "data.name",
    "model.name",
    "callbacks",
    "logger",
    "label_map",
    "test_data",
    "teacher",
)
KEYS = [key for key, node in settings_of(SCHEMAS["train"]).items() if not key.startswith(OPEN) and not is_group(node)]
TEACHER = {"builtin": ["teacher.path=/somewhere"]}
COMPOSED = {name: config(f"experiment={name}", "data.root=/somewhere", *TEACHER.get(name, ())) for name in EXPERIMENTS}


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_is_valid(experiment):
    validate(COMPOSED[experiment], "train")


@settings(derandomize=True, database=None, deadline=None, max_examples=100)
@given(st.sampled_from(EXPERIMENTS), st.sampled_from(KEYS), st.sampled_from(sorted(IMPOSSIBLE)))
def test_an_experiment_with_one_impossible_value_is_refused_by_its_path(experiment, key, kind):
    changed = COMPOSED[experiment].copy()
    value = IMPOSSIBLE[kind]
    if isinstance(value, float) and key in ("fold", "model.label"):
        return  # names may be numbers
    with open_dict(changed):
        OmegaConf.update(changed, key, value, merge=False)
    with pytest.raises(UserError) as refused:
        validate(changed, "train")
    assert str(refused.value).startswith(f"{key}=")
    assert "\n" not in str(refused.value)


def test_choices_are_those_of_the_code_behind_them():
    formats = importlib.import_module("hrf_ser.deploy.export.formats")
    fields = Export.model_fields
    assert get_args(fields["format"].annotation) == tuple(formats.FORMATS)
    find = importlib.import_module("hrf_ser.evaluation.find")
    assert settings_of(SCHEMAS["report"])["split"]["enum"] == [find.TEST, find.VALIDATION]
    protocols = importlib.import_module("hrf_ser.data.protocols").PROTOCOLS
    assert settings_of(SCHEMAS["train"])["protocol.name"]["enum"] == list(protocols)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("modle", "modle is unknown: did you mean model?"),
        ("model.options.kernels", "model.options.kernels is unknown: did you mean model.options.kernel?"),
        ("test_data", "test_data is not in this configuration: add it as +test_data=..."),
        (
            "trainer.max_epoch",
            "trainer.max_epoch is unknown: did you mean trainer.max_epochs or trainer.min_epochs?",
        ),
        ("reparam.bias", "reparam.bias was removed, as no recorded run used it: leave it out."),
    ],
)
def test_a_key_that_hydra_does_not_find_is_explained(key, message):
    assert unknown_key("train", key) == message


def test_names_of_other_tools_lead_to_settings_that_exist():
    known = {*settings_of(SCHEMAS["train"]), "data", "hydra.run.dir", "callbacks.early_stopping.patience"}
    known |= {key for model in ModelOptions.known.values() for key in settings_of(model, "model.options.")}
    assert set(OTHER_NAMES.values()) <= known
    assert not set(OTHER_NAMES) & known
    for other, ours in OTHER_NAMES.items():
        assert unknown_key("train", other) == f"{other} is unknown: it is called {ours} here."
    assert unknown_key("train", "sr") == "sr is no setting here, as audio of any rate is read: leave it out."
