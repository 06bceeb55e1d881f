"""Every extra: where its package is not installed, one sentence names the extra that brings it."""

import re
import sys

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from omegaconf import OmegaConf

from helpers import REPOSITORY
from hrf_ser.deploy.hub import (
    upload,
)  # Before the test hides the package, which torchmetrics imports where it finds transformers.
from hrf_ser.encoders.huggingface import transformers
from hrf_ser.entry import conf_dir, describe, register_resolvers
from hrf_ser.errors import UserError
from hrf_ser.extras import PLUGINS
from tiny_bundles import write_bundle

FOR_DEVELOPERS = {"test", "docs", "dev"}


def demo(folder):
    from hrf_ser.data.corpora import read_corpus

    read_corpus("demo", folder / "demo", utterances_per_cell=1)


def tensorboard(folder):
    from hrf_ser.training.instantiate import instantiate_loggers

    target = {"_target_": "lightning.pytorch.loggers.TensorBoardLogger", "save_dir": str(folder)}
    instantiate_loggers(OmegaConf.create({"logger": {"tensorboard": target}}), data=None)


def export(folder):
    from hrf_ser.deploy.export.write import Export, export_bundle

    export_bundle(Export(write_bundle(folder / "bundle"), folder / "model.onnx", "onnx"))


def program(format):
    def use(folder):
        from hrf_ser.deploy.export.write import Export, export_bundle

        export_bundle(Export(write_bundle(folder / "bundle"), folder / "model", format))

    return use


def runtime(folder):
    from hrf_ser.deploy.runtime.model_file import _session

    _session(b"", 1)


def hub(folder):
    upload(folder, "owner/name")


def microphone(_):
    from hrf_ser.deploy.runtime.microphone import microphone

    next(microphone())


def workspace(_):
    from hrf_ser.workspace import main

    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("workspace", ["entity=me"])
    main.__wrapped__(config)


def plugin(override):
    def use(_):
        register_resolvers()
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            compose("train", [override], return_hydra_config=True)

    return use


def teacher(_):
    from hrf_ser.distillation.head import cross_fitted_probabilities

    cross_fitted_probabilities(np.zeros((1, 2, 1), np.float32), np.array([0, 1]), ["a", "b"], [0, 1], 2)


# Extra -> the modules that it brings, and what needs them.
USES = {
    "demo": (["espeakng_loader"], demo),
    "tensorboard": ([], tensorboard),
    "workspace": (["wandb_workspaces"], workspace),
    "joblib": ([], plugin("launcher=joblib")),
    "submitit": ([], plugin("launcher=slurm")),
    "optuna": ([], plugin("sweeper=optuna")),
    "ray": ([], plugin("launcher=ray")),
    "encoders": (["transformers"], lambda _: transformers()),
    "teacher": (["sklearn.model_selection"], teacher),
    "export": (["onnxscript"], export),
    "runtime": (["onnxruntime"], runtime),
    "mic": (["sounddevice"], microphone),
    "hub": (["huggingface_hub"], hub),
    "executorch": (["executorch", "executorch.exir"], program("executorch")),
    "litert": (["litert_torch"], program("litert")),
}


@pytest.mark.parametrize("extra", USES)
def test_a_missing_package_names_its_extra(extra, tmp_path, monkeypatch):
    modules, use = USES[extra]
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    for package in ("TENSORBOARD", "TENSORBOARDX"):
        monkeypatch.setattr(f"lightning.fabric.loggers.tensorboard._{package}_AVAILABLE", False)
    Plugins.instance()  # registers their configurations
    for group, name in PLUGINS:
        options = ConfigStore.instance().repo["hydra"][group.removeprefix("hydra/")]
        monkeypatch.delitem(options, f"{name}.yaml", raising=False)
    with pytest.raises((UserError, HydraException)) as caught:
        use(tmp_path)
    sentence = describe(caught.value)
    assert re.fullmatch(rf'.+ is not installed: pip install "hrf_ser\[{extra}\]"\.', sentence), sentence


def test_every_extra_is_tried():
    tomllib = pytest.importorskip("tomllib")  # Python 3.11 has it.
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["optional-dependencies"]) == {*USES, *FOR_DEVELOPERS}
