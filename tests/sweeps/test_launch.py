from concurrent.futures.process import BrokenProcessPool

import pytest

from hrf_ser.errors import UserError
from hrf_ser.sweeps.attempts import ATTEMPT, attempt
from hrf_ser.sweeps.launch import launch_all
from hrf_ser.sweeps.plan import Planned
from hrf_ser.sweeps.progress import JOURNAL, begin, tell


class Pool:
    """A launcher whose processes are all taken along when a deadly run kills one; it works on two runs at once."""

    def __init__(self, folder, deadly, error=BrokenProcessPool):
        self.folder, self.deadly, self.error = folder, deadly, error
        self.batches = []

    def __call__(self, batch, first):
        names = [one.name for one in batch]
        self.batches.append((first, names))
        for start in range(0, len(names), 2):
            pair = names[start : start + 2]
            if self.deadly & set(pair):
                if all(self.alive(name) for name in pair):
                    raise self.error("a process died")
                continue
            for name in pair:
                with attempt(self.folder / name):
                    tell("finished", name, name, 1.0)
        return names

    def alive(self, name) -> bool:
        """Begin and die, unless there were deaths enough."""
        try:
            with attempt(self.folder / name):
                mark = (self.folder / name / ATTEMPT).read_text()
        except UserError:
            tell("failed", name, name, 1.0)
            return False
        (self.folder / name / ATTEMPT).write_text(mark)
        return True


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """Six runs a to f, and their journal."""
    journal = begin(tmp_path, 6)
    monkeypatch.setenv(JOURNAL, str(journal))
    return [Planned((), name) for name in "abcdef"], tmp_path, journal


def test_a_deadly_run_is_given_up_alone_and_the_others_finish(sweep, capsys):
    runs, folder, journal = sweep
    pool = Pool(folder, {"c"})
    launch_all(pool, runs, folder, journal)
    assert pool.batches == [
        (0, ["a", "b", "c", "d", "e", "f"]),
        (2, ["e", "f"]),
        (4, ["c"]),
        (4, ["c"]),
        (4, ["c"]),
        (5, ["d"]),
    ]
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("]")[1].split(";")[0].strip() for line in lines] == ["a", "b", "e", "f", "c", "d"]


def test_without_a_death_the_launchers_error_is_the_sweeps(sweep):
    runs, folder, journal = sweep

    def launch(batch, first):
        raise RuntimeError("no such partition")

    with pytest.raises(RuntimeError, match="no such partition"):
        launch_all(launch, runs, folder, journal)


def test_jobs_with_a_process_each_are_launched_together_again(sweep):
    runs, folder, journal = sweep
    pool = Pool(folder, {"c"}, RuntimeError)
    launch_all(pool, runs, folder, journal)
    assert pool.batches[1] == (2, ["c", "d", "e", "f"])


def test_batches_are_as_large_as_asked_for(sweep):
    runs, folder, journal = sweep
    pool = Pool(folder, set())
    assert launch_all(pool, runs, folder, journal, size=4) == [["a", "b", "c", "d"], ["e", "f"]]
    assert [first for first, _ in pool.batches] == [0, 4]
