"""Fuzz targets for files of runs and for the command line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz_harness import Target
from fuzz_mutators import NUMBERS, PIECES, VALUES, mutate, mutate_json
from fuzz_usable import KEYS, usable

from hrf_ser.errors import UserError
from hrf_ser.evaluation.read import to_frame, to_lines
from study import make_run, write_run

Prepared = tuple[Callable[[random.Random], bytes], Callable[[bytes], None], str]
_CONFIG = """model:
  name: conformer
  label: conformer
  options: {width: 64, layers: 2}
data:
  name: ravdess
  root: /data
  options: {download: false}
  on_bad_audio: stop
protocol:
  name: validation
  folds: corpus
trainer:
  max_epochs: 60
optimizer: {lr: 0.001, name: adamw, when: 2026-01-02}
callbacks: {}
test_data: null
"""


def _report_of(root: Path) -> None:
    """The whole report, as a page; its data is JSON and the page has no more scripts than without foreign text."""
    from hrf_ser.evaluation.build import build_report
    from hrf_ser.evaluation.find import find_runs
    from hrf_ser.evaluation.page.render import render
    from hrf_ser.evaluation.read import read_runs

    found = find_runs([str(root)])
    runs, sentences = read_runs(found)
    if runs.empty:
        raise UserError(sentences[0])  # as the program does
    page = render(build_report(found, runs, sentences))
    page.encode()
    to_lines(runs)
    assert page.count("<script>alert") == 0
    if sentences:
        raise UserError(sentences[0])


def _of_run(name: str, as_json: bool = False) -> Callable[[Path], Prepared]:
    """Corrupt a file of one of three runs."""

    def prepare(folder: Path) -> Prepared:
        for number, run in enumerate(
            (make_run(0.5, fold="1"), make_run(0.6, fold="1", rank=4.0), make_run(0.4, fold="2"))
        ):
            write_run(folder / "runs" / str(number), run, _CONFIG)
        file = folder / "runs" / "0" / name
        if name == "failed.json":
            file = folder / "runs" / "failed" / name
            file.parent.mkdir()
            file.write_text(json.dumps({"status": "failed", "reason": "out of\nmemory", "overrides": ["hrf=true"]}))
        if name == "records.jsonl":
            file = folder / "runs" / name
            file.write_text(
                to_lines(to_frame([make_run(0.5, seed=seed, settings={"optimizer.lr": "0.001"}) for seed in range(3)]))
            )
        seeds = [file.read_bytes()]
        content = json.loads(seeds[0]) if as_json else None

        def attempt(data: bytes) -> None:
            file.write_bytes(data)
            _report_of(file if name == "records.jsonl" else folder / "runs")

        def draw(rng: random.Random) -> bytes:
            return mutate_json(content, rng) if as_json and rng.random() < 0.7 else mutate(seeds, rng, text=True)

        return draw, attempt, str(folder / "runs")

    return prepare


def _compose(overrides: list[str]) -> Any:
    from hydra import compose, initialize_config_dir

    from hrf_ser.entry import conf_dir, register_resolvers

    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", ["logger=none", *overrides])  # others ask Hydra for the folder of a run


def _values(folder: Path) -> Prepared:
    """Any value for any key that is checked."""
    from omegaconf import OmegaConf

    config = _compose([])

    def draw(rng: random.Random) -> bytes:
        value = (
            rng.choice(VALUES)
            if rng.random() < 0.5
            else rng.choice(
                (
                    "4",
                    "test_oracle",
                    2,
                    3,
                    2.0,
                    2.5,
                    "adamw",
                    "true",
                    -1,
                    0,
                    1,
                    1e18,
                    2**31,
                    2**64,
                    "${rank}",
                    "${hrf}",
                    "???",
                    [1, 2],
                    {"a": 1},
                )
            )
        )
        return json.dumps([rng.choice(KEYS), value]).encode()

    def attempt(data: bytes) -> None:
        from omegaconf.errors import OmegaConfBaseException

        from hrf_ser.config import validate

        key, value = json.loads(data)
        changed = config.copy()
        try:
            OmegaConf.update(changed, key, value, merge=False)
            validate(changed, "train")
        except OmegaConfBaseException as error:
            raise UserError(str(error).splitlines()[0]) from error
        except UserError as error:
            raise (error if key in str(error) else AssertionError(f"{error} does not name {key}")) from error
        usable(changed)

    return draw, attempt, ""


def _overrides(folder: Path) -> Prepared:
    """Overrides of a command line."""
    groups = ("model", "data", "trainer", "logger", "label_map", "+new", "~rank", "data@test_data", "hydra.run.dir")

    def draw(rng: random.Random) -> bytes:
        key = rng.choice((*KEYS, *groups))
        value = rng.choice(
            (*NUMBERS, *PIECES, b"conformer", b"[1,2", b"{a: 1}", b"${rank}", b"${oc.env:X}", b"???", b"[" * 300)
        )
        return (
            mutate([key.encode() + b"=" + value], rng, text=True) if rng.random() < 0.3 else key.encode() + b"=" + value
        )

    def attempt(data: bytes) -> None:
        from hrf_ser.config import validate
        from hrf_ser.entry import describe

        override = data.decode("utf-8", errors="replace")
        try:
            config = _compose([override])
            validate(config, "train")
        except Exception as error:
            sentence = describe(error)
            if sentence is None:
                raise
            raise UserError(sentence) from error
        usable(config)

    return draw, attempt, ""


def _sweep_state(folder: Path) -> Prepared:
    from hrf_ser.run_folder import FAILED, failure_reason
    from hrf_ser.sweeps.state import CRASHES, crash_count

    seeds = [b'{"status": "failed", "reason": "out of memory"}', b"[1, null]"]
    content = {"status": "failed", "reason": "out of memory", "overrides": ["fold=1"]}

    def attempt(data: bytes) -> None:
        for name in (FAILED, CRASHES):
            (folder / name).write_bytes(data)
        assert isinstance(failure_reason(folder), str)
        assert isinstance(crash_count(folder), int)

    return lambda rng: mutate_json(content, rng) if rng.random() < 0.5 else mutate(seeds, rng, text=True), attempt, ""


def _sweep_file(folder: Path) -> Prepared:
    import contextlib
    import io
    import os

    from hrf_ser.sweeps.progress import SWEEP_FILE, print_progress

    path = folder / "sweep.json"
    seeds = [json.dumps({"started": 1790000000.5, "runs": ["a", "b"]}).encode()]

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        os.environ[SWEEP_FILE] = str(path)
        with contextlib.redirect_stdout(io.StringIO()):
            print_progress("label", 1.0)

    return lambda rng: mutate(seeds, rng, text=True), attempt, ""


TARGETS = [
    Target("run.metrics", _of_run("metrics.json", as_json=True), heavy=True),
    Target("run.predictions", _of_run("predictions.csv"), heavy=True),
    Target("run.history", _of_run("history.csv"), heavy=True),
    Target("run.config", _of_run("config.yaml"), heavy=True),
    Target("run.failed", _of_run("failed.json", as_json=True), heavy=True),
    Target("run.records", _of_run("records.jsonl"), heavy=True),
    Target("settings.values", _values),
    Target("settings.overrides", _overrides, heavy=True),
    Target("sweep.state", _sweep_state),
    Target("sweep.file", _sweep_file),
]
