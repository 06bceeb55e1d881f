"""``python -m benchmarks.mutants [text ...]``: break twenty lines, one at a time, and list those that no test notices.

Each line is broken in a copy of the repository, where the tests that concern it run. Fails where more than one line survives.
A line is found by its text, so code may move within its package; a text that is gone or ambiguous is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SURVIVORS = 1  # as many may pass unnoticed
COPIED = ("src", "conf", "tests", "docs", "packaging", "pyproject.toml", "README.md")


# Folder below src/hrf_ser | text of the line | what replaces it | files below tests/ that concern it.
LINES = """
hrf | .sqrt()) / gain) | .sqrt()) * gain) | hrf/test_merge.py
hrf | return matrices @ basis.mT, basis | return matrices @ basis.mT, -basis | hrf/test_parametrization.py hrf/test_insert.py
hrf | if inner >= columns: | if inner < columns: | hrf/test_merge.py hrf/test_convolutions.py
hrf | index == self.n_factors - 2 else | index == self.n_factors - 1 else | hrf/test_convolutions.py
hrf | shapes.inner < shapes.min_inner_dim | shapes.inner <= shapes.min_inner_dim | hrf/test_insert.py hrf/test_convolutions.py
hrf | before.argmax(-1) != after | before.argmax(-1) == after | hrf/test_merge.py
hrf | return linear[:-1] | return linear[:] | hrf/test_insert.py
models | device=lengths.device) < lengths. | device=lengths.device) <= lengths. | models/test_masking.py
models | (lengths + stride - 1) // stride | (lengths + stride - 2) // stride | models/test_masking.py models/test_subsampling.py
models | - (tokens - count) * mean | + (tokens - count) * mean | models/test_masking.py
models | count / (count - 1).clamp(min=1) | count / count | models/test_masking.py
models | .abs() <= window // 2 | .abs() <= window // 2 + 1 | models/test_attention.py
models | + index % keys - window // 2 | + index % keys - window // 2 + 1 | models/test_attention.py
models | token.unsqueeze(0) - token.unsqueeze(1) | token.unsqueeze(1) - token.unsqueeze(0) | models/test_positions.py
models | .logsumexp(0) - math.log | .logsumexp(0) + math.log | models/test_ensemble.py
models | .clamp(1, self.merge) | .clamp(self.merge, self.merge) | models/test_speechformer.py models/test_model_padding.py
data | validates_on == "val" else set() | validates_on != "val" else set() | data/test_protocols.py
data | filled.index(min(filled)) | filled.index(max(filled)) | data/test_folds.py
data | side="right" | side="left" | data/test_transfer.py data/test_store.py
data | return self._batches()[skip:] | return self._batches()[max(skip - 1, 0):] | data/test_batches.py
"""


@dataclass(frozen=True)
class Mutant:
    """A broken line.

    Attributes:
        package: folder below ``src/hrf_ser`` in which the text stands once.
        text: of the line.
        broken: what replaces it.
        tests: files below ``tests``.
    """

    package: str
    text: str
    broken: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.package}: {self.text} -> {self.broken}"


def mutants() -> list[Mutant]:
    """The lines of the table."""
    rows = [row.split(" | ") for row in LINES.strip().splitlines()]
    return [Mutant(package, text, broken, tuple(tests.split())) for package, text, broken, tests in rows]


def main(texts: list[str]) -> int:
    """Run the mutants whose name has one of these texts, or all, and print a line each; returns the exit status."""
    chosen = [mutant for mutant in mutants() if not texts or any(text in mutant.name for text in texts)]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "hrf_ser"
        copy.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "results"))
            else:
                shutil.copy(source, copy / name)
        if (ROOT.parent / "shared").is_dir():
            (copy.parent / "shared").symlink_to(ROOT.parent / "shared")
        places = {mutant: locate(copy, mutant) for mutant in chosen}
        survivors = [mutant.name for mutant in chosen if not is_noticed(copy, places[mutant], mutant)]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} noticed")
    return int(len(survivors) > SURVIVORS)


def locate(copy: Path, mutant: Mutant) -> Path:
    """The file that holds the mutant's text once."""
    counts = {
        path: path.read_text().count(mutant.text) for path in (copy / "src/hrf_ser" / mutant.package).rglob("*.py")
    }
    found = [path for path, count in counts.items() if count]
    if sum(counts.values()) != 1:
        raise SystemExit(f"{mutant.text!r} stands {sum(counts.values())} times in {mutant.package}/, not once")
    return found[0]


def is_noticed(copy: Path, path: Path, mutant: Mutant) -> bool:
    """Whether a test fails while the line is broken."""
    whole = path.read_text()
    path.write_text(whole.replace(mutant.text, mutant.broken))
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    tests = [f"tests/{name}" for name in mutant.tests]
    line = [sys.executable, "-m", "pytest", "-x", "-m", "not slow and not serial", "-p", "no:cacheprovider", *tests]
    started = time.monotonic()
    try:
        done = subprocess.run(line, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    finally:
        path.write_text(whole)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{mutant.name}: pytest ended with status {done.returncode}\n{done.stdout}{done.stderr}")
    failed = next((row for row in done.stdout.splitlines() if row.startswith(("FAILED", "ERROR"))), "SURVIVED")
    seconds = time.monotonic() - started
    print(
        f"{mutant.name} ({path.relative_to(copy / 'src')}, {seconds:.0f} s): {failed.partition(' - ')[0]}", flush=True
    )
    return done.returncode == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
