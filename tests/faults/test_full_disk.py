"""A full disk: a one-sentence error, no partial files, and the same result once there is space."""

import re
import subprocess

import pytest
from verbs import VERBS, damaged, leftovers

# Free space as fractions of the peak that a command needs; each is too little.
FREE = {
    "prepare": (0.02, 0.5),
    "train": (0.05, 0.4, 0.75),
    "sweep": (0.5,),
    "export": (0.3,),
    "predict": (0.0,),
    "report": (0.1, 0.7),
}


@pytest.fixture
def disk(tmp_path):
    """A file system in memory, and a function that sets its size."""
    folder = tmp_path / "disk"
    folder.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    if subprocess.run(line, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here; needs root")

    def resize(size: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)

    yield folder, resize
    subprocess.run(["umount", str(folder)], check=True)


def taken(folder) -> int:
    """Size of a folder in whole pages, as tmpfs counts it."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "export" else name for name in FREE]
)
def test_a_full_disk_is_reported_and_the_command_completes_once_there_is_space(
    forks, given, undisturbed, disk, tmp_path, name
):
    verb, (place, resize) = VERBS[name], disk
    _, outcome, whole = undisturbed(name)
    size = taken(whole)
    for number, share in enumerate(FREE[name]):
        folder = place / f"run{number}"
        folder.mkdir()
        resize(taken(place) + max(4096, int(share * size)))
        full = verb.run(forks, given, folder)
        assert full.status == 1, full.output
        last = full.output.strip().splitlines()[-1]
        expected = (
            r"Error: \d of 2 runs are not finished" if name == "sweep" else r"Error: \S+: no space is left on the disk"
        )
        assert re.match(expected, last), full.output
        assert "Traceback" not in full.output
        assert not damaged(folder)
        assert not leftovers(folder)
        resize(64 << 20)
        again = verb.run(forks, given, folder, restart=True)
        assert again.status == 0, again.output
        assert verb.outcome(folder) == outcome
