"""Commands as other tools write them, and null as Python writes it."""

import pytest
from omegaconf import OmegaConf
from test_validate import config

from hrf_ser.config import validate
from hrf_ser.config.command_line import normalise
from hrf_ser.config.nulls import fill_nulls
from hrf_ser.entry import conf_dir
from hrf_ser.errors import UserError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--optimizer.lr=0.1", "--model=conformer"], ["optimizer.lr=0.1", "model=conformer"]),
        (["--optimizer.lr", "0.1", "--hrf", "seed=1"], ["optimizer.lr=0.1", "hrf=true", "seed=1"]),
        (["--hrf", "--seed", "1", "-m"], ["hrf=true", "seed=1", "-m"]),
        (["--optimizer.momentum", "-1"], ["optimizer.momentum=-1"]),
        (["optimizer={'lr': 0.1, 'name': 'sgd'}"], ["optimizer.lr=0.1", "optimizer.name=sgd"]),
        (['--optimizer={"lr": 0.1}'], ["optimizer.lr=0.1"]),
        (["model.options={width: 16}"], ["model.options={width: 16}"]),
        (["++augment={'speed': [0.9, 1.1], 'noise_snr_db': None}"],
         ["++augment.speed=[0.9,1.1]", "++augment.noise_snr_db=null"]),
        (['{"optimizer.lr": 0.1, "hrf": true}'], ["optimizer.lr=0.1", "hrf=true"]),
        (["reparam.targets=['a (1)', None]"], ["reparam.targets=['a (1)',null]"]),
        (["logger=None", "experiment=None", "teacher=null"], ["logger=none", "experiment=null", "teacher=none"]),
        (["--multirun", "--cfg=job", "--config-dir", "x"], ["--multirun", "--cfg=job", "--config-dir", "x"]),
        (["data.root=/a/b=c.json", "audio={x}", "+foo=1"], ["data.root='/a/b=c.json'", "audio={x}", "+foo=1"]),
        (["+trainer.max_epochs=3", "trainer.max_steps=1,2"], ["trainer.max_epochs=3", "++trainer.max_steps=1,2"]),
        (["trainer={'detect_anomaly': True}"], ["++trainer.detect_anomaly=true"]),
        (["fold=Jörg"], ["fold='Jörg'"]),
        (["fold=Müller, 03"], ["fold='Müller, 03'"]),
        (["-m", "fold=Jörg,Änne"], ["-m", "fold='Jörg','Änne'"]),
        (["fold=a=b/c [x]"], ["fold='a=b/c [x]'"]),
        (["fold=true"], ["fold='true'"]),
        (["-m", "fold=1e3,true,007,anna"], ["-m", "fold='1e3','true',007,anna"]),
        (["fold=1", "fold=null", "fold=1of5"], ["fold=1", "fold=null", "fold=1of5"]),
        (["-m", "fold=range(1,4)"], ["-m", "fold=range(1,4)"]),
        (["data.options.labels=[fröhlich, sehr traurig]"], ["data.options.labels=['fröhlich', sehr traurig]"]),
        (["data.options.columns={label: Gefühl}"], ["data.options.columns={label: 'Gefühl'}"]),
        (["hydra.sweep.dir=runs/lr=1 (2)"], ["hydra.sweep.dir='runs/lr=1 (2)'"]),
        (["data.root=Ü, b (1).csv"], ["data.root='Ü, b (1).csv'"]),
        (["-m", "data.root=Ü, b (1).csv"], ["-m", "data.root=Ü, b (1).csv"]),  # a path, which its command quotes
        (["-m", "data.options.labels=[ä,b]"], ["-m", "data.options.labels=['ä',b]"]),
        (["logger.project=Übung"], ["logger.project='Übung'"]),
    ],
)  # fmt: skip
def test_a_command_is_read_as_hydra_reads_it(words, expected):
    assert normalise(words, conf_dir()) == expected


def test_a_file_of_arguments_is_refused_with_the_line_to_change():
    with pytest.raises(UserError, match=r"\$\{args_no_hyphens\} in place of \$\{args_json_file\} under command:"):
        normalise(["wandb/sweep-a/config-b.json"], conf_dir())


def test_none_and_null_mean_the_default():
    composed = config("threads=None", "fold=None", "seed=null", "augment.noise_snr_db=None", "init_from=None")
    fill_nulls(composed, "train")
    validate(composed, "train")
    assert composed.threads is composed.fold is composed.augment.noise_snr_db is composed.init_from is None
    assert composed.seed == 0
    same = config("fold=1", "seed=None")
    fill_nulls(same, "train")
    assert (same.fold, same.seed) == (1, 0)


@pytest.mark.parametrize("verb", ["predict", "export", "report", "benchmark", "demo", "workspace", "prepare"])
def test_none_means_null_for_every_command(verb):
    composed = config(verb=verb)
    keys = [key for key in composed if not OmegaConf.is_missing(composed, key) and composed[key] is None]
    for key in keys:
        composed[key] = "None"
    fill_nulls(composed, verb)
    assert all(composed[key] is None for key in keys)


def test_null_where_none_is_allowed_is_still_refused():
    with pytest.raises(UserError, match=r"^optimizer.lr=null must be a number"):
        validate(config("optimizer.lr=null"), "train")
