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


def missing(feature: str, package: str, extra: str) -> UserError:
    """The error for an optional package that is not installed."""
    return UserError(f'{feature} needs {package}, which is not installed: pip install "hrf_ser[{extra}]".')


def need(module: str, extra: str, feature: str) -> Any:
    """Import an optional module.

    Args:
        module: dotted name.
        extra: the extra of ``hrf_ser`` that brings it.
        feature: what the user set, as ``audio=mic``.

    Raises:
        UserError: the module or something that it imports is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(feature, error.name or module, extra) from error
