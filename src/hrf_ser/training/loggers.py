"""Weights & Biases as a mirror of the local files: offline by default, and no reason for a training to wait or to fail."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import _DummyExperiment, rank_zero_experiment
from lightning.fabric.utilities.logger import _flatten_dict
from lightning.pytorch.loggers import WandbLogger
from omegaconf import DictConfig

from hrf_ser.config import to_dict
from hrf_ser.run_folder import CONFUSION


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    """Stop using W&B for the rest of a run after an error, and print that once."""

    @functools.wraps(method)
    def call(self: Wandb, *args: Any, **kwargs: Any) -> Any:
        if self.disabled:
            return None
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            _print(f"{_reason(error)}; the training continues without it, its record is in the run's folder")
            self.close(exit_code=1)
            return None

    return call


class Wandb(WandbLogger):
    """Lightning's logger with bounds on the time that W&B may take; an error of W&B disables it for the run.

    Args:
        patience: seconds that W&B may take to start a run, and again to finish it.
        options: of Lightning's ``WandbLogger`` and of ``wandb.init``. ``resume=auto`` is the default: a run that did not
            finish in this folder is the same run at W&B.
    """

    def __init__(self, patience: float = 10.0, **options: Any) -> None:
        super().__init__(**{"resume": "auto", **options})
        # W&B deprecated it and would print a warning in every run.
        self._wandb_init.pop("anonymous", None)
        self._patience = patience
        self.disabled = False

    def describe(self, config: DictConfig, corpus: str, fold: str) -> None:
        """Set name, group, tags and configuration of W&B's run; names and groups among the options take precedence."""
        described = describe_run(config, corpus, fold)
        given = {key: value for key, value in self._wandb_init.items() if value is not None}
        given["tags"] = list(dict.fromkeys([*described["tags"], *given.get("tags", [])]))
        given["config"] = {**to_dict(config), **described["config"], **given.get("config", {})}
        self._wandb_init = {**described, **given}

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The ``wandb.Run``, started at first use; a dummy that does nothing after an error."""
        if self._experiment is None:
            self._start()
        return _DummyExperiment() if self._experiment is None else self._experiment

    @_guarded
    def _start(self) -> None:
        run = self._experiment = self._init()
        run.define_metric("epoch", hidden=True)
        for metric in ("train/*", "val/*", "test/*", "lr"):
            run.define_metric(metric, step_metric="epoch")

    def _init(self) -> Any:
        # W&B's process would send error reports, from offline runs too.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        # W&B notes there which run to resume, before it makes the folder.
        os.makedirs(self.save_dir or ".", exist_ok=True)
        bounds = wandb.Settings(init_timeout=self._patience, finish_timeout=self._patience, finish_timeout_raises=True)
        init: Callable[..., Any] = functools.partial(wandb.init, **self._wandb_init, settings=bounds)
        mode = os.environ.get("WANDB_MODE", "online")
        if mode != "online" or self._offline:
            return init(mode=mode if mode == "disabled" else "offline")
        try:
            if not wandb.login(prompt=False, verify=False):
                raise wandb.Error("no key is set (run `wandb login`, or set WANDB_API_KEY)")
            run = init(mode="online")
            print(f"W&B: {run.url}", flush=True)
        except Exception as error:
            stop_service()
            run = init(mode="offline")
            sync = f"wandb sync {shlex.quote(run.settings.sync_dir)}"
            _print(f"{_reason(error)}; this run is recorded offline, send it later with {sync}")
        return run

    @_guarded
    def log_hyperparams(self, *_: Any) -> None:
        """Start the run. Its configuration is from `describe`; Lightning's hyperparameters of the module repeat some names."""
        _ = self.experiment

    log_metrics = _guarded(WandbLogger.log_metrics)
    after_save_checkpoint = _guarded(WandbLogger.after_save_checkpoint)
    finalize = _guarded(WandbLogger.finalize)

    @_guarded
    def log_record(self, record: Mapping[str, Any], folder: Path) -> None:
        """Mirror a finished run: ``metrics.json`` as the summary, and the confusion matrix as a picture."""
        import wandb

        self.experiment.log({"confusion": wandb.Image(str(folder / CONFUSION))})
        self.experiment.summary.update(flatten(record))

    def close(self, exit_code: int) -> None:
        """Finish W&B's run, so that the next job of a sweep starts its own."""
        run, self._experiment, self.disabled = self._experiment, None, True
        if run is None:
            return
        try:
            run.finish(exit_code=exit_code)
        except Exception as error:
            stop_service()
            folder = Path(run.settings.sync_dir)
            with suppress(OSError):
                # `wandb sync` sends nothing of a run that was online; the name of its folder decides.
                folder = folder.rename(folder.with_name(f"offline-{folder.name.removeprefix('offline-')}"))
            sync = f"wandb sync {shlex.quote(str(folder))}"
            _print(f"{_reason(error)}; not everything was sent, send the rest later with {sync}")


def describe_run(config: DictConfig, corpus: str, fold: str) -> dict[str, Any]:
    """Group, job type, name and tags of a run, and ``config``: further settings to filter and group by."""
    variant = f"hrf{float(config.rank):g}" if config.hrf else "plain"
    model, protocol = str(config.model.label), str(config.protocol.name)
    size = "large" if model.endswith("_large") else "light"
    tags = [corpus, model, size, variant, *(["hrf"] if config.hrf else []), f"protocol {protocol}"]
    family = model.removesuffix("_large")
    return {
        "group": f"{corpus}/{protocol}/{model}/{variant}",
        "job_type": f"fold {fold}",
        "name": f"{corpus} {model} {variant} fold {fold} seed {config.seed}",
        "tags": [tag[:64] for tag in tags],  # the most that W&B takes
        "config": {"corpus": corpus, "family": family, "size": size, "variant": variant, "kind": f"{size} {variant}"},
    }


def flatten(record: Mapping[str, Any]) -> dict[str, Any]:
    """``{"test": {"ua": 0.7}}`` -> ``{"test/ua": 0.7}``, without nulls."""
    return {key: value for key, value in _flatten_dict(dict(record)).items() if value is not None}


def stop_service() -> None:
    """End W&B's service process, which would keep a failed run and print errors at the end of the program."""
    import wandb

    with suppress(Exception):
        wandb.teardown()
    # Otherwise the next run would look for the service that has ended.
    os.environ.pop("WANDB_SERVICE", None)


def _print(sentence: str) -> None:
    print(f"W&B: {sentence}", file=sys.stderr, flush=True)


def _reason(error: BaseException) -> str:
    """An error in a line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0].rstrip('.')}".removesuffix(": ")
