"""Every supported Python with the oldest and the newest torch: `nox` runs all, `nox -s "cell(3.13-oldest)"` one.

Each cell installs the package without the development tools, runs what `make demo` runs, then tests that depend on the version
of torch: reading audio, bundles, padding and torch.export of every backbone. Arguments after `--` replace the tests.
`python -m pip install "nox[uv]"` first; UV_TORCH_BACKEND=cpu takes the small CPU build where the index of torch can be reached.
"""

import nox

nox.options.default_venv_backend = "uv"

OLDEST, NEWEST = "2.8.0", "2.15.0"
NEWEST_FOR = {"3.10": "2.14.1"}  # torch 2.15 has no wheel for Python 3.10
CELLS = [
    nox.param(python, torch, id=f"{python}-{age}")
    for python in ("3.10", "3.11", "3.12", "3.13")
    for age, torch in (("oldest", OLDEST), ("newest", NEWEST_FOR.get(python, NEWEST)))
]
TESTS = (
    "tests/audio",
    "tests/deploy/bundle",
    "tests/models/test_model_export.py",
    "tests/models/test_model_padding.py",
)


def _check(session: nox.Session, *requirements: str) -> None:
    session.install("--editable", ".[demo,export,test]", *requirements)
    session.run("python", "-m", "hrf_ser.train", "experiment=demo", f"hydra.run.dir={session.create_tmp()}/demo")
    session.run("python", "-m", "pytest", "-m", "not slow and not serial", *(session.posargs or TESTS))


@nox.session
@nox.parametrize(("python", "torch"), CELLS)
def cell(session: nox.Session, torch: str) -> None:
    """One Python with one torch, everything else at its newest."""
    _check(session, f"torch=={torch}")


@nox.session(python="3.10")
def lowest(session: nox.Session) -> None:
    """The oldest Python with every direct dependency at the lower bound of pyproject.toml."""
    _check(session, "--resolution", "lowest-direct")
