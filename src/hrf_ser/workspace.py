"""``python -m hrf_ser.workspace entity=...``: save a W&B workspace or report that compares light with large models."""

from __future__ import annotations

import os
from typing import Any

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError
from hrf_ser.extras import need

COLUMNS = ("test/ua", "test/wa", "val/ua", "parameters/deployed", "macs_per_second_of_audio", "merge/max_abs_diff")
# Keys that training/loggers.py adds to a run's configuration; ``kind`` is ``light plain``, ``light hrf4``, ``large plain``.
GROUPS = ("family", "kind")
SCATTER = {
    "Test UA against deployed parameters": "parameters/deployed",
    "Test UA against multiply-adds": "macs_per_second_of_audio",
}
CURVES = {"Validation UA": "val/ua", "Training loss": "train/loss", "Validation loss": "val/loss"}
NOTE = (
    "Bars and curves are means over folds and seeds, without tests: python -m hrf_ser.report compares the same folds and "
    "seeds in pairs, with intervals and p-values."
)


@entry_point("workspace")
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "workspace")
    need("wandb_workspaces", "workspace")
    # W&B's library reads them when it is imported.
    os.environ.setdefault("WANDB_SILENT", "true")
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    import wandb

    definition = light_against_large(config.kind, config.entity, config.project, config.corpus)
    if not wandb.login(prompt=False, verify=False):
        raise UserError("W&B has no key: run `wandb login`, or set WANDB_API_KEY.")
    try:
        definition.save()
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0].rstrip('.')}"
        raise UserError(
            f"W&B did not save the {config.kind} ({reason}); check the network, entity= and project=."
        ) from error
    print(f"Saved: {definition.url}")


def light_against_large(kind: str, entity: str, project: str, corpus: str | None = None) -> Any:
    """Define the workspace or the report. Defining it needs no network, its ``save()`` does.

    Args:
        kind: ``workspace`` or ``report``.
        entity: owner of the W&B project.
        project: the W&B project.
        corpus: shows the runs of one corpus; None shows all.
    """
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
    from wandb_workspaces import expr

    title = "Light against large" + (f": {corpus}" if corpus else "")
    filters = f"Config('corpus') = '{corpus}'" if corpus else ""
    if kind == "report":
        groups = [f"config.{name}" for name in GROUPS]
        runs = wr.Runset(entity=entity, project=project, name="Runs", filters=filters, groupby=groups)
        blocks = [wr.P(NOTE)]
        for name, panels in _sections().items():
            blocks += [wr.H2(name), wr.PanelGrid(runsets=[runs], panels=panels)]
        return wr.Report(entity=entity, project=project, title=title, blocks=blocks)
    return ws.Workspace(
        entity=entity,
        project=project,
        name=title,
        sections=[ws.Section(name=name, panels=panels, is_open=True) for name, panels in _sections().items()],
        settings=ws.WorkspaceSettings(x_axis="epoch"),
        runset_settings=ws.RunsetSettings(
            filters=filters,
            groupby=[expr.Config(name) for name in GROUPS],
            pinned_columns=["run:displayName", *(f"summary:{name}" for name in COLUMNS)],
        ),
    )


def _sections() -> dict[str, list[Any]]:
    import wandb_workspaces.reports.v2 as wr

    by_kind = {"groupby": wr.Config("kind"), "groupby_aggfunc": "mean", "groupby_rangefunc": "stddev"}
    largest = {**by_kind, "groupby_aggfunc": "max", "groupby_rangefunc": None}

    def bars(title: str, name: str, options: dict[str, Any]) -> Any:
        return wr.BarPlot(title=title, metrics=[wr.SummaryMetric(name)], **options)

    ua = wr.SummaryMetric("test/ua")
    return {
        "Scores and size": [
            bars("Test UA", "test/ua", by_kind),
            bars("Test WA", "test/wa", by_kind),
            *(wr.ScatterPlot(title=title, x=wr.SummaryMetric(x), y=ua, log_x=True) for title, x in SCATTER.items()),
        ],
        "Learning": [wr.LinePlot(title=title, x="epoch", y=[y], **by_kind) for title, y in CURVES.items()],
        "Confusion and merging": [
            wr.MediaBrowser(title="Confusion", media_keys=["confusion"]),
            bars("Largest change of a logit by merging", "merge/max_abs_diff", largest),
        ],
    }


if __name__ == "__main__":
    main()
