"""W&B mirrors the local files, and neither its absence nor its slowness affects a run."""

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from helpers import REPOSITORY, TINY, TINY_OPTIONS
from hrf_ser.config import validate
from hrf_ser.entry import conf_dir, register_resolvers
from hrf_ser.training.loggers import Wandb, describe_run, flatten, stop_service
from wandb_server import WandbServer, unused_url

WANDB = str(Path(sys.executable).with_name("wandb"))
# What a run of a second or two may take with a W&B that is dead or slow, on a busy machine.
SOON = 25


@pytest.fixture
def online(monkeypatch):
    """Points W&B at an address, with a key that is well formed: ``online(url)``."""
    import wandb

    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    for name in ("WANDB_MODE", "WANDB_SWEEP_ID", "WANDB_RUN_ID", "WANDB_PROJECT", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    wandb.teardown()  # it reads its environment once

    yield lambda url: monkeypatch.setenv("WANDB_BASE_URL", url)
    wandb.teardown()


@pytest.fixture
def server():
    started = WandbServer()
    yield started
    started.stop()


def logger(folder: Path, **options) -> Wandb:
    return Wandb(project="hrf_ser", offline=False, save_dir=folder, patience=2, **options)


def config(*overrides: str):
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return compose("train", list(overrides))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_offline_run_synced_later_holds_what_the_local_files_hold(train, online, server, tmp_path):
    online(server.url)
    folder = tmp_path / "runs/today/one"
    record = train(folder, "logger=wandb", "hrf=true", "rank=2", "seed=3")
    stop_service()  # as the end of the program does: everything is on the disk then
    assert server.requests == []
    # The command of docs/guides/wandb.md, typed where the runs are.
    documented = "wandb sync --yes runs/*/*/wandb/offline-run-*"
    assert documented in (REPOSITORY / "docs/guides/wandb.md").read_text()
    assert documented in (REPOSITORY / "conf/logger/wandb.yaml").read_text()
    done = subprocess.run(
        documented.replace("wandb", WANDB, 1),
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (run, *_) = server.variables_of("UpsertBucket")
    assert run["groupName"] == "demo/validation/conv_transformer/hrf2"
    assert run["jobType"] == "fold 1"
    assert run["displayName"] == "demo conv_transformer hrf2 fold 1 seed 3"
    assert run["tags"] == ["demo", "conv_transformer", "light", "hrf2", "hrf", "protocol validation"]
    settings = {
        key: entry["value"] for key, entry in json.loads(server.variables_of("UpsertBucket")[-1]["config"]).items()
    }
    resolved = OmegaConf.to_container(OmegaConf.load(folder / "config.yaml"))
    assert {key: settings[key] for key in resolved} == resolved
    assert settings["kind"] == "light hrf2"

    history = rows(folder / "history.csv")
    sent = server.streamed("wandb-history.jsonl")
    for name in history[0]:
        values = [line[name] for line in sent if "val/ua" in line or "train/loss" in line if name in line]
        expected = [float(row[name]) for row in history]
        assert sorted(set(values)) == pytest.approx(sorted(set(expected))), name
    summary = server.streamed("wandb-summary.json")[-1]
    written = json.loads((folder / "metrics.json").read_text())
    assert written == json.loads(json.dumps(record))
    for name, value in flatten(written).items():
        assert summary[name] == (pytest.approx(value) if isinstance(value, float) else value), name
    assert {"test/ua", "parameters/deployed", "merge/max_abs_diff", "best_epoch", "seconds/total"} <= set(summary)
    assert summary["confusion"]["_type"] == "image-file"
    assert list(folder.glob("wandb/offline-run-*/files/media/images/confusion_*.png"))


def test_a_run_that_w_and_b_takes_is_sent_whole(online, server, tmp_path, capsys):
    online(server.url)
    mirror = logger(tmp_path)
    mirror.log_hyperparams({})
    mirror.log_metrics({"epoch": 0, "val/ua": 0.5}, step=3)
    run_id = mirror.version
    mirror.close(exit_code=0)
    assert [line["val/ua"] for line in server.streamed("wandb-history.jsonl")] == [0.5]
    assert any(stream.get("complete") and stream.get("exitcode") == 0 for stream in server.variables_of("stream"))
    assert not list(tmp_path.glob("wandb/offline-run-*"))
    screen = capsys.readouterr()
    assert screen.err == ""
    assert screen.out == f"W&B: {server.url}/me/hrf_ser/runs/{run_id}\n"


@pytest.mark.serial
@pytest.mark.parametrize("how", ["nothing listens", "never answers"])
def test_a_dead_w_and_b_costs_seconds_and_leaves_an_offline_copy(train, online, server, tmp_path, capsys, how):
    server.silent = how == "never answers"
    url = server.url if server.silent else unused_url()
    online(url)
    started = time.perf_counter()
    record = train(tmp_path, "logger=wandb", "logger.wandb.offline=false", "logger.wandb.patience=3")
    assert time.perf_counter() - started < SOON
    assert record["status"] == "finished"
    stop_service()
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    assert next(folder.glob("*.wandb")).stat().st_size > 1000
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("W&B: ")]
    assert line.startswith("W&B: CommError: ")
    assert line.endswith(f"; this run is recorded offline, send it later with wandb sync {folder}")


@pytest.mark.faults
def test_a_command_with_a_key_and_no_network_ends_well(command, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.invalid")  # a name that no network knows
    tiny = [override for override in TINY if override != "logger=none"]
    overrides = [*tiny, f"model.options={TINY_OPTIONS['conv_transformer']}", "logger.wandb.offline=false"]
    finished = command("train", *overrides, "hydra.run.dir=run", cwd=tmp_path, fresh=True)
    assert finished.returncode == 0, finished.stderr
    sync = f"wandb sync {tmp_path}/run/wandb/offline-run-"
    assert f"; this run is recorded offline, send it later with {sync}" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert (tmp_path / "run/metrics.json").exists()


@pytest.mark.serial
@pytest.mark.parametrize("how", ["killed", "silent"])
def test_a_w_and_b_that_dies_while_training_is_not_waited_for(online, server, tmp_path, capsys, how):
    online(server.url)
    mirror = logger(tmp_path)
    mirror.log_hyperparams({})
    if how == "killed":
        server.stop()
    else:
        server.silent = True
    for epoch in range(3):
        mirror.log_metrics({"epoch": epoch, "val/ua": epoch / 10}, step=epoch)
    started = time.perf_counter()
    mirror.close(exit_code=0)
    assert time.perf_counter() - started < SOON
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("W&B: ")
    assert line.endswith(f"; not everything was sent, send the rest later with wandb sync {folder}")

    again = WandbServer()
    environment = {**os.environ, "WANDB_BASE_URL": again.url}
    subprocess.run([WANDB, "sync", str(folder)], env=environment, capture_output=True, timeout=60, check=True)
    assert [line["val/ua"] for line in again.streamed("wandb-history.jsonl")] == [0, 0.1, 0.2]
    again.stop()


def test_a_record_reaches_w_and_b_online(train, online, server, tmp_path, capsys):
    online(server.url)
    record = train(tmp_path, "logger=wandb", "logger.wandb.offline=false")
    assert server.streamed("wandb-summary.json")[-1]["test/ua"] == pytest.approx(record["test"]["ua"])
    assert capsys.readouterr().err == ""


@pytest.mark.serial
def test_a_record_is_kept_when_w_and_b_is_silent_at_the_end(train, online, server, tmp_path, capsys, monkeypatch):
    online(server.url)
    log_record = Wandb.log_record

    def silent_first(*arguments):
        server.silent = True
        log_record(*arguments)

    monkeypatch.setattr(Wandb, "log_record", silent_first)
    started = time.perf_counter()
    record = train(tmp_path, "logger=wandb", "logger.wandb.offline=false", "logger.wandb.patience=2")
    assert time.perf_counter() - started < SOON
    assert "; not everything was sent, send the rest later with wandb sync " in capsys.readouterr().err
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    again = WandbServer()
    environment = {**os.environ, "WANDB_BASE_URL": again.url}
    subprocess.run([WANDB, "sync", str(folder)], env=environment, capture_output=True, timeout=60, check=True)
    assert again.streamed("wandb-summary.json")[-1]["test/ua"] == pytest.approx(record["test"]["ua"])
    again.stop()


def test_nothing_that_w_and_b_raises_ends_a_training(train, online, server, tmp_path, capsys, monkeypatch):
    import wandb

    online(server.url)

    def broken(*args, **options):
        raise wandb.Error("out of order")

    monkeypatch.setattr(wandb.Run, "log", broken)
    assert train(tmp_path / "log", "logger=wandb")["status"] == "finished"
    monkeypatch.setattr(wandb, "init", broken)
    assert train(tmp_path / "init", "logger=wandb")["status"] == "finished"
    printed = [line for line in capsys.readouterr().err.splitlines() if line.startswith("W&B")]
    sentence = "W&B: Error: out of order; the training continues without it, its record is in the run's folder"
    assert printed == [sentence, sentence]


def test_without_a_key_an_online_run_is_offline_and_sends_nothing(online, server, tmp_path, capsys, monkeypatch):
    online(server.url)
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    mirror = logger(tmp_path)
    mirror.log_metrics({"val/ua": 0.5}, step=0)
    mirror.close(exit_code=0)
    assert "no key is set (run `wandb login`, or set WANDB_API_KEY)" in capsys.readouterr().err
    stop_service()
    assert server.requests == []


def test_each_job_of_a_process_has_its_own_run(online, server, tmp_path):
    online(server.url)
    for job in "ab":
        mirror = logger(tmp_path / job)
        mirror.log_metrics({"val/ua": 0.5}, step=0)
        mirror.close(exit_code=0)
    assert len({run["name"] for run in server.variables_of("UpsertBucket")}) == 2


def test_a_resumed_run_is_the_same_run(online, server, tmp_path):
    online(server.url)
    chosen = config("fold=2")
    ids = []
    for _ in range(3):
        mirror = logger(tmp_path)
        mirror.describe(chosen, "demo", "2")
        mirror.log_metrics({"val/ua": 0.5}, step=0)
        ids.append(mirror.version)
        mirror.close(exit_code=1)
    assert len(set(ids)) == 1
    elsewhere = logger(tmp_path / "elsewhere")
    elsewhere.log_metrics({"val/ua": 0.5}, step=0)
    assert elsewhere.version != ids[0]
    elsewhere.close(exit_code=0)


def test_names_among_the_options_take_precedence(tmp_path):
    mirror = logger(tmp_path, name="mine", tags=["thesis", "light"])
    mirror.describe(config("model=conformer_large"), "demo", "1")
    assert mirror._wandb_init["name"] == "mine"
    assert mirror._wandb_init["group"] == "demo/validation/conformer_large/plain"
    assert mirror._wandb_init["tags"] == [
        "demo",
        "conformer_large",
        "large",
        "plain",
        "protocol validation",
        "thesis",
        "light",
    ]


def test_settings_for_pages_take_no_name_that_the_configuration_has():
    chosen = config("hrf=true")
    assert not set(describe_run(chosen, "demo", "1")["config"]) & set(chosen)


def test_runs_differ_in_group_by_configuration_and_in_job_type_by_fold():
    light = describe_run(config("fold=1", "seed=1"), "demo", "1")
    again = describe_run(config("fold=2", "seed=2"), "demo", "2")
    hrf = describe_run(config("hrf=true", "rank=0.5"), "demo", "1")
    assert light["group"] == again["group"] != hrf["group"]
    assert (light["job_type"], again["job_type"]) == ("fold 1", "fold 2")
    assert hrf["name"] == "demo conv_transformer hrf0.5 fold 1 seed 0"


# What `wandb agent` does with a sweep: it writes the values to a file, names them in the environment and starts the command.
SWEEP = REPOSITORY / "docs" / "guides" / "wandb_sweep.yaml"


def agent_command(values: dict) -> list[str]:
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    sweep = yaml.safe_load(SWEEP.read_text())
    arguments = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    macros = {"${env}": ["/usr/bin/env"], "${program}": [sweep["program"]], **arguments_macros(arguments)}
    line: list[str] = []
    for argument in create_sweep_command(sweep["command"]):
        line += macros.get(argument, [argument])
    return line


def arguments_macros(arguments: dict) -> dict[str, list[str]]:
    return {f"${{{name}}}": value for name, value in arguments.items() if isinstance(value, list)}


def test_the_sweep_is_valid_and_its_command_composes(monkeypatch):
    from wandb.sdk.launch.sweeps.utils import load_sweep_config

    monkeypatch.setenv("WANDB_RUN_ID", "abcd1234")
    sweep = load_sweep_config(str(SWEEP))
    assert sweep["metric"] == {"name": "val/ua", "goal": "maximize"}
    for pick in (0, -1):
        values = {
            key: entry.get("value", (entry.get("values") or [entry.get("min"), entry.get("max")])[pick])
            for key, entry in sweep["parameters"].items()
        }
        line = agent_command(values)
        assert line[:4] == ["/usr/bin/env", "python", "-m", "hrf_ser.train"]
        composed = config(*[override for override in line[4:] if not override.startswith("hydra.")])
        assert composed.logger.wandb.offline is False
        for key, value in values.items():
            assert OmegaConf.select(composed, key) == value
        del composed.logger
        validate(composed, "train")


@pytest.mark.parametrize(
    "macro", ["args", "args_no_hyphens", "args_no_equals", "args_no_boolean_flags", "args_json", "args_override_hydra"]
)
def test_every_form_of_an_agents_arguments_is_read(macro):
    from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

    from hrf_ser.config.command_line import normalise
    from hrf_ser.config.nulls import fill_nulls
    from hrf_ser.entry import conf_dir

    values = {"optimizer": {"lr": 0.002, "name": "sgd"}, "hrf": True, "fold": None}
    arguments = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    composed = config(*normalise(arguments[macro], conf_dir()))
    fill_nulls(composed, "train")
    assert (composed.optimizer.lr, composed.optimizer.name) == (0.002, "sgd")
    assert composed.hrf is True
    assert composed.fold is None
    del composed.logger
    validate(composed, "train")


def test_a_job_of_an_agent_trains(command, tmp_path, monkeypatch):
    values = {"optimizer.lr": 0.002, "rank": 2}
    (tmp_path / "values.yaml").write_text(
        yaml.safe_dump({"wandb_version": 1, **{key: {"value": value} for key, value in values.items()}})
    )
    for name, value in {
        "WANDB_SWEEP_ID": "sweep123",
        "WANDB_RUN_ID": "abcd1234",
        "WANDB_PROJECT": "hrf_ser",
        "WANDB_SWEEP_PARAM_PATH": str(tmp_path / "values.yaml"),
        "WANDB_MODE": "offline",
    }.items():
        monkeypatch.setenv(name, value)
    tiny = [override for override in TINY if override != "logger=none"]
    overrides = [*agent_command(values)[4:], *tiny, f"model.options={TINY_OPTIONS['conv_transformer']}"]
    finished = command("train", *overrides, cwd=tmp_path)
    assert finished.returncode == 0, finished.stderr
    (folder,) = tmp_path.glob("runs/*/abcd1234/wandb/offline-run-*-abcd1234")
    record = json.loads((folder.parents[1] / "metrics.json").read_text())
    assert record["rank"] == 2
    shutil.rmtree(folder)
