import gc
import math
import weakref

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from hrf_ser.sweeps.job import RunFailedError, run_job
from hrf_ser.sweeps.state import failure, state


@pytest.fixture
def config(tmp_path, monkeypatch):
    hydra = {"runtime": {"output_dir": str(tmp_path)}, "overrides": {"task": ["fold=1"]}}
    monkeypatch.setattr(HydraConfig, "get", lambda: OmegaConf.create(hydra))
    monkeypatch.delenv("HRF_SER_SWEEP_JOURNAL", raising=False)
    named = {"data": {"name": "d"}, "model": {"label": "m"}, "hrf": False, "fold": 1, "seed": 0, "ckpt_path": None}
    return OmegaConf.create(named)


class Model:
    """Something large."""


def test_a_failed_run_is_recorded_and_its_memory_given_back(config, tmp_path):
    models = []

    def train(config):
        model = Model()
        models.append(weakref.ref(model))
        raise MemoryError

    with pytest.raises(RunFailedError, match="sentence") as raised:
        run_job(config, train, lambda _: "A sentence.")
    assert (state(tmp_path), failure(tmp_path)) == ("failed", "A sentence.")
    gc.collect()
    # Launchers keep the error until the sweep ends.
    assert raised.value is not None
    assert models[0]() is None


def test_a_finished_run_leaves_no_mark(config, tmp_path):
    record = {"test": {"ua": 0.5}, "val": {"ua": 0.6}}
    assert run_job(config, lambda _: record, lambda _: None) == 0.6
    assert [path.name for path in tmp_path.iterdir() if path.name != ".claim"] == []


def test_a_run_that_validated_on_nobody_has_nothing_for_a_search(config, monkeypatch):
    config.protocol = {"name": "last_epoch"}
    record = {"test": {"ua": 0.5}, "val": None}
    assert math.isnan(run_job(config, lambda _: record, lambda _: None))
    searching = OmegaConf.merge(HydraConfig.get(), {"sweeper": {"direction": "maximize"}})
    monkeypatch.setattr(HydraConfig, "get", lambda: searching)
    with pytest.raises(
        RunFailedError, match=r"protocol=last_epoch has no validation score .* search with protocol=validation"
    ):
        run_job(config, lambda _: record, str)
    config.protocol.name = "validation"
    assert run_job(config, lambda _: {**record, "val": {"ua": 0.6}}, str) == 0.6
