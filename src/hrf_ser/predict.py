"""``python -m hrf_ser.predict bundle=... audio=file.wav|folder|pattern|-|mic``: predict emotions with a trained model."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console
    from rich.live import Live

    from hrf_ser.deploy.runtime import Posterior, Prediction, Predictor

EXTENSIONS = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".au", ".w64"}
MICROPHONE, LIST, SCREEN = "mic", "-", "-"


@dataclass(frozen=True)
class Result:
    """One file.

    Attributes:
        file: as the user named it.
        prediction: None where the file cannot be used.
        error: why there is no prediction.
    """

    file: str
    prediction: Prediction | None = None
    error: str = ""


@entry_point("predict", paths=("bundle", "audio", "out"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "predict")
    check_out(config)
    if config.audio == MICROPHONE:
        predict_microphone(config)
    else:
        predict_files(config)


def predict_files(config: DictConfig) -> None:
    """Predict for each file; the status is 1 where one is bad, and the others are predicted all the same."""
    files = audio_files(config.audio)

    from hrf_ser.deploy.runtime.windows import Windows

    windows = Windows(config.window_s, config.hop_s, config.smoothing_s)
    predictor = open_predictor(Path(config.bundle).expanduser(), config.threads)
    results = []
    for file in files:
        try:
            results.append(Result(str(file), predictor(file, windows=windows, whole_s=float(config.whole_s))))
        except UserError as error:
            results.append(Result(str(file), error=str(error)))
    if config.out != SCREEN:
        show_results(results)
    if config.out is not None:
        write_results(config.out, predictor.labels, results, config.rows == "window")
    bad = [result for result in results if result.error]
    for result in bad:
        print(f"Error: {result.error}", file=sys.stderr)
    if bad:
        sys.exit(1)


def predict_microphone(config: DictConfig) -> None:
    """Show predictions until Ctrl-C, or for ``seconds``."""
    from hrf_ser.deploy.runtime.microphone import microphone
    from hrf_ser.deploy.runtime.windows import Windows

    windows = Windows(config.window_s, config.hop_s, config.smoothing_s)
    predictor = open_predictor(Path(config.bundle).expanduser(), config.threads)
    kept = []
    try:
        with Meter(predictor.labels) as meter:
            for posterior in predictor.follow(microphone(config.device), windows, config.seconds):
                meter.show(posterior)
                if config.out is not None:
                    kept.append(posterior)
    except KeyboardInterrupt:
        pass
    finally:
        # The predictions from before a microphone was unplugged are not lost.
        if kept:
            write_posteriors(config.out, MICROPHONE, predictor.labels, kept)


def open_predictor(path: Path, threads: int | None = None) -> Predictor:
    """An ``.onnx`` file on onnxruntime, without torch; any other path as a bundle.

    Args:
        path: the file or the folder.
        threads: for one waveform; None leaves torch's own number, and is 1 for onnxruntime.

    Raises:
        UserError: neither, or damaged.
    """
    if path.suffix == ".onnx":
        from hrf_ser.deploy.runtime import Emotion

        return Emotion(path, threads or 1)

    import torch

    from hrf_ser.deploy.bundle import BundlePredictor, load_bundle

    if threads is not None:
        torch.set_num_threads(threads)
    return BundlePredictor(load_bundle(path))


def check_out(config: DictConfig) -> None:
    """Refuse a place for the results that cannot take them, before torch is imported.

    Raises:
        UserError: names it.
    """
    if config.out is not None:
        out = Path(config.out).expanduser()
        if config.out == "-" and config.audio == MICROPHONE:
            raise UserError("out=-: the screen has the meter already; give a .csv or .json file.")
        if config.out != "-" and out.suffix.lower() not in (".csv", ".json"):
            raise UserError(f"out={config.out}: is neither a .csv nor a .json file, nor - for CSV on the screen.")
        if out.is_dir():
            raise UserError(f"out={config.out}: is a folder; give the name of a file in it.")


def audio_files(audio: str) -> list[Path]:
    """The files that ``audio`` names: one, all of a folder and its folders, those that match a pattern, or those that the
    standard input lists, one a line.

    Raises:
        UserError: nothing there.
    """
    if audio == LIST:
        listed = [Path(line).expanduser() for line in sys.stdin.read().splitlines() if line.strip()]
        if not listed:
            raise UserError("audio=-: the standard input names no file; give one a line.")
        return listed
    path = Path(audio).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith("._"))
    else:
        found = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if Path(match).is_file())
    if not found:
        raise UserError(f"audio={audio}: no audio file is there; give a file, a folder or a pattern.")
    return found


def write_results(out: str, labels: Sequence[str], results: Sequence[Result], by_window: bool) -> None:
    """Write CSV or JSON.

    Args:
        out: a path, or ``-`` for CSV on the standard output.
        labels: class names.
        results: one a file.
        by_window: a row a window instead of one a file.
    """
    content: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    for result in results:
        prediction = result.prediction
        if prediction is None:
            content.append({"file": result.file, "error": result.error})
            rows.append([result.file, *[""] * (len(labels) + 4), result.error])
            continue
        content.append({"file": result.file, **prediction.as_dict(windows=by_window)})
        if by_window:
            rows += [_window_row(result.file, labels, window) for window in prediction.windows]
        else:
            rows.append(_row(result.file, labels, 0.0, prediction.seconds, prediction.probabilities))
    _write(out, labels, content, rows)


def write_posteriors(out: str, file: str, labels: Sequence[str], posteriors: Sequence[Posterior]) -> None:
    """Write the posteriors of a stream as CSV or JSON, a row each."""
    content = [{"file": file, **posterior.as_dict()} for posterior in posteriors]
    _write(out, labels, content, [_window_row(file, labels, posterior) for posterior in posteriors])


def _write(out: str, labels: Sequence[str], content: list[dict[str, Any]], rows: Iterable[list[str]]) -> None:
    from hrf_ser.files import write_text

    path = Path(out).expanduser()
    if path.suffix.lower() == ".json":
        write_text(path, json.dumps(content, indent=2) + "\n")
        return
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "start", "end", "emotion", "probability", *labels, "error"])
    table.writerows(rows)
    if out == SCREEN:
        print(text.getvalue(), end="")
    else:
        write_text(path, text.getvalue())


def _window_row(file: str, labels: Sequence[str], window: Posterior) -> list[str]:
    return _row(file, labels, window.start, window.end, window.probabilities)


def _row(
    file: str, labels: Sequence[str], start: float, end: float, probabilities: dict[str, float] | None
) -> list[str]:
    """A row without an error; silence has no emotion."""
    from hrf_ser.deploy.runtime.prediction import top

    cells = [""] * (len(labels) + 2)
    if probabilities is not None:
        label = top(probabilities)
        cells = [label, *(f"{probabilities[name]:.6f}" for name in (label, *labels))]
    return [file, f"{start:.3f}", f"{end:.3f}", *cells, ""]


def show_results(results: Sequence[Result], console: Console | None = None) -> None:
    """Print the predictions as a table, the files named from the folder that they share."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    predictions = [(result.file, result.prediction) for result in results if result.prediction is not None]
    if not predictions:
        return
    folder = Path(os.path.commonpath([Path(file).absolute().parent for file, _ in predictions]))
    alike = len({Path(file).is_absolute() for file, _ in predictions}) == 1
    shared = Path(os.path.commonpath([Path(file).parent for file, _ in predictions])) if alike else folder
    table = Table(title=escape(f"{shared}/"), title_justify="left", box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    for title in ("emotion", "probability", "next"):
        table.add_column(title, no_wrap=True)
    for file, prediction in predictions:
        name = Path(file).absolute().relative_to(folder)
        ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
        others = ", ".join(f"{label} {probability:.2f}" for label, probability in ranked[1:3])
        first, probability = ranked[0]
        table.add_row(escape(str(name)), f"[bold]{escape(first)}[/]", f"{probability:.2f}", f"[dim]{escape(others)}[/]")
    (console or Console()).print(table)


class Meter:
    """One bar a class in a terminal; elsewhere a line a posterior, which a program can read.

    Args:
        labels: class names.
        console: where to; None is the standard output.
    """

    def __init__(self, labels: Sequence[str], console: Console | None = None) -> None:
        from rich.console import Console

        self.labels = tuple(labels)
        self.console = console or Console()
        self.live: Live | None = None

    def __enter__(self) -> Meter:
        from rich.live import Live

        if self.console.is_terminal:
            self.live = Live("listening ...", console=self.console, auto_refresh=False).__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, trace)

    def show(self, posterior: Posterior) -> None:
        """Show a posterior in place of the last one."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        from hrf_ser.deploy.runtime.prediction import top

        smoothed = None if posterior.silent else posterior.smoothed
        label = "silence" if smoothed is None else top(smoothed)
        if self.live is None:
            probability = "" if smoothed is None else f"  {smoothed[label]:.2f}"
            print(f"{posterior.end:.2f} s  {label}{probability}", file=self.console.file, flush=True)
            return
        bars = Table.grid(padding=(0, 1))
        for name in self.labels:
            value = (posterior.smoothed or {}).get(name, 0.0)
            bars.add_row(Text(name), ProgressBar(total=1.0, completed=value, width=40), Text(f"{value:.2f}"))
        self.live.update(Group(Text(f"{posterior.end:8.1f} s  {label}", style="bold"), bars), refresh=True)


if __name__ == "__main__":
    main()
