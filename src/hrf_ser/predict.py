"""``python -m hrf_ser.predict audio=file.wav|folder|pattern|-|mic``: predict emotions with any model of hrf_ser."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError
from hrf_ser.media.kinds import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

    from hrf_ser.deploy.runtime import Posterior, Prediction, Predictor
    from hrf_ser.evaluation.labelled import Labelled

    # A file as the user named it, and its prediction or why there is none.
    Result = tuple[str, Prediction | UserError]

MICROPHONE, STDIN = "mic", "-"
# What adapts a model to a table with the columns path, label and speaker: docs/guides/fine_tuning.md.
FINE_TUNE = (
    "python -m hrf_ser.train experiment=fine_tune data.root=labels.csv init_from=runs/<run>/bundle "
    "(docs/guides/fine_tuning.md)"
)
# Results for a pipe, as CSV and as JSON.
SCREENS = ("-", "-.csv", "-.json")


@entry_point(
    "predict",
    paths=("bundle", "audio", "out", "labels"),
    lists=("audio",),
    positional="audio",
    flags={"--json": "out=-.json", "--csv": "out=-", "--labels": "labels="},
)
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "predict")
    if config.out is not None:
        check_out(config.out, config.audio)
    if config.labels is not None and (config.audio == MICROPHONE or config.out in SCREENS):
        raise UserError(f"labels={config.labels}: scores are printed for recordings; leave out --json and --csv.")
    files = None if config.audio == MICROPHONE else audio_files(config.audio)
    labels = None if config.labels is None else read_labels(Path(config.labels).expanduser())

    from hrf_ser.deploy.load import load
    from hrf_ser.deploy.runtime.windows import Windows

    windows = Windows(config.window_s, config.hop_s, config.smoothing_s)
    predictor = load(config.bundle, config.threads, config.abstain, config.speech_gate)
    if files is None:
        predict_microphone(config, predictor, windows)
    else:
        predict_files(config, predictor, windows, files, labels)


def predict_files(
    config: DictConfig,
    predictor: Predictor,
    windows: Any,
    files: list[Path | Recording],
    labels: dict[Path, str] | None = None,
) -> None:
    """Predict for each file; the status is 1 where one is bad, and the others are predicted all the same."""
    results: list[Result] = []
    for file in files:
        try:
            results.append((str(file), predictor(file, windows=windows, whole_s=float(config.whole_s))))
        except UserError as error:
            results.append((str(file), error))
    if labels is not None:
        show_scores(labelled(results, labels, predictor.labels, str(config.labels)))
    elif config.out not in SCREENS:
        show_results(results)
    if config.out is not None:
        write_results(config.out, predictor.labels, results, config.rows == "window")
    refused = [result for _, result in results if isinstance(result, UserError)]
    for reason in refused:
        print(f"Error: {reason}", file=sys.stderr)
    if refused:
        sys.exit(1)


def predict_microphone(config: DictConfig, predictor: Predictor, windows: Any) -> None:
    """Show predictions until Ctrl-C, or for ``seconds``."""
    from hrf_ser.deploy.runtime.microphone import microphone

    kept: list[Posterior] = []
    try:
        with suppress(KeyboardInterrupt), meter() as show:
            for posterior in predictor.follow(microphone(config.device), windows, config.seconds):
                show(posterior)
                if config.out is not None:
                    kept.append(posterior)
    finally:
        # The predictions from before a microphone was unplugged are not lost.
        if kept:
            content = [{"file": MICROPHONE, **posterior.as_dict()} for posterior in kept]
            _write(config.out, predictor.labels, content, [_row(MICROPHONE, posterior) for posterior in kept])


def check_out(out: str, audio: str) -> None:
    """Refuse a place for the results that cannot take them, before torch is imported."""
    if out in SCREENS:
        if audio == MICROPHONE:
            raise UserError(f"out={out}: the screen has the meter already; give a .csv or .json file.")
    elif Path(out).suffix.lower() not in (".csv", ".json"):
        raise UserError(
            f"out={out}: is neither a .csv nor a .json file, nor - for CSV or -.json for JSON on the screen."
        )
    elif Path(out).expanduser().is_dir():
        raise UserError(f"out={out}: is a folder; give the name of a file in it.")


class Recording(io.BytesIO):
    """A recording on standard input."""

    name = STDIN

    def __str__(self) -> str:
        return self.name


def audio_files(audio: str | Sequence[str]) -> list[Path | Recording]:
    """The files that ``audio`` names: one, all below a folder, those that match a pattern; or standard input, which is a
    recording or a list of names.
    """
    if not isinstance(audio, str):
        return [file for entry in audio for file in audio_files(str(entry))]
    if audio == STDIN:
        content = sys.stdin.buffer.read()
        if b"\0" in content:  # Names have none.
            return [Recording(content)]
        listed = [Path(line).expanduser() for line in os.fsdecode(content).splitlines() if line.strip()]
        if not listed:
            raise UserError("audio=-: the standard input is no recording and names no file; give one a line.")
        return [*listed]
    path = Path(audio).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found: list[Path] = sorted(
            p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and not p.name.startswith("._")
        )
    else:
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file())
    if not found:
        raise UserError(f"audio={audio}: no audio file is there; give a file, a folder or a pattern.")
    return [*found]


def write_results(out: str, labels: Sequence[str], results: Sequence[Result], by_window: bool) -> None:
    """Write CSV or JSON, a row for each window or each file, to a path or, as ``-`` or ``-.json``, to standard output."""
    from hrf_ser.deploy.runtime import Posterior

    content: list[dict[str, Any]] = []
    rows: list[dict[str, str]] = []
    for file, result in results:
        if isinstance(result, UserError):
            content.append({"file": file, "error": str(result)})
            rows.append({"file": file, "error": str(result)})
            continue
        content.append({"file": file, **result.as_dict(windows=by_window)})
        speech = bool(result.probabilities)
        whole = Posterior(0.0, result.seconds, result.probabilities or None, None, result.abstain, speech)
        rows += [_row(file, posterior) for posterior in (result.windows if by_window else [whole])]
    _write(out, labels, content, rows)


def _write(out: str, labels: Sequence[str], content: list[dict[str, Any]], rows: list[dict[str, str]]) -> None:
    from hrf_ser.files import write_text

    path = Path(out).expanduser()
    if path.suffix.lower() == ".json":
        listed = json.dumps(content, indent=2) + "\n"
        if out in SCREENS:
            print(listed, end="")
        else:
            write_text(path, listed)
        return
    text = io.StringIO()
    columns = ["file", "start", "end", "emotion", "probability", *labels, "error"]
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    if out in SCREENS:
        print(text.getvalue(), end="")
    else:
        write_text(path, text.getvalue())


def _row(file: str, posterior: Posterior) -> dict[str, str]:
    """Silence has no emotion."""
    row = {"file": file, "start": f"{posterior.start:.3f}", "end": f"{posterior.end:.3f}"}
    if posterior.emotion is not None:
        row["emotion"] = posterior.emotion
    if posterior.probabilities is not None:
        shown = {name: f"{probability:.6f}" for name, probability in posterior.probabilities.items()}
        row |= {"probability": max(shown.values()), **shown}
    return row


def show_results(results: Sequence[Result]) -> None:
    """Print the predictions as a table."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from hrf_ser.deploy.runtime.prediction import NO_SPEECH, UNSURE

    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for title in ("emotion", "probability", "next"):
        table.add_column(title, no_wrap=True)
    for file, result in results:
        if not isinstance(result, UserError):
            ranked = sorted(result.probabilities.items(), key=lambda item: -item[1])
            if result.emotion != UNSURE:
                del ranked[:1]
            others = ", ".join(f"{label} {probability:.2f}" for label, probability in ranked[:2])
            emotion = f"[bold]{escape(result.emotion)}[/]"
            probability = "" if result.emotion == NO_SPEECH else f"{result.probability:.2f}"
            table.add_row(escape(file), emotion, probability, f"[dim]{escape(others)}[/]")
    if table.rows:
        Console().print(table)


def read_labels(table: Path) -> dict[Path, str]:
    """The label of each file of a table with the columns ``path`` and ``label``.

    Raises:
        UserError: no table, no such columns, or none of its files is there.
    """
    from hrf_ser.data.corpora.table_file import read_table
    from hrf_ser.data.corpora.table_paths import AudioPaths

    if not table.is_file():
        raise UserError(f"labels={table}: no such file; name a CSV file with the columns path and label.")
    rows, _ = read_table(table, {}, None, ("path", "label"))
    paths = AudioPaths(table.parent, by_end=True)
    found = {path.resolve(): row["label"] for row in rows if row["label"] and (path := paths.find(row["path"]))}
    if not found:
        raise UserError(f"labels={table}: none of its files is there; paths start at the folder of the table.")
    return found


def labelled(results: Sequence[Result], labels: Mapping[Path, str], classes: Sequence[str], table: str) -> Labelled:
    """The predictions that have a label.

    Raises:
        UserError: no file has one, or labels that the model does not know.
    """
    import numpy as np

    from hrf_ser.evaluation.labelled import Labelled

    unscored = {"without a label": 0, "that cannot be read": 0, "without speech": 0, "with a label of no class": 0}
    kept: list[tuple[str, list[float]]] = []
    for file, result in results:
        label = labels.get(Path(file).expanduser().resolve())
        if label is None:
            unscored["without a label"] += 1
        elif label not in classes:
            unscored["with a label of no class"] += 1
        elif isinstance(result, UserError):
            unscored["that cannot be read"] += 1
        elif not result.probabilities:
            unscored["without speech"] += 1
        else:
            kept.append((label, list(result.probabilities.values())))
    if not kept:
        raise UserError(
            f"labels={table}: no recording has a prediction and one of the labels {', '.join(classes)} "
            f"({', '.join(f'{count} {reason}' for reason, count in unscored.items() if count)}); correct the table."
        )
    names, probabilities = zip(*kept, strict=True)
    return Labelled(list(classes), names, np.array(probabilities), unscored)


def show_scores(found: Labelled) -> None:
    """Print scores, the confusion matrix and what to do next."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    header, rows = found.table()
    table = Table(box=None, pad_edge=False)
    for number, title in enumerate(header):
        table.add_column(escape(title), justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(soft_wrap=True)
    console.print(table)
    for sentence in found.sentences():
        console.print(escape(sentence), highlight=False)
    console.print(f"To fine-tune on such recordings: {FINE_TUNE}", highlight=False, markup=False)


@contextmanager
def meter(console: Console | None = None) -> Iterator[Callable[[Posterior], None]]:
    """Shows posteriors: a bar for each class in a terminal; elsewhere a line each, which a program can read."""
    from rich.console import Console
    from rich.live import Live

    console = console or Console()
    if console.is_terminal:
        with Live("listening ...", console=console, auto_refresh=False) as live:
            yield lambda posterior: live.update(_bars(posterior), refresh=True)
    else:
        yield lambda posterior: print(_line(posterior), file=console.file, flush=True)


def _line(posterior: Posterior) -> str:
    from hrf_ser.deploy.runtime.prediction import decide

    if not posterior.speech:
        return f"{posterior.end:.2f} s  {posterior.emotion}"
    if posterior.silent or posterior.smoothed is None:
        return f"{posterior.end:.2f} s  silence"
    emotion = decide(posterior.smoothed, posterior.abstain)
    return f"{posterior.end:.2f} s  {emotion}  {max(posterior.smoothed.values()):.2f}"


def _bars(posterior: Posterior) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bars = Table.grid(padding=(0, 1))
    for name, value in (posterior.smoothed or {}).items():
        bars.add_row(Text(name), ProgressBar(total=1.0, completed=value, width=40), Text(f"{value:.2f}"))
    return Group(Text(_line(posterior), style="bold"), bars)


if __name__ == "__main__":
    main()
