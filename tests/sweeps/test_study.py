import json
from concurrent.futures.process import BrokenProcessPool
from itertools import product

import pytest
from omegaconf import OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.sweeps.state import CRASHES, count_crashes, record_failure
from hrf_ser.sweeps.study import launch_all, plan, run_study

VALUES = {"model": ["light", "light_large"], "hrf": ["False", "True"], "rank": ["2", "4"]}
JOBS = [[f"{key}={value}" for key, value in zip(VALUES, values, strict=True)] for values in product(*VALUES.values())]


def compose(overrides):
    values = dict(override.split("=") for override in overrides)
    return OmegaConf.create(
        {
            "model": {"label": values["model"]},
            "data": {"name": "d"},
            "hrf": values["hrf"] == "True",
            "rank": int(values["rank"]),
            "fold": None,
            "seed": 0,
            "reparam": {},
            "trainer": {},
        }
    )


def test_excluded_and_duplicate_runs_are_left_out():
    runs = plan(JOBS, [{"model": "*_large", "hrf": "true"}], compose)
    assert [name.rsplit("_", 3)[0] for name in runs] == [
        "d_light_plain",
        "d_light_hrf2",
        "d_light_hrf4",
        "d_light_large_plain",
    ]
    assert next(iter(runs.values())) == ["model=light", "hrf=False", "rank=2"]


def test_a_pattern_with_a_key_that_is_not_swept_excludes_nothing():
    assert len(plan(JOBS, [{"model": "*", "fold": "1"}], compose)) == 6
    assert plan(JOBS, [{"model": "light*"}], compose) == {}


class Pool:
    """A launcher whose processes all end when a deadly run kills one; it works on two runs at once."""

    def __init__(self, folder, deadly, error=BrokenProcessPool):
        self.folder, self.deadly, self.error = folder, deadly, error
        self.batches = []

    def __call__(self, jobs, first):
        names = [overrides[-1].split("'")[1] for overrides in jobs]
        self.batches.append((first, names))
        for start in range(0, len(names), 2):
            pair = names[start : start + 2]
            if self.deadly & set(pair):
                if all(self.survives(name) for name in pair):
                    raise self.error("a process died")
                continue
            for name in pair:
                with count_crashes(self.folder / name):
                    (self.folder / name / "metrics.json").write_text("{}")
        return names

    def survives(self, name) -> bool:
        """Start and die, unless there were crashes enough."""
        try:
            with count_crashes(self.folder / name):
                mark = (self.folder / name / CRASHES).read_text()
        except UserError as error:
            record_failure(self.folder / name, error, str(error), [])
            return False
        (self.folder / name / CRASHES).write_text(mark)
        return True


RUNS = dict.fromkeys("abcdef", ("seed=1",))


def test_a_deadly_run_fails_alone_and_the_others_finish(tmp_path):
    pool = Pool(tmp_path, {"c"})
    launch_all(RUNS, tmp_path, pool)
    assert pool.batches == [
        (0, ["a", "b", "c", "d", "e", "f"]),
        (2, ["e", "f"]),
        (4, ["c"]),
        (4, ["c"]),
        (4, ["c"]),
        (5, ["d"]),
    ]
    assert {path.parent.name for path in tmp_path.glob("*/metrics.json")} == set("abdef")
    assert (tmp_path / "c/failed.json").exists()


def test_without_a_crash_the_launchers_error_is_the_sweeps(tmp_path):
    def launch(jobs, first):
        raise RuntimeError("no such partition")

    with pytest.raises(RuntimeError, match="no such partition"):
        launch_all(RUNS, tmp_path, launch)


def test_jobs_with_a_process_each_are_launched_together_again(tmp_path):
    pool = Pool(tmp_path, {"c"}, RuntimeError)
    launch_all(RUNS, tmp_path, pool)
    assert pool.batches[1] == (2, ["c", "d", "e", "f"])


def test_batches_have_the_size_of_the_setting(tmp_path):
    pool = Pool(tmp_path, set())
    assert launch_all(RUNS, tmp_path, pool, batch_size=4) == [["a", "b", "c", "d"], ["e", "f"]]
    assert [first for first, _ in pool.batches] == [0, 4]


def test_the_summary_counts_groups_reasons_and_says_what_to_type(tmp_path, capsys):
    for name, file, content in (
        ("a", "metrics.json", {"test": {"ua": 0.25}, "seconds": {"total": 1}}),
        ("b", "failed.json", {"reason": "no [such] file"}),
        ("c", "failed.json", {"reason": "no [such] file"}),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text(json.dumps(content))
    launched = []
    with pytest.raises(UserError, match="3 of 4 runs are not finished"):
        run_study(dict.fromkeys("abcd", ()), tmp_path, lambda *given: launched.append(given))
    text = capsys.readouterr().out
    assert text.startswith(
        "4 runs: 1 finished already, 2 failed before (sweep.retry_failed=true tries them again); 1 to do\n"
    )
    assert launched == [([["hydra.sweep.subdir='d'"]], 0)]
    assert "no [such] file\n              b and 1 more" in text
    assert "1 of 4 runs finished, 1 not finished (in progress in another sweep, or stopped)" in text
    assert "sweep.retry_failed=true" in text
    assert f"python -m hrf_ser.report runs={tmp_path}" in text
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == []


def test_failed_runs_are_tried_again_on_request(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "failed.json").write_text('{"reason": "r"}')
    pool = Pool(tmp_path, set())
    run_study(dict.fromkeys("ab", ()), tmp_path, pool, retry_failed=True)
    assert pool.batches == [(0, ["a", "b"])]
