"""Real audio and small helpers that tests of several folders share."""

import gc
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from filelock import FileLock

from forked import run_forked
from helpers import REPOSITORY, TINY, TINY_OPTIONS
from tiny_bundles import CARD, write_bundle

# A shell's background ignores Ctrl-C, and commands of tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
# Fixture -> mark of every test that uses it.
MARKS = {"browser": "browser", "forks": "faults", "outcomes": "fuzz", "wheel": "wheel"}


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, mark in MARKS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(mark)


def pytest_collection_finish() -> None:
    """Keep what the imports made out of garbage collections: statsmodels and Lightning force them, and each takes 0.2 s."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def ravdess() -> Path:
    """The RAVDESS speech corpus: HRF_SER_RAVDESS, or ../shared/corpora/RAVDESS beside the repository."""
    root = Path(os.environ.get("HRF_SER_RAVDESS", REPOSITORY.parent / "shared" / "corpora" / "RAVDESS"))
    if not (root / "Actor_01").is_dir():
        pytest.skip(f"RAVDESS is not at {root}; set HRF_SER_RAVDESS")
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    """A cache folder that the whole test run shares, so that corpora and features are made once; its writers lock it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def exports(cache) -> Path:
    """A folder made once for the whole test run, whose files tests may copy.

    ``demo/`` has a bundle and the cache into which ``hrf_ser.demo`` exported it, ``run/`` the same as a run has it:
    ``bundle/`` and ``export/model.onnx``.
    """
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from hrf_ser.demo import exported

    folder = cache.parent / "exported"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            bundle = write_bundle(folder / "demo/bundle", card=CARD)
            file = exported(bundle, folder / "demo/cache")
            shutil.copytree(bundle, folder / "run/bundle")
            (folder / "run/export").mkdir()
            shutil.copy(file, folder / "run/export/model.onnx")
    return folder


@pytest.fixture(scope="session")
def exported_run(exports) -> Path:
    """A run's folder with ``bundle/`` and ``export/model.onnx``."""
    return exports / "run"


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def tone(tmp_path):
    """Writes a tone as an audio file: ``tone(name, seconds=..., rate=..., channels=..., hertz=...)``."""

    def write(name: str, seconds: float = 1.0, rate: int = 16_000, channels: int = 1, hertz: float = 440.0) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        time = np.arange(round(seconds * rate)) / rate
        wave = 0.3 * np.sin(2 * np.pi * hertz * time)
        soundfile.write(path, np.repeat(wave[:, None], channels, axis=1), rate)
        return path

    return write


@pytest.fixture(scope="session")
def draw_once():
    """Draws the first confusion matrix and then copies it: pictures take a quarter of the time of a small run."""
    from hrf_ser.training.confusion_plot import draw_confusion

    first: list[bytes] = []

    def draw(path: Path, *drawn: object) -> None:
        if first:
            path.write_bytes(first[0])
        else:
            draw_confusion(path, *drawn)
            first.append(path.read_bytes())

    return draw


@pytest.fixture
def train(cache, draw_once, monkeypatch):
    """Runs the main job in this process: ``train(folder, *overrides)`` -> the record."""
    from hydra import compose, initialize_config_dir
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import open_dict

    from hrf_ser.entry import conf_dir, register_resolvers

    def run(folder: Path, *overrides: str) -> dict:
        from hrf_ser.train import train

        monkeypatch.setattr("hrf_ser.training.evaluate.draw_confusion", draw_once)
        register_resolvers()
        folder.mkdir(parents=True, exist_ok=True)
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            name = next((word.split("=")[1] for word in overrides if word.startswith("model=")), "conv_transformer")
            # The number of demo utterances is an option of the demo corpus alone.
            elsewhere = any(word.startswith("data=") and word != "data=demo" for word in overrides)
            tiny = [word for word in TINY if not (elsewhere and word.startswith("data."))]
            words = [*tiny, f"model.options={TINY_OPTIONS[name]}", f"cache_dir={cache}", *overrides]
            config = compose("train", words, return_hydra_config=True)
        with open_dict(config):
            config.hydra.runtime.output_dir = str(folder)
            HydraConfig.instance().set_config(config)
            del config.hydra
        return train(config)

    return run


@pytest.fixture
def train_and_stop(train, monkeypatch):
    """Runs the main job as ``train`` does, but it fails as its second epoch begins -> the epochs that begin, later ones too."""

    class StopError(Exception):
        pass

    def run(folder: Path, *overrides: str) -> list[int]:
        from hrf_ser.training.history import History

        begun: list[int] = []

        def stop(self, trainer, *_):
            begun.append(trainer.current_epoch)
            if begun == [0, 1]:
                raise StopError

        monkeypatch.setattr(History, "on_train_epoch_start", stop)
        with pytest.raises(StopError):
            train(folder, *overrides)
        return begun

    return run


@pytest.fixture
def command(cache):
    """Runs ``python -m hrf_ser.<verb> ...`` as a user does, from another folder; returns the finished process.

    It is a fork of this process unless ``fresh`` is set, as where imports and the end of the program matter.
    """

    def run(
        verb: str,
        *arguments: str,
        cwd: Path,
        input: str = "",
        fresh: bool = False,
        setup: Callable[[], object] | None = None,
    ) -> subprocess.CompletedProcess:
        environment = {**os.environ, "HRF_SER_CACHE": str(cache), "COLUMNS": "200"}
        environment.pop("WANDB_SERVICE", None)  # of this process, which outlives the command
        if not fresh:
            return run_forked(verb, arguments, cwd, environment, input, setup)
        line = [sys.executable, "-m", f"hrf_ser.{verb}", *arguments]
        return subprocess.run(
            line, cwd=cwd, env=environment, input=input, capture_output=True, text=True, timeout=300, check=False
        )

    return run
