"""Resuming a run: the checkpoint that ``ckpt_path`` names, and whether it belongs to this run."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.files import new_file, remove_leftovers
from hrf_ser.identity import FILE_KEYS, as_typed, differences, result_settings
from hrf_ser.run_folder import CHECKPOINTS, CONFIG, METRICS
from hrf_ser.training.checkpoints import BEST, LAST, BestCheckpoint, read_checkpoint


def open_folder(config: DictConfig, folder: Path) -> Path | None:
    """Make sure that a run may write in ``folder``; return the checkpoint that it resumes from, None for a new run.

    Raises:
        UserError: a run stands there, or the checkpoint cannot be used.
    """
    if (folder / METRICS).exists():
        raise UserError(f"{folder} holds a finished run: set hydra.run.dir to another folder, or remove it.")
    checkpoints = folder / CHECKPOINTS
    checkpoint = checkpoint_to_resume(config.ckpt_path, checkpoints, HydraConfig.get().mode == RunMode.MULTIRUN)
    if checkpoint is not None:
        check_same_run(config, checkpoint)
    for place in (folder, checkpoints):
        remove_leftovers(place)
    if checkpoint is not None:
        best = checkpoint.parent / BEST
        if best.exists() and best.resolve() != (checkpoints / BEST).resolve():
            # No later epoch may be better than the best so far.
            with new_file(checkpoints / BEST) as temporary:
                shutil.copyfile(best, temporary)
    return checkpoint


def checkpoint_to_resume(ckpt_path: str | None, checkpoints: Path, restart: bool = False) -> Path | None:
    """The file that ``ckpt_path`` names. ``last`` is None where there is none yet, so that a first start may give it too.

    Args:
        ckpt_path: of the configuration.
        checkpoints: folder of the run's checkpoints.
        restart: remove damaged checkpoints of this run and start again, as a sweep does.

    Raises:
        UserError: a missing or damaged file, a best epoch that is not kept, or an unfinished run that would be overwritten.
    """
    last = checkpoints / LAST
    path = None if ckpt_path is None else last if ckpt_path == "last" else Path(ckpt_path).expanduser()
    own = path is not None and path.resolve() == last.resolve()
    if last.exists() and not own:
        raise UserError(
            f"{checkpoints.parent} holds an unfinished run: add ckpt_path=last to resume it, "
            "or set hydra.run.dir to another folder."
        )
    if path is None or (ckpt_path == "last" and not path.exists()):
        return None
    if not path.exists():
        raise UserError(f"ckpt_path={ckpt_path}: no such file.")
    file = path
    try:
        content = read_checkpoint(path)
        epoch = best_epoch = content.get("epoch", -1)
        # Lightning's key of a callback is the class with its options.
        states = [
            state for key, state in content.get("callbacks", {}).items() if key.startswith(BestCheckpoint.__name__)
        ]
        if any(state["best_model_path"] for state in states):
            # The run ends with the weights of its best epoch, which may be an earlier one.
            file = path.parent / BEST
            best_epoch = read_checkpoint(file).get("epoch", -1)
    except ValueError as error:
        damage = f"{file}: cannot be read as a checkpoint ({error})"
        if not own:
            raise UserError(f"{damage}, and resuming needs it; name a checkpoint of another run.") from error
        if not restart:
            raise UserError(f"{damage}; remove {file.parent} to start this run again.") from error
        print(f"{damage}; this run starts again.", file=sys.stderr)
        shutil.rmtree(file.parent)
        return None
    if not own and best_epoch > epoch:
        raise UserError(
            f"ckpt_path={ckpt_path}: the best epoch before it is no longer kept, as {file} is of a later one; "
            f"name {path.with_name(LAST)}."
        )
    return path


def check_same_run(config: DictConfig, checkpoint: Path) -> None:
    """Refuse to resume a run of other settings: it may have trained on the speakers that are tested here.

    A table or initial weights that are no longer where they were are not compared.

    Raises:
        UserError: names the first setting that differs, or the ``config.yaml`` of the earlier run if it cannot be read.
    """
    file = checkpoint.resolve().parent.parent / CONFIG
    if not file.is_file():
        raise UserError(
            f"ckpt_path={config.ckpt_path}: there is no {file}, which says with what settings it was trained; "
            "name a file in the checkpoints/ of a run."
        )
    try:
        earlier = OmegaConf.load(file)
        assert isinstance(earlier, DictConfig)
        settings = result_settings(earlier)
    except Exception as error:  # whatever YAML and OmegaConf raise of foreign bytes
        raise UserError(
            f"ckpt_path={config.ckpt_path}: {file} cannot be read as the settings of a run; "
            "name a checkpoint of another run."
        ) from error
    for key, _, _ in differences(result_settings(config), settings):
        # The settings themselves: those that are compared hold the content of files in place of their names.
        other, own = OmegaConf.select(earlier, key), OmegaConf.select(config, key)
        moved = key in FILE_KEYS and other is not None and not Path(str(other)).expanduser().exists()
        # A run may be resumed for more epochs.
        if key != "trainer.max_epochs" and not moved:
            raise UserError(
                f"ckpt_path={config.ckpt_path}: is of a run with {key}={as_typed(other)}, and this run has "
                f"{key}={as_typed(own)}; make them equal, or start from other weights with init_from= instead."
            )


def resume_command(folder: Path) -> str:
    """What to type to resume the run in ``folder`` after it was stopped."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return "start the same sweep again to resume it"
    overrides = [item for item in HydraConfig.get().overrides.task if item.lstrip("+").partition("=")[0] != "ckpt_path"]
    command = ["python", "-m", "hrf_ser.train", *overrides, f"hydra.run.dir={folder}", "ckpt_path=last"]
    return f"to resume: {shlex.join(command)}"
