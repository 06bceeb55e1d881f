"""What import-linter cannot say; who may import whom stands in pyproject.toml and is checked by ``make lint``."""

import ast
import subprocess
import sys

import pytest

from helpers import REPOSITORY

SOURCE = REPOSITORY / "src" / "hrf_ser"
RUNTIME_PACKAGES = {"numpy", "onnxruntime", "soundfile", "soxr"}


def imports(path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_runtime_needs_only_what_its_wheel_installs():
    files = [path for package in ("media", "deploy/runtime") for path in (SOURCE / package).rglob("*.py")]
    assert files
    for path in [
        *files,
        SOURCE / "__init__.py",
        SOURCE / "errors.py",
        SOURCE / "extras.py",
        SOURCE / "builtin" / "__init__.py",
        SOURCE / "deploy" / "__init__.py",
    ]:
        for name in imports(path):
            top_level = name.split(".")[0]
            if top_level == "hrf_ser":
                shipped = tuple(
                    f"hrf_ser.{name}"
                    for name in ("deploy.runtime", "deploy.load", "media", "errors", "extras", "builtin")
                )
                assert name == "hrf_ser" or name.startswith(shipped), f"{path} imports {name}"
            else:
                assert top_level in sys.stdlib_module_names | RUNTIME_PACKAGES, f"{path} imports {name}"


@pytest.mark.parametrize(
    "module", [f"hrf_ser.{verb}" for verb in ("train", "predict", "prepare", "report", "export", "config.help")]
)
def test_entry_points_start_without_heavy_packages(module):
    heavy = ("torch", "lightning", "numpy", "scipy", "wandb")
    program = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
