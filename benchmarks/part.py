"""What every part of the suite has in common: its settings, its own command line, its tables.

A part measures, as plain data that fits into JSON, and writes that data as Markdown; the two are apart, so that tables can be
made again without measuring again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rounds import CLOCKS, Candidate, interleave

Result = dict[str, Any]
LIGHT = ("conv_transformer", "conformer", "speechformer")
LARGE = tuple(f"{name}_large" for name in LIGHT)


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        quick: few rounds and small sizes, to see that it works.
        clock: ``wall`` or ``process``, see :data:`benchmarks.rounds.CLOCKS`.
        threads: of torch.
        data: corpus of the parts that read one.
        root: where it lies; None is the cache, where the demo corpus is synthesised.
        light: files in conf/model, the light ones.
        large: their large variants.
    """

    quick: bool = False
    clock: str = "wall"
    threads: int = 1
    data: str = "demo"
    root: Path | None = None
    light: tuple[str, ...] = LIGHT
    large: tuple[str, ...] = LARGE

    @property
    def cache(self) -> Path:
        """Where corpora and features are kept, as the main job keeps them."""
        return Path(os.environ.get("HRF_SER_CACHE", Path.home() / ".cache" / "hrf_ser"))

    @property
    def corpus(self) -> Path:
        """Where the corpus lies."""
        return self.root or self.cache / self.data

    def interleave(self, candidates: Mapping[str, Candidate], rounds: int, warm_up: int = 3) -> dict[str, list[float]]:
        """Seconds of every candidate in every round, by the chosen clock; two rounds where it must be quick."""
        return interleave(candidates, 2 if self.quick else rounds, 0 if self.quick else warm_up, self.clock)


@dataclass(frozen=True)
class Part:
    """One part of the suite.

    Attributes:
        name: its module in benchmarks/.
        title: its heading.
        measure: settings -> plain data.
        markdown: that data -> Markdown without a heading.
    """

    name: str
    title: str
    measure: Callable[[Settings], Result]
    markdown: Callable[[Result], str]

    def main(self) -> None:
        """``python -m benchmarks.<name>``: measure this part alone, print its table."""
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{self.name}", description=self.title)
        add_settings(parser)
        parser.add_argument("--json", type=Path, help="write what was measured there as well")
        arguments = parser.parse_args()
        result = self.measure(settings_of(arguments))
        print(f"{self.title}\n\n{self.markdown(result)}")
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def add_settings(parser: argparse.ArgumentParser) -> None:
    """The options that all parts know."""
    parser.add_argument("--quick", action="store_true", help="two rounds and small sizes, to see that it works")
    parser.add_argument(
        "--clock", choices=sorted(CLOCKS), default="wall", help="process: processor time of all threads"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--data", default="demo", help="corpus of the parts that read one")
    parser.add_argument("--root", type=Path, help="where it lies; the demo corpus is synthesised in the cache")
    parser.add_argument(
        "--models", nargs="+", choices=LIGHT, default=LIGHT, help="light models; with their large variants"
    )
    parser.add_argument("--no-large", action="store_true", help="leave the large variants out")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """What the command line asked for, with torch's threads set."""
    import torch

    torch.set_num_threads(arguments.threads)
    return Settings(
        quick=arguments.quick,
        clock=arguments.clock,
        threads=arguments.threads,
        data=arguments.data,
        root=arguments.root,
        light=tuple(arguments.models),
        large=() if arguments.no_large else tuple(f"{name}_large" for name in arguments.models),
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; a column is right-aligned where its first row is a number."""
    lines = [[str(cell) for cell in row] for row in rows]
    numbers = [bool(lines) and line[:1].isdigit() for line in (lines[0] if lines else columns)]
    rule = ["---:" if number else "---" for number in numbers]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (list(columns), rule, *lines))


def ratio(compared: Mapping[str, Any], digits: int = 2) -> str:
    """``0.56 (0.55-0.61)``: median and quartiles of a ratio."""
    spread = compared["ratio"]
    middle, low, high = (f"{spread[key]:.{digits}f}" for key in ("median", "low", "high"))
    return middle if low == high == middle else f"{middle} ({low}-{high})"


def milliseconds(compared: Mapping[str, Any]) -> str:
    """Median, to three figures."""
    value = compared["ms"]["median"]
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def machine(settings: Settings) -> Result:
    """What was measured on, and with which settings."""
    import torch

    from hrf_ser import __version__
    from hrf_ser.deploy.runtime.benchmark import processor

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "hrf_ser": __version__,
        "threads": settings.threads,
        "clock": settings.clock,
        "corpus": settings.data,
        "quick": settings.quick,
    }
