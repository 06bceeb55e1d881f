import pytest
from hydra import compose, initialize_config_dir

from hrf_ser.entry import conf_dir, register_resolvers
from hrf_ser.identity import as_typed, differences, identity, run_name

BASE = ("data=ravdess", "data.root=/a", "hrf=true", "rank=4")


def config(*words: str):
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", [*BASE, *words])


@pytest.mark.parametrize(
    "words",
    [
        ["data.root=/b"],
        ["cache_dir=/c", "workers=2", "cache_on_device=true", "threads=1", "ckpt_path=last"],
        ["logger=none"],
        ["trainer.accelerator=cpu", "trainer.devices=1", "+trainer.enable_progress_bar=false"],
        ["launcher=joblib"],
        ["sweep.retry_failed=true"],
    ],
    ids=" ".join,
)
def test_paths_loggers_and_devices_do_not_make_another_run(words):
    assert identity(config(*words)) == identity(config())


@pytest.mark.parametrize(
    "word",
    [
        "model=conformer",
        "data=crema_d",
        "hrf=false",
        "rank=2",
        "fold=2",
        "seed=1",
        "protocol=test_oracle",
        "protocol=last_epoch",
        "protocol.folds=speaker",
        "optimizer.lr=0.01",
        "trainer.max_epochs=3",
        "trainer.precision=bf16-mixed",
        "features.n_mels=40",
        "reparam.init=variance",
        "init_from=/no/where",
        "callbacks=none",
        "label_map=four",
        "data.on_bad_audio=skip",
    ],
)
def test_what_changes_the_result_makes_another_run(word):
    assert identity(config(word)) != identity(config())


def test_without_hrf_its_settings_make_no_difference():
    assert identity(config("hrf=false", "rank=2", "reparam.init=variance")) == identity(config("hrf=false", "rank=8"))


def test_without_validation_callbacks_that_would_monitor_it_make_no_difference():
    last_epoch = identity(config("protocol=last_epoch"))
    assert identity(config("protocol=last_epoch", "callbacks.early_stopping.patience=3")) == last_epoch
    assert identity(config("protocol=last_epoch", "callbacks=none")) == last_epoch
    assert identity(config("protocol=last_epoch", "callbacks.early_stopping.monitor=train/loss")) != last_epoch
    assert identity(config("protocol=last_epoch", "callbacks=ema")) != last_epoch


def test_a_table_is_known_by_its_content(tmp_path):
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / f"{name}.csv").write_text(text)
    a, b, c = (identity(config("data=table", f"data.root={tmp_path}/{name}.csv")) for name in "abc")
    assert a == b != c


def test_weights_to_start_from_are_known_by_their_content(tmp_path):
    for name, text in (("a", "x"), ("b", "x"), ("c", "y")):
        (tmp_path / name / "bundle").mkdir(parents=True)
        (tmp_path / name / "bundle/model.safetensors").write_text(text)
    a, b, c = (identity(config(f"init_from={tmp_path}/{name}")) for name in "abc")
    assert a == b != c
    assert identity(config(f"init_from={tmp_path}/a/bundle")) == a
    assert identity(config(f"init_from={tmp_path}/c/bundle/model.safetensors")) == c
    assert a != identity(config())
    # As a sweep over folds has it.
    (tmp_path / "2").symlink_to(tmp_path / "c")
    followed = config(f"init_from={tmp_path}/${{fold}}", "fold=2")
    assert identity(followed) == identity(config(f"init_from={tmp_path}/c", "fold=2"))


def test_a_folder_says_what_a_reader_looks_for():
    name = run_name(config("model=conformer_large", "fold=2", "seed=3"))
    assert (
        name
        == f"ravdess_conformer_large_hrf4_fold2_seed3_{identity(config('model=conformer_large', 'fold=2', 'seed=3'))}"
    )
    assert run_name(config("hrf=false")).startswith("ravdess_conv_transformer_plain_foldfirst_seed0_")


def test_differences_are_named_by_the_keys_that_one_types():
    first = {"fold": 1, "optimizer": {"lr": 0.1, "name": "sgd"}, "label_map": None}
    second = {"fold": 1, "optimizer": {"lr": 0.2, "name": "sgd"}, "seed": 0}
    assert list(differences(first, second)) == [("optimizer.lr", 0.1, 0.2), ("seed", None, 0)]
    assert [as_typed(value) for value in (None, True, 0.1, "a")] == ["null", "true", "0.1", "a"]
