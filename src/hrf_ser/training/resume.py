"""Going on with a run: the checkpoint that ``ckpt_path`` names, and whether it is of this run."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.files import new_file
from hrf_ser.identity import flatten, settings_of_result
from hrf_ser.run_folder import CONFIG
from hrf_ser.training.checkpoint_io import read_checkpoint

_BEST, _LAST = "best.ckpt", "last.ckpt"
# Whoever goes on may go on for longer.
_MAY_DIFFER = frozenset({"trainer.max_epochs"})
# Settings of a result that stand for the content of a file, and the keys that name the file.
_CONTENTS = {"data.table": "data.root", "test_data.table": "test_data.root", "init_from": "init_from"}


def checkpoint_to_resume(ckpt_path: str | None, checkpoints: Path, anew: bool = False) -> str | None:
    """The file that ``ckpt_path`` names; ``last`` is None where there is none yet, so that a first start may say it too.

    Args:
        ckpt_path: of the configuration.
        checkpoints: folder of the run's checkpoints.
        anew: where those that ``last`` means are damaged, remove them and begin again. A sweep does: nobody is there to be
            asked, and the run would fail at every further start.

    Raises:
        UserError: a file that does not exist or is no checkpoint, or whose best epoch is not kept, or an unfinished run that
            would be overwritten.
    """
    last = checkpoints / _LAST
    path = None if ckpt_path is None else last if ckpt_path == "last" else Path(ckpt_path).expanduser()
    own = path is not None and path.resolve() == last.resolve()
    if last.exists() and not own:
        raise UserError(
            f"{checkpoints.parent} holds an unfinished run: add ckpt_path=last to go on, "
            "or set hydra.run.dir to another folder."
        )
    if path is None:
        return None
    if not path.exists():
        if ckpt_path == "last":
            return None
        raise UserError(f"ckpt_path={ckpt_path}: no such file.")
    try:
        content = read_checkpoint(path)
    except ValueError as error:
        if not own:
            raise UserError(f"{path}: cannot be read as a checkpoint ({error}); name another one.") from error
        _give_up(path, str(error), anew)
        return None
    if not _has_best(content):
        return str(path)
    # The run ends with the weights of its best epoch, which may be behind already.
    best = path.parent / _BEST
    try:
        best_epoch = _epoch(read_checkpoint(best))
    except ValueError as error:
        if not own:
            raise UserError(
                f"ckpt_path={ckpt_path}: the best epoch before it is needed too, and {best} cannot be read as a checkpoint "
                f"({error}); name a checkpoint of another run."
            ) from error
        _give_up(best, str(error), anew)
        return None
    if not own and best_epoch > _epoch(content):
        raise UserError(
            f"ckpt_path={ckpt_path}: the best epoch before it is no longer kept, as {best} is of a later one; "
            f"name {path.with_name(_LAST)}."
        )
    return str(path)


def check_same_run(config: DictConfig, ckpt_path: str, path: Path) -> None:
    """Refuse to go on with a run of other settings: it may have heard the speakers that are tested here.

    A table or weights to start from, named in the settings of the earlier start, that are no longer where they were are not
    compared.

    Args:
        config: of this run.
        ckpt_path: as it was given.
        path: the checkpoint; the settings of its run lie beside its folder.

    Raises:
        UserError: names the first setting that differs, or the file that does not tell them.
    """
    file = path.resolve().parent.parent / CONFIG
    if not file.is_file():
        raise UserError(
            f"ckpt_path={ckpt_path}: there is no {file}, which says with what settings it was trained; "
            "name a file in the checkpoints/ of a run."
        )
    try:
        earlier = OmegaConf.load(file)
        assert isinstance(earlier, DictConfig)
        theirs = flatten(settings_of_result(earlier))
    except Exception as error:  # whatever YAML and OmegaConf raise of foreign bytes
        raise UserError(
            f"ckpt_path={ckpt_path}: {file} cannot be read as the settings of a run; name a checkpoint of another run."
        ) from error
    ours = flatten(settings_of_result(config))
    for key in dict.fromkeys((*ours, *theirs)):
        named = _CONTENTS.get(key, key)
        moved = key in _CONTENTS and key in theirs and not _exists(OmegaConf.select(earlier, named))
        # A key of a later version is absent where it was not used.
        if ours.get(key) == theirs.get(key) or key in _MAY_DIFFER or moved:
            continue
        raise UserError(
            f"ckpt_path={ckpt_path}: is of a run with {named}={_told(earlier, named)}, and this run has "
            f"{named}={_told(config, named)}; make them equal, or start from other weights with init_from= instead."
        )


def bring_best(path: Path, checkpoints: Path) -> None:
    """Copy the best epoch so far, where the checkpoint to go on with is of another folder: no later one may be better."""
    best = path.parent / _BEST
    if best.exists() and best.resolve() != (checkpoints / _BEST).resolve():
        with new_file(checkpoints / _BEST) as temporary:
            shutil.copyfile(best, temporary)


def command_to_go_on(folder: Path) -> str:
    """The command line that goes on with the run in ``folder`` after it was stopped."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        return "start the same sweep again to go on"
    given = [word for word in HydraConfig.get().overrides.task if word.lstrip("+").partition("=")[0] != "ckpt_path"]
    words = ["python", "-m", "hrf_ser.train", *given, f"hydra.run.dir={folder}", "ckpt_path=last"]
    return f"to go on: {shlex.join(words)}"


def _has_best(content: Mapping[str, Any]) -> bool:
    callbacks = content.get("callbacks")
    states = callbacks.values() if isinstance(callbacks, dict) else ()
    # Further callbacks of the user may keep files of other names.
    named = [state.get("best_model_path") for state in states if isinstance(state, dict)]
    return any(isinstance(path, str) and Path(path).name == _BEST for path in named)


def _epoch(content: Mapping[str, Any]) -> int:
    epoch = content.get("epoch")
    return epoch if isinstance(epoch, int) else -1


def _give_up(path: Path, reason: str, anew: bool) -> None:
    """Remove the checkpoints, or ask for it."""
    damaged = f"{path}: cannot be read as a checkpoint ({reason})"
    if not anew:
        raise UserError(f"{damaged}; remove {path.parent} to begin this run anew, or name another checkpoint.")
    print(f"{damaged}; this run begins anew.", file=sys.stderr)
    shutil.rmtree(path.parent)


def _exists(named: object) -> bool:
    return named is None or Path(str(named)).expanduser().exists()


def _told(config: DictConfig, key: str) -> str:
    """A value as one types it."""
    value = OmegaConf.select(config, key)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
