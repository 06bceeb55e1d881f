"""``python -m hrf_ser.train model=conformer data=iemocap hrf=true``: train, merge, score once, write the record."""

from __future__ import annotations

from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from hrf_ser.entry import describe, entry_point


@entry_point("train", paths=("data.root", "test_data.root", "cache_dir", "ckpt_path", "init_from", "hydra.run.dir"))
def main(config: DictConfig) -> float | None:
    if HydraConfig.get().mode == RunMode.RUN:
        checked_train(config)
        return None
    from hrf_ser.sweeps.job import run_job

    return run_job(config, checked_train, describe)


def checked_train(config: DictConfig) -> dict[str, Any]:
    """Train with a configuration that is valid; everything that imports torch comes after that is known."""
    from hrf_ser.config import validate

    validate(config, "train")
    from hrf_ser.preflight import check_corpus

    check_corpus(config)
    from hrf_ser.training.run import train

    return train(config)


if __name__ == "__main__":
    main()
