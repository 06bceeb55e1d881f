"""Packages that only some formats want, and how a file of fixed shape is fed."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrf_ser.errors import UserError


def need(module: str, format: str, extra: str) -> Any:
    """A module, imported.

    Raises:
        UserError: it is not installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"format={format} wants a package that is not installed ({error.name}): pip install 'hrf_ser[{extra}]'."
        ) from error


def padded(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """``(n,)`` with ``n`` of at most ``samples`` -> ``(1, samples)``, zeros behind."""
    whole = np.zeros((1, samples), np.float32)
    whole[0, : len(waveform)] = waveform
    return whole
