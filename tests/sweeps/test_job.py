import gc
import math
import weakref

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from hrf_ser.run_folder import failure_reason
from hrf_ser.sweeps.job import RunFailedError, run_job
from hrf_ser.sweeps.state import LOCK, state


@pytest.fixture
def config(tmp_path, monkeypatch):
    hydra = {"runtime": {"output_dir": str(tmp_path)}, "overrides": {"task": ["fold=1"]}}
    monkeypatch.setattr(HydraConfig, "get", lambda: OmegaConf.create(hydra))
    monkeypatch.delenv("HRF_SER_SWEEP_FILE", raising=False)
    named = {"data": {"name": "d"}, "model": {"label": "m"}, "hrf": False, "fold": 1, "seed": 0, "ckpt_path": None}
    return OmegaConf.create({**named, "sweep": {"retry_failed": False}})


class Model:
    """Something large."""


def test_a_failed_run_is_recorded_and_its_memory_is_released(config, tmp_path):
    models = []

    def train(config):
        model = Model()
        models.append(weakref.ref(model))
        raise MemoryError

    with pytest.raises(RunFailedError, match="sentence") as raised:
        run_job(config, train, lambda _: "A sentence.")
    assert (state(tmp_path), failure_reason(tmp_path)) == ("failed", "A sentence.")
    gc.collect()
    # Launchers keep the error until the sweep ends.
    assert raised.value is not None
    assert models[0]() is None


def test_a_run_that_failed_in_another_sweep_is_not_tried_again_unless_requested(config, tmp_path):
    (tmp_path / "failed.json").write_text('{"reason": "r"}')
    record = {"test": {"ua": 0.5}, "val": {"ua": 0.6}}
    assert math.isnan(run_job(config, lambda _: record, lambda _: None))
    config.sweep.retry_failed = True
    assert run_job(config, lambda _: record, lambda _: None) == 0.6
    assert state(tmp_path) == "new"


def test_a_finished_run_leaves_only_its_lock(config, tmp_path):
    record = {"test": {"ua": 0.5}, "val": {"ua": 0.6}}
    assert run_job(config, lambda _: record, lambda _: None) == 0.6
    assert [path.name for path in tmp_path.iterdir() if path.name != LOCK] == []


def test_a_run_without_validation_has_no_score_for_a_search(config, monkeypatch):
    config.protocol = {"name": "last_epoch"}
    record = {"test": {"ua": 0.5}, "val": None}
    assert math.isnan(run_job(config, lambda _: record, lambda _: None))
    searching = OmegaConf.merge(HydraConfig.get(), {"sweeper": {"direction": "maximize"}})
    monkeypatch.setattr(HydraConfig, "get", lambda: searching)
    with pytest.raises(
        RunFailedError,
        match=r"protocol=last_epoch has no validation score to maximise: search with protocol=validation",
    ):
        run_job(config, lambda _: record, str)
    config.protocol.name = "validation"
    config.sweep.retry_failed = True
    assert run_job(config, lambda _: {**record, "val": {"ua": 0.6}}, str) == 0.6
