"""The one place where torchaudio is imported.

torchaudio's wheel carries an extension built against CUDA. Beside a CPU torch that extension does not load, although
what is used here (mel scale, masking, speed, noise) is plain Python. Without the extension torchaudio works once its
``_extension`` module says that there is none.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from types import ModuleType
from typing import Any

_NAME = "torchaudio._extension"


@lru_cache(maxsize=1)
def torchaudio() -> Any:
    """The torchaudio module.

    Raises:
        ImportError: where torchaudio is not installed.
    """
    try:
        import torchaudio as module
    except ModuleNotFoundError:
        raise
    except (ImportError, OSError, RuntimeError):
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules[_NAME] = _no_extension()
        import torchaudio as module
    return module


def _no_extension() -> ModuleType:
    module = ModuleType(_NAME)
    module.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        fail_if_no_align=lambda function: function,
    )
    return module
