"""A W&B workspace and a report that ask this project's question of the runs of a W&B project: light against large."""

from __future__ import annotations

from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

TITLE = "Light against large"
# ``light plain``, ``light hrf4``, ``large plain``: what training/loggers.py writes beside a run's settings.
_KIND, _FAMILY, _CORPUS = "kind", "family", "corpus"
_COLUMNS = ("test/ua", "test/wa", "val/ua", "parameters/deployed", "macs_per_second_of_audio", "merge/max_abs_diff")


def light_against_large(entity: str, project: str, corpus: str | None = None) -> Any:
    """The workspace. Building it needs no network; its ``save()`` does.

    Args:
        entity: who owns the W&B project.
        project: the W&B project.
        corpus: shows the runs of one corpus; None shows all.
    """
    return ws.Workspace(
        entity=entity,
        project=project,
        name=TITLE if corpus is None else f"{TITLE}: {corpus}",
        sections=[
            ws.Section(name="Scores and size", panels=_scores(), is_open=True, pinned=True),
            ws.Section(name="Learning", panels=_curves(), is_open=True),
            ws.Section(name="Confusion and merging", panels=_details()),
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch"),
        runset_settings=ws.RunsetSettings(
            filters=_of(corpus),
            groupby=[expr.Config(_FAMILY), expr.Config(_KIND)],
            pinned_columns=["run:displayName", *(f"summary:{name}" for name in _COLUMNS)],
        ),
    )


def report(entity: str, project: str, corpus: str | None = None) -> Any:
    """The same panels as a page of text and pictures; arguments as for `light_against_large`."""
    runs = wr.Runset(
        entity=entity,
        project=project,
        name="Runs",
        filters=_of(corpus),
        groupby=[f"config.{_FAMILY}", f"config.{_KIND}"],
    )
    return wr.Report(
        entity=entity,
        project=project,
        title=TITLE if corpus is None else f"{TITLE}: {corpus}",
        description="Light models with and without HRF, and their large twins.",
        blocks=[
            wr.P(
                "Bars and curves are means over folds and seeds. Whether a difference can be believed they do not say: "
                "python -m hrf_ser.report compares the same folds and seeds in pairs, with intervals and tests."
            ),
            wr.H2("Scores and size"),
            wr.PanelGrid(runsets=[runs], panels=_scores()),
            wr.H2("Learning"),
            wr.PanelGrid(runsets=[runs], panels=_curves()),
            wr.H2("Confusion and merging"),
            wr.PanelGrid(runsets=[runs], panels=_details()),
        ],
    )


def _of(corpus: str | None) -> str:
    return "" if corpus is None else f"Config('{_CORPUS}') = '{corpus}'"


def _scores() -> list[Any]:
    test = [
        wr.BarPlot(
            title=f"Test {name.upper()}",
            metrics=[wr.SummaryMetric(f"test/{name}")],
            groupby=wr.Config(_KIND),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            layout=wr.Layout(x=8 * place, y=0, w=8, h=8),
        )
        for place, name in enumerate(("ua", "wa"))
    ]
    size = [
        wr.ScatterPlot(
            title=title,
            x=wr.SummaryMetric(name),
            y=wr.SummaryMetric("test/ua"),
            log_x=True,
            layout=wr.Layout(x=8 * place, y=8, w=8, h=8),
        )
        for place, (name, title) in enumerate(
            [
                ("parameters/deployed", "Test UA against deployed parameters"),
                ("macs_per_second_of_audio", "Test UA against multiply-adds"),
            ]
        )
    ]
    return [*test, *size]


def _curves() -> list[Any]:
    return [
        wr.LinePlot(
            title=title,
            x="epoch",
            y=[name],
            groupby=wr.Config(_KIND),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
            layout=wr.Layout(x=8 * place, y=0, w=8, h=8),
        )
        for place, (name, title) in enumerate(
            [("val/ua", "Validation UA"), ("train/loss", "Training loss"), ("val/loss", "Validation loss")]
        )
    ]


def _details() -> list[Any]:
    return [
        wr.MediaBrowser(title="Confusion", media_keys=["confusion"], layout=wr.Layout(x=0, y=0, w=16, h=10)),
        wr.BarPlot(
            title="Largest change of a logit by merging",
            metrics=[wr.SummaryMetric("merge/max_abs_diff")],
            groupby=wr.Config(_KIND),
            groupby_aggfunc="max",
            layout=wr.Layout(x=16, y=0, w=8, h=10),
        ),
    ]
