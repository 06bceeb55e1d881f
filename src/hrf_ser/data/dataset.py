"""The utterances of a run, their classes and their split: all that is known before any audio is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrf_ser.data.corpora import Corpus
from hrf_ser.data.corpora.unlabelled import without
from hrf_ser.data.out_of_fold import out_of_fold_index
from hrf_ser.data.protocols import Split, check_classes, cross_corpus_split, split_corpus
from hrf_ser.data.transfer import join, relabel


@dataclass(frozen=True)
class Dataset:
    """A corpus, or one that trains and another that is tested, with the split of one fold.

    Attributes:
        corpora: the tables as their readers give them; features are computed of these.
        tables: the same tables with the classes of this run.
        corpus: the table of all utterances; rows of ``split`` are rows of it.
        split: rows that train, validate and test.
        out_of_fold: under ``protocol=out_of_fold`` the ensemble member that leaves out each row, ``(rows,)``, -1 for none.
        folds: what folds hold out, see :func:`hrf_ser.data.folds.folds_of`.
        classes: class -> the labels that it stands for; None keeps the corpus's labels.
        unlabelled: further recordings that a teacher alone supervises; their rows follow those of ``corpus``.
    """

    corpora: tuple[Corpus, ...]
    tables: tuple[Corpus, ...]
    corpus: Corpus
    split: Split
    out_of_fold: NDArray[np.int64] | None
    folds: str | int
    classes: Mapping[str, Sequence[str]] | None
    unlabelled: Corpus | None = None


def make_dataset(
    *corpora: Corpus,
    fold: str | None = None,
    protocol: str = "validation",
    folds: str | int = "corpus",
    classes: Mapping[str, Sequence[str]] | None = None,
    ensemble_size: int = 1,
    unlabelled: Corpus | None = None,
) -> Dataset:
    """Split a corpus, or two of which the first trains and the second is tested.

    Args:
        corpora: one or two.
        fold: name of the fold; None takes the first.
        protocol: one of :data:`hrf_ser.data.protocols.PROTOCOLS`.
        folds, classes: as in :class:`Dataset`.
        unlabelled: further recordings for training; those of validation and test speakers are left out.
        ensemble_size: members that ``out_of_fold`` deals the training speakers to.

    Raises:
        UserError: what the classes or the protocol do not allow; one class alone in training.
    """
    tables = corpora if classes is None else tuple(relabel(corpus, classes) for corpus in corpora)
    if len(tables) == 1:
        corpus = tables[0]
        split = split_corpus(corpus, fold, protocol, folds)
    else:
        corpus = join(*tables)
        split = cross_corpus_split(corpus, tables[0], fold, protocol, folds)
    check_classes(corpus, split)
    index = None
    if split.protocol.validates_on == "train":
        index = out_of_fold_index(corpus.utterances, split, ensemble_size)
    if unlabelled is not None:
        evaluated = sorted({*split.val, *split.test} - {*split.train})
        unlabelled = without(unlabelled, [corpus.utterances[row] for row in evaluated])
    return Dataset(corpora, tables, corpus, split, index, folds, classes, unlabelled)
