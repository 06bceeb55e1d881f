"""Hydra's plugin for ``sweeper=optuna``: hydra-optuna-sweeper with a storage that works, and a search that resumes."""

from __future__ import annotations

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """Wraps the plugin's class, which is imported where it is used: it is an extra, and Hydra imports this file always."""

    def __init__(self, storage: str | None = None, **options: Any) -> None:
        # The same search space has to be read from the command line, which `sweep` gets.
        self.storage, self.options = storage, options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        from hydra_plugins.hydra_optuna_sweeper._impl import OptunaSweeperImpl

        from hrf_ser.sweeps.search import open_storage

        options = {"search_space": None, "custom_search_space": None, "params": None, **self.options}
        self.sweeper = OptunaSweeperImpl(storage=open_storage(self.storage), **options)
        self.sweeper.setup(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments: list[str]) -> Any:
        from hrf_ser.sweeps.search import search

        return search(self.sweeper, arguments)
