"""Weights & Biases as a mirror of the local files: never waited for, and no reason for a training to end."""

from __future__ import annotations

import csv
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import _DummyExperiment, rank_zero_experiment
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger, WandbLogger
from omegaconf import DictConfig

from hrf_ser.config import to_dict
from hrf_ser.run_folder import CONFUSION, PREDICTIONS
from hrf_ser.training.wandb_run import close_run, open_run, reason, say, within


class Wandb(WandbLogger):
    """Lightning's logger, with names that order W&B's own pages, the record of a run, and bounds on what W&B may cost.

    Args:
        patience: seconds that W&B may take to begin a run, and again to end it.
        options: of ``WandbLogger`` and ``wandb.init``; what they say of names, groups and tags goes before what we say.
    """

    def __init__(self, patience: float = 10.0, **options: Any) -> None:
        super().__init__(**options)
        self._patience = patience
        self._given_up = False
        self._settings: dict[str, Any] = {}
        # W&B no longer takes it, and warns of it in every run.
        self._wandb_init.pop("anonymous", None)

    def describe(self, config: DictConfig, corpus: str, fold: str, folder: Path | None = None) -> None:
        """Name the run that is to begin.

        Args:
            config: of the run.
            corpus: its name.
            fold: the one that is tested; the configuration may leave it open.
            folder: of the run that is gone on with; None for a new one. W&B goes on with the same run then.
        """
        words = describe_run(config, corpus, fold)
        self._settings = {**to_dict(config), **words.pop("config")}
        tags = [*words.pop("tags"), *(self._wandb_init.get("tags") or [])]
        self._wandb_init["tags"] = list(dict.fromkeys(tags))
        for key, value in words.items():
            if self._wandb_init.get(key) is None:
                self._wandb_init[key] = value
        if folder is not None and self._wandb_init.get("id") is None:
            self._wandb_init["id"] = previous_id(folder)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The ``wandb.Run``, begun at first use; after a failure something that takes everything and does nothing."""
        if self._given_up:
            return _DummyExperiment()
        if self._experiment is None:
            try:
                run = open_run(self._wandb_init, self._offline, self._patience)
                run.define_metric("epoch", hidden=True)
                for part in ("train", "val", "test"):
                    run.define_metric(f"{part}/*", step_metric="epoch")
                run.define_metric("lr", step_metric="epoch")
                self._experiment = run
            except Exception as error:
                self._give_up(error)
                return _DummyExperiment()
        return self._experiment

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        # The run's own settings stand: Lightning adds the module's arguments, some of which have the same names.
        settings = self._settings or params
        self._attempt(lambda: super(Wandb, self).log_hyperparams(settings))

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._attempt(lambda: super(Wandb, self).log_metrics(metrics, step))

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        self._attempt(lambda: super(Wandb, self).after_save_checkpoint(checkpoint_callback))

    def log_record(self, record: Mapping[str, Any], folder: Path) -> None:
        """Mirror what a finished run's folder holds: ``metrics.json`` as the summary, and the confusion matrix.

        Args:
            record: what ``metrics.json`` holds.
            folder: of the run.
        """

        def mirror() -> None:
            import wandb

            run = self.experiment
            run.log({"confusion": wandb.Image(str(folder / CONFUSION))})
            run.summary.update(flatten(record))
            labels, true, predicted = _labels(folder / PREDICTIONS)
            plot = wandb.plot.confusion_matrix(
                y_true=true, preds=predicted, class_names=labels, title="Confusion matrix of the test part"
            )
            try:
                # Its table is an artifact, for which W&B asks the server and waits.
                within(self._patience, lambda: run.log({"confusion_matrix": plot}))
            except Exception as error:
                say(f"the chart of the confusion matrix was not taken ({reason(error)}); its picture was")

        self._attempt(mirror)

    def finalize(self, status: str) -> None:
        self._attempt(lambda: super(Wandb, self).finalize(status))

    def close(self, exit_code: int) -> None:
        """End W&B's run, so that the next job of a sweep begins its own."""
        run, self._experiment, self._given_up = self._experiment, None, True
        if run is not None:
            close_run(run, exit_code, self._patience)

    def _attempt(self, action: Callable[[], Any]) -> None:
        if self._given_up:
            return
        try:
            action()
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Leave W&B for the rest of this run, and say so once."""
        if self._given_up:
            return
        say(f"{reason(error)}; training goes on without it, its record is in the run's folder")
        self.close(exit_code=1)


def begin_loggers(loggers: Iterable[Logger], config: DictConfig, corpus: str, fold: str, resumed: Path | None) -> None:
    """Give every logger the configuration; name W&B's run.

    Args:
        loggers: of the run.
        config: of the run.
        corpus: its name.
        fold: the one that is tested.
        resumed: the folder of a run that is gone on with; None for a new run.
    """
    for logger in loggers:
        if isinstance(logger, Wandb):
            logger.describe(config, corpus, fold, resumed)
        logger.log_hyperparams(to_dict(config))


def mirror_record(loggers: Iterable[Logger], record: Mapping[str, Any], folder: Path) -> None:
    """Let W&B have what a finished run's folder holds."""
    for logger in loggers:
        if isinstance(logger, Wandb):
            logger.log_record(record, folder)


def finish_loggers(loggers: Iterable[Logger], status: str) -> None:
    """Let every logger write what it holds, and end W&B's run with the job, or the next one of a sweep would join it."""
    for logger in loggers:
        logger.finalize(status)
        if isinstance(logger, Wandb):
            logger.close(exit_code=int(status != "success"))


def describe_run(config: DictConfig, corpus: str, fold: str) -> dict[str, Any]:
    """Group, job type, name and tags of a run, and ``config``: further settings that W&B's pages filter and group by."""
    arm = f"hrf{float(config.rank):g}" if config.hrf else "plain"
    label, protocol = str(config.model.label), str(config.protocol.name)
    size = "large" if label.endswith("_large") else "light"
    tags = [corpus, label, size, arm, *(["hrf"] if config.hrf else []), f"protocol {protocol}"]
    return {
        "group": f"{corpus}/{protocol}/{label}/{arm}",
        "job_type": f"fold {fold}",
        "name": f"{corpus} {label} {arm} fold {fold} seed {config.seed}",
        # W&B takes 64 characters at most.
        "tags": [tag[:64] for tag in tags],
        "config": {
            "corpus": corpus,
            "family": label.removesuffix("_large"),
            "size": size,
            "arm": arm,
            "kind": f"{size} {arm}",
        },
    }


def flatten(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"test": {"ua": 0.7}}`` -> ``{"test/ua": 0.7}``; a list becomes its words, and what is null is left out."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}/")
        elif isinstance(value, list | tuple):
            flat[f"{prefix}{key}"] = ", ".join(map(str, value))
        elif value is not None:
            flat[f"{prefix}{key}"] = value
    return flat


def previous_id(folder: Path) -> str | None:
    """W&B's id of the run that wrote in ``folder`` last; None where none did."""
    # run-20260131_120000-abcd1234/run-abcd1234.wandb, with offline- before it for what was not sent
    files = [path for path in (folder / "wandb").glob("*run-*/run-*.wandb") if not path.parent.is_symlink()]
    files.sort(key=lambda path: path.parent.name.removeprefix("offline-"))
    return files[-1].stem.removeprefix("run-") if files else None


def _labels(path: Path) -> tuple[list[str], list[int], list[int]]:
    """Class names, and the numbers of labels and predicted classes, of ``predictions.csv``."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = list(reader.fieldnames or [])
    names = names[names.index("predicted") + 1 :]
    number = {name: place for place, name in enumerate(names)}
    return names, [number[row["label"]] for row in rows], [number[row["predicted"]] for row in rows]
