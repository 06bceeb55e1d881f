"""Optional packages: imported where they are used, and one sentence that names the extra where one is missing."""

from __future__ import annotations

import importlib
from typing import Any

from hrf_ser.errors import UserError

# Hydra plugins: config group and option -> the extra that brings the plugin.
PLUGINS = {
    ("hydra/launcher", "joblib"): "joblib",
    ("hydra/launcher", "submitit_slurm"): "submitit",
    ("hydra/launcher", "submitit_local"): "submitit",
    ("hydra/launcher", "ray"): "ray",
    ("hydra/sweeper", "optuna"): "optuna",
}


def missing(package: str, extra: str) -> UserError:
    """The error for an optional package that is not installed."""
    return UserError(f'{package} is not installed: pip install "hrf_ser[{extra}]".')


def need(module: str, extra: str) -> Any:
    """Import an optional module; a ``UserError`` names the extra that brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(error.name or module, extra) from error
