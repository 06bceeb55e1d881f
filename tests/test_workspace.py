"""The W&B workspace and report show what runs log; saving them without a network ends in a sentence."""

import contextlib
import re

import pytest
from hydra import compose, initialize_config_dir

from hrf_ser.entry import conf_dir, register_resolvers
from hrf_ser.training.loggers import describe_run
from hrf_ser.workspace import light_against_large
from wandb_server import unused_url

# Names in a run's metrics.json and history.csv, and the mirrored picture.
LOGGED = {
    *(f"{split}/{score}" for split in ("val", "test") for score in ("wa", "ua", "wf1", "f1")),
    "train/loss",
    "val/loss",
    "epoch",
    "parameters/deployed",
    "macs_per_second_of_audio",
    "merge/max_abs_diff",
    "confusion",
}


def panels(definition) -> list:
    if hasattr(definition, "sections"):
        return [panel for section in definition.sections for panel in section.panels]
    return [panel for block in definition.blocks for panel in getattr(block, "panels", [])]


@pytest.mark.parametrize("kind", ["workspace", "report"])
def test_every_panel_shows_what_runs_log(kind):
    defined = light_against_large(kind, "me", "hrf_ser")
    assert len(panels(defined)) == 9
    shown, grouped = set(), set()
    for panel in panels(defined):
        content = panel._to_model().model_dump(mode="json")["config"]
        names = [
            content.get("x_axis"),
            content.get("y_axis"),
            *(content.get("metrics") or []),
            *(content.get("media_keys") or []),
        ]
        shown |= {re.sub(r"^(summary:|summary_metrics\.|summary\.)", "", name) for name in names if name}
        grouped |= {content["group_by"].removesuffix(".value")} if content.get("group_by") else set()
    assert {"test/ua", "val/ua", "parameters/deployed", "confusion"} <= shown <= LOGGED
    assert grouped == {"kind"}


@pytest.mark.parametrize("kind", ["workspace", "report"])
def test_runs_are_grouped_and_filtered_by_settings_that_they_have(kind):
    defined = light_against_large(kind, "me", "hrf_ser", "ravdess")
    runs = defined.runset_settings if hasattr(defined, "runset_settings") else defined.blocks[2].runsets[0]
    assert runs.filters == "Config('corpus') = 'ravdess'"
    grouped = [name if isinstance(name, str) else f"config.{name.name}" for name in runs.groupby]
    assert grouped == ["config.family", "config.kind"]
    register_resolvers()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        described = describe_run(compose("train"), "ravdess", "1")
    assert {"corpus", "family", "kind"} <= set(described["config"])
    assert "ravdess" not in str(light_against_large(kind, "me", "hrf_ser"))


def test_the_workspace_becomes_what_w_and_b_stores():
    spec = (
        light_against_large("workspace", "me", "hrf_ser", "ravdess")
        ._to_model()
        .model_dump(mode="json")["spec"]["section"]
    )
    (runs,) = spec["run_sets"]
    assert runs["filters"]["filters"][0]["value"] == "ravdess"
    assert [entry["name"] for entry in runs["grouping"]] == ["family.value", "kind.value"]


def wait_for_a_second():
    """Shorten the 20 seconds that W&B gives its service for a request; other versions of it wait as long as they do."""
    with contextlib.suppress(ImportError):
        from wandb.apis.public.service_api import ServiceApi

        send = ServiceApi.send_api_request
        ServiceApi.send_api_request = lambda self, request, **_: send(self, request, timeout=1)


@pytest.mark.parametrize(
    ("kind", "setup"), [pytest.param("workspace", None, marks=pytest.mark.slow), ("report", wait_for_a_second)]
)
def test_saving_without_a_network_ends_in_a_sentence(command, tmp_path, monkeypatch, kind, setup):
    url = unused_url()
    monkeypatch.setenv("WANDB_BASE_URL", url)
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    finished = command("workspace", "entity=me", f"kind={kind}", cwd=tmp_path, setup=setup)
    assert finished.returncode == 1
    (line,) = finished.stderr.splitlines()
    assert line.startswith(f"Error: W&B did not save the {kind} (")
    assert url in line
    assert line.endswith("); check the network, entity= and project=.")


def test_an_unknown_kind_is_named(command, tmp_path):
    finished = command("workspace", "entity=me", "kind=page", cwd=tmp_path)
    assert finished.stderr == "Error: kind=page is unknown: use one of workspace, report.\n"
