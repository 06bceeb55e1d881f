"""SIGKILL between any two file operations, and while a file is written. ``python -m benchmarks.faults`` injects more."""

import pytest
from verbs import VERBS, damaged, leftovers, moments

# Command -> number of kills, at fixed operations.
KILLS = {"prepare": 4, "train": 3, "sweep": 2, "export": 2, "predict": 2, "report": 2}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "export" else name for name in KILLS]
)
def test_a_killed_command_leaves_no_damaged_file_and_gives_the_same_result_when_restarted(
    forks, given, undisturbed, tmp_path, name
):
    if name == "export":
        pytest.importorskip("onnxscript")
    verb = VERBS[name]
    whole, outcome, _ = undisturbed(name)
    assert outcome
    for number, cut in moments(whole.operations, KILLS[name], seed=1):
        folder = tmp_path / f"killed_at_{number}"
        killed = verb.run(forks, given, folder, kill_at=number, cut=cut)
        assert killed.status == -9, killed.output
        assert not damaged(folder), (number, cut)
        if verb.finished is None or not (folder / verb.finished).exists():
            again = verb.run(forks, given, folder, restart=True)
            assert again.status == 0, again.output
            if name not in ("export", "predict", "report"):
                # Nobody locks the manifest, so what is left beside it may be another process's and stays.
                assert not [left for left in leftovers(folder) if "/.manifest.csv." not in left]
        assert verb.outcome(folder) == outcome, (number, cut)
        assert not damaged(folder)
