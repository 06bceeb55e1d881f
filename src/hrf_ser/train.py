"""``python -m hrf_ser.train model=conformer data=iemocap hrf=true``: train, merge, test once, write the record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from hrf_ser.entry import describe, entry_point

if TYPE_CHECKING:
    from hrf_ser.data.dataset import Dataset


@entry_point(
    "train",
    paths=(
        *("data.root", "data.options.audio_root", "test_data.root", "test_data.options.audio_root"),
        *("cache_dir", "ckpt_path", "init_from", "teacher.path", "hydra.run.dir"),
    ),
)
def main(config: DictConfig) -> float | None:
    if HydraConfig.get().mode == RunMode.RUN:
        train(config)
        return None
    from hrf_ser.sweeps.job import run_job

    return run_job(config, train, describe)


def train(config: DictConfig) -> dict[str, Any]:
    """Check the configuration, read and split the corpus, train, show the result; torch takes seconds, so it comes last."""
    from hrf_ser.config import validate

    validate(config, "train")
    from hrf_ser.initial_weights import find_initial_weights, find_teacher_run

    dataset = read_dataset(config)
    initial = find_initial_weights(config, dataset.corpus, dataset.split)
    teacher_bundle = find_teacher_run(config, dataset.corpus, dataset.split)
    from hrf_ser.training.run import train as run

    record = run(config, dataset, initial, teacher_bundle)
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        from hrf_ser.screen import show_result

        example = dataset.corpus.utterances[dataset.split.test[0]]
        show_result(record, Path(hydra.runtime.output_dir), example.path)
    return record


def read_dataset(config: DictConfig) -> Dataset:
    """The tables of the corpora that a configuration names, with its classes and its split.

    Raises:
        UserError: what the corpus's reader or the protocol refuses.
    """
    from hrf_ser.config import to_dict
    from hrf_ser.data.corpora import read_corpus
    from hrf_ser.data.corpora.unlabelled import read_unlabelled
    from hrf_ser.data.dataset import make_dataset

    groups = [config.data, *([config.test_data] if config.get("test_data") is not None else [])]
    label_map = config.get("label_map")
    unlabelled = config.data.get("unlabelled")
    places = [unlabelled] if isinstance(unlabelled, str) else list(unlabelled or ())
    return make_dataset(
        *(read_corpus(group.name, group.root, **to_dict(group.options)) for group in groups),
        fold=None if config.fold is None else str(config.fold),
        protocol=config.protocol.name,
        folds=config.protocol.folds,
        classes=None if label_map is None else to_dict(label_map.classes),
        unlabelled=read_unlabelled([Path(place).expanduser() for place in places]) if places else None,
        ensemble_size=config.model.options.get("ensemble_size", 1),
    )


if __name__ == "__main__":
    main()
