"""Who may import whom, as the design draws it; and what importing costs."""

import ast
import subprocess
import sys

import pytest

from helpers import REPOSITORY

SOURCE = REPOSITORY / "src" / "hrf_ser"
BASE = {"errors", "files", "json_values", "run_folder"}
# Package -> what it may import of ours, beside itself.
ALLOWED = {
    "hrf": set(),
    "models": set(),
    "audio": BASE,
    "data": BASE | {"audio"},
    "training": BASE | {"settings", "identity", "data", "audio", "models", "hrf", "deploy"},
    "evaluation": BASE | {"deploy", "identity"},
    "deploy": BASE | {"audio", "models", "hrf"},
    "errors": set(),
    "files": set(),
    "json_values": set(),
    "run_folder": set(),
    "settings": BASE,
    "identity": {"run_folder"},
    "sweeps": BASE | {"identity"},
    "entry": BASE,
}
FORBIDDEN = {
    "hrf": {"lightning", "hydra", "omegaconf", "wandb", "torchaudio"},
    "models": {"lightning", "hydra", "omegaconf", "wandb", "torchaudio"},
    "data/corpora": {"torch", "lightning", "hydra", "torchaudio"},
}


def imports(path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_imports_point_downwards(package):
    folder = SOURCE / package
    files = list(folder.rglob("*.py")) if folder.is_dir() else [SOURCE / f"{package}.py"]
    for path in files:
        for name in imports(path):
            if name.startswith("hrf_ser.") and name != "hrf_ser.__version__":
                target = name.split(".")[1]
                assert target in ALLOWED[package] | {package}, f"{path} imports {name}"


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_small_rooms_stay_free_of_heavy_packages(folder):
    for path in (SOURCE / folder).rglob("*.py"):
        heavy = {name.split(".")[0] for name in imports(path)} & FORBIDDEN[folder]
        assert not heavy, f"{path} imports {heavy}"


def test_runtime_imports_numpy_onnxruntime_soundfile_and_soxr_only():
    files = list((SOURCE / "deploy" / "runtime").rglob("*.py"))
    assert files
    for path in [*files, SOURCE / "__init__.py", SOURCE / "errors.py", SOURCE / "deploy" / "__init__.py"]:
        for name in imports(path):
            first = name.split(".")[0]
            if first == "hrf_ser":
                assert name.startswith(("hrf_ser.deploy.runtime", "hrf_ser.errors")), f"{path} imports {name}"
            else:
                assert first in sys.stdlib_module_names | {"numpy", "onnxruntime", "soundfile", "soxr"}, (
                    f"{path} imports {name}"
                )


@pytest.mark.parametrize(
    "module", [f"hrf_ser.{name}" for name in ("train", "predict", "prepare", "report", "export", "settings")]
)
def test_entry_points_and_checks_start_without_torch(module):
    program = f"import sys, {module}; print([m for m in ('torch', 'lightning', 'numpy', 'scipy', 'wandb') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
