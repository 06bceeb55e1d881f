"""The built wheel runs on its own: conf/ is inside, and nothing of the checkout is needed."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from helpers import REPOSITORY

SMALL = ("model.options={width: 16, layers: 1, heads: 2, ffn: 32}", "data.options.utterances_per_cell=3", "debug=fast")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(line, check=True, capture_output=True, timeout=300)
    (path,) = folder.glob("*.whl")
    return path


def run_there(python: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Train from an unrelated folder."""
    environment = {**os.environ, "HRF_SER_CACHE": str(folder / "cache")}
    environment.pop("PYTHONPATH", None)
    line = [str(python), "-m", "hrf_ser.train", *SMALL, *arguments]
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_every_config_file_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (REPOSITORY / "conf").rglob("*.yaml"):
        assert f"hrf_ser/conf/{path.relative_to(REPOSITORY / 'conf')}" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_wheel_is_small_and_has_the_command(wheel):
    assert wheel.stat().st_size <= 5_000_000
    with zipfile.ZipFile(wheel) as archive:
        (entries,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "hrf-ser = hrf_ser.cli:main" in archive.read(entries).decode()
        assert "hrf_ser/builtin/__init__.py" in archive.namelist()


def test_page_of_the_demo_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("site", "vendor"):
        files = [path for path in (REPOSITORY / "src/hrf_ser/deploy/demo" / folder).rglob("*") if path.is_file()]
        assert files
        assert names >= {str(path.relative_to(REPOSITORY / "src")) for path in files}


def test_installed_wheel_trains_from_an_unrelated_folder(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True, timeout=300)
    # The dependencies are borrowed from this environment; its own editable hrf_ser is not, since a folder that a .pth file
    # adds has its own .pth files ignored.
    (here,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    others = Path(next(path for path in sys.path if path.endswith("site-packages")))
    (here / "borrowed.pth").write_text(f"{others}\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    finished = run_there(python, elsewhere, "hrf=true")
    assert finished.returncode == 0, finished.stderr
    assert list(elsewhere.glob("runs/*/*_demo_conv_transformer_hrf4/metrics.json"))
    script = tmp_path / "venv" / "bin" / "hrf-ser"
    command = subprocess.run([str(script), "--help"], cwd=elsewhere, capture_output=True, text=True, check=True)
    assert "hrf-ser predict a.wav" in command.stdout
    where = subprocess.run(
        [str(python), "-c", "import hrf_ser; print(hrf_ser.__file__)"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(tmp_path / "venv"))


def test_wheel_brings_all_it_needs_into_an_empty_environment(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    constraints = REPOSITORY / "constraints.txt"
    install = [str(python), "-m", "pip", "install", f"{wheel}[demo]", "--constraint", str(constraints)]
    subprocess.run(install, check=True, capture_output=True, timeout=900)
    finished = run_there(python, tmp_path, "hrf=true")
    assert finished.returncode == 0, finished.stderr
