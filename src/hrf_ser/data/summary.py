"""Summary of a corpus on disk: its counts, whether it is complete, and what to do if not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hrf_ser.data.compute import CHANNELS_CANCEL
from hrf_ser.data.corpora import Corpus
from hrf_ser.data.corpora.files import listed
from hrf_ser.data.folds import folds_of
from hrf_ser.data.protocols import SPLITS, Split, untrained_classes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SHOWN = 20


def print_summary(corpus: Corpus, console: Console, rule: str | int = "corpus") -> None:
    """Print the counts of a corpus by the folds of ``protocol.folds``, and how they differ from the distribution's."""
    console.print(count_table(corpus, rule))
    for sentence in (*corpus.notes, *corpus.leaks):
        console.print(f"note          {sentence}", highlight=False, markup=False)
    if not (corpus.count_mismatches or corpus.hint):
        return  # no distribution to compare with: the demo corpus, a user's table
    if not corpus.count_mismatches:
        console.print("[bold green]complete[/]      every known count is that of the distribution", highlight=False)
        return
    number = len(corpus.count_mismatches)
    console.print(
        f"[bold yellow]not complete[/]  {number} difference{'s' * (number > 1)} from the distribution", highlight=False
    )
    for sentence in corpus.count_mismatches[:_SHOWN]:
        console.print(f"differs from the distribution: {sentence}", highlight=False, markup=False)
    if number > _SHOWN:
        console.print(f"and {number - _SHOWN} more")
    advice = f"{corpus.hint}; then run this again. " if corpus.hint else ""
    console.print(
        f"what to do    {advice}Training works on what is here, but its results cannot be compared with published ones.",
        highlight=False,
        markup=False,
    )


def print_split(corpus: Corpus, split: Split, console: Console) -> None:
    """Print the sizes of the splits of one fold."""
    sizes = ", ".join(f"{name} {len(split.rows(name))}" for name in SPLITS)
    console.print(
        f"fold={split.fold}  {sizes} utterances under protocol={split.protocol.name}", highlight=False, markup=False
    )
    for sentence in untrained_classes(corpus, split):
        console.print(f"note          {sentence}", highlight=False, markup=False)


def print_audio_notes(notes: Mapping[str, str], console: Console) -> None:
    """Print how many recordings have what unusual audio.

    Args:
        notes: of a :class:`~hrf_ser.data.store.FeatureStore`, by utterance.
        console: where to print.
    """
    cancelling = [utterance for utterance, note in notes.items() if note == CHANNELS_CANCEL]
    if cancelling:
        console.print(
            f"note          the channels of {len(cancelling)} recordings cancel: their loudest channel is used instead of the "
            f"mean ({listed(cancelling)})",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def count_table(corpus: Corpus, rule: str | int = "corpus") -> Table:
    """Utterances per fold, or official split, and class."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"{corpus.name}: utterances by fold and class", title_justify="left", box=None, padding=(0, 1, 0, 0)
    )
    for column in ("fold", *corpus.labels, "all", "speakers"):
        table.add_column(escape(column), justify="left" if column == "fold" else "right")
    folds = folds_of(corpus, rule)
    rows_of = {
        fold: [one for one in corpus.utterances if getattr(one, folds.column) in values]
        for fold, values in folds.held_out.items()
        if values
    }
    if not all(folds.held_out.values()):
        rows_of |= {split: [one for one in corpus.utterances if one.split == split] for split in SPLITS}
    for fold, inside in rows_of.items():
        counts = Counter(one.label for one in inside)
        speakers = {one.speaker for one in inside}
        table.add_row(
            escape(fold), *(str(counts[label]) for label in corpus.labels), str(len(inside)), str(len(speakers))
        )
    total = Counter(one.label for one in corpus.utterances)
    speakers_of_all = {one.speaker for one in corpus.utterances}
    counts_of_all = (str(total[label]) for label in corpus.labels)
    table.add_section()
    table.add_row("all", *counts_of_all, str(len(corpus.utterances)), str(len(speakers_of_all)))
    return table
