"""Hydra's plugin for ``hydra/sweeper=study``; it must live in this namespace for Hydra to find it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from omegaconf import DictConfig, OmegaConf


class StudySweeper(BasicSweeper):
    """All combinations of what is swept, without those that are excluded, done already, or the same run again.

    Args:
        max_batch_size: jobs that are handed to the launcher at once; None hands over all.
        params: what is swept, key -> values, beneath what the command line says.
        exclude: tables of keys and patterns; a combination that matches one is left out.
    """

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: dict[str, str] | None = None,
        exclude: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(max_batch_size, params)
        self.exclude = exclude

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Plan, run what is to be done, and say what came of it.

        Raises:
            UserError: some runs are not finished; their reasons are on the screen and in their folders.
        """
        from rich.console import Console

        from hrf_ser.errors import UserError
        from hrf_ser.sweeps.launch import launch_all
        from hrf_ser.sweeps.plan import Planned, plan
        from hrf_ser.sweeps.progress import JOURNAL, begin, summary
        from hrf_ser.sweeps.state import state

        assert self.config is not None
        assert self.launcher is not None
        assert self.hydra_context is not None
        config, loader = self.config, self.hydra_context.config_loader

        def compose(words: Sequence[str]) -> DictConfig:
            return loader.load_sweep_config(config, list(words))

        words = [f"{key}={value}" for key, value in self.params.items()] + arguments
        overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)
        (jobs,) = self.split_arguments(overrides, None)
        planned = plan(jobs, [dict(one) for one in self.exclude], compose)
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, folder / "multirun.yaml")

        states = [state(folder / one.name) for one in planned]
        retry = bool(config.sweep.retry_failed)
        to_do = [
            one
            for one, is_state in zip(planned, states, strict=True)
            if is_state != "finished" and (retry or is_state != "failed")
        ]
        # Launchers list every job at length; the journal says what became of it.
        logging.getLogger("hydra").setLevel(logging.WARNING)
        logging.getLogger("hydra_plugins").setLevel(logging.WARNING)
        console = Console()
        console.print(_opening(states, len(to_do), retry), highlight=False)
        launcher = self.launcher

        def launch(runs: Sequence[Planned], first: int) -> Sequence[JobReturn]:
            batch = [[*one.overrides, f"hydra.sweep.subdir='{one.name}'"] for one in runs]
            return launcher.launch(batch, initial_job_idx=first)

        returns: list[Sequence[JobReturn]] = []
        if to_do:
            journal = begin(folder.absolute(), len(to_do))
            os.environ[JOURNAL] = str(journal)
            try:
                returns = launch_all(launch, to_do, folder, journal, self.max_batch_size)
            finally:
                del os.environ[JOURNAL]
        if unfinished := summary(folder, planned, console):
            raise UserError(f"{unfinished} of {len(planned)} runs are not finished; the lines above say why.")
        return returns


def _opening(states: Sequence[str], to_do: int, retry: bool) -> str:
    parts = [f"{len(states)} runs"]
    for name, words in (("finished", "finished already"), ("begun", "to go on with"), ("failed", "failed before")):
        if number := states.count(name):
            again = ", tried again" if retry else ", left alone (sweep.retry_failed=true tries again)"
            parts.append(f"{number} {words}{again if name == 'failed' else ''}")
    return f"{': '.join([parts[0], ', '.join(parts[1:])]) if parts[1:] else parts[0]}; {to_do} to do"
