"""Hydra's plugin for ``hydra/sweeper=study``; Hydra finds it in this namespace only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf


class StudySweeper(BasicSweeper):
    """All combinations of the swept values, without excluded, finished and duplicate ones: conf/hydra/sweeper/study.yaml."""

    def __init__(self, exclude: Sequence[dict[str, Any]] = (), **options: Any) -> None:
        super().__init__(**options)
        self.exclude = exclude

    def sweep(self, arguments: list[str]) -> list[Any]:
        # Hydra imports its plugins at the start of every command.
        from hrf_ser.config.command_line import normalise
        from hrf_ser.config.nulls import fill_nulls
        from hrf_ser.entry import conf_dir
        from hrf_ser.sweeps.study import plan, run_study

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        config, loader = self.config, self.hydra_context.config_loader
        params = normalise(self._parse_config(), conf_dir())
        parsed = OverridesParser.create(config_loader=loader).parse_overrides([*params, *arguments])
        (jobs,) = self.split_arguments(parsed, None)

        def compose(overrides: Sequence[str]) -> DictConfig:
            job = loader.load_sweep_config(config, list(overrides))
            fill_nulls(job, "train")
            return job

        runs = plan(jobs, self.exclude, compose)
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, folder / "multirun.yaml")
        # Launchers list every job at length; our jobs print a line each.
        for name in ("hydra", "hydra_plugins"):
            logging.getLogger(name).setLevel(logging.WARNING)
        return run_study(runs, folder, self.launcher.launch, bool(config.sweep.retry_failed), self.max_batch_size)
