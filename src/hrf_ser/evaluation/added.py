"""Predictions of other systems, scored on the test utterances of the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hrf_ser.config.schema import AddedSystem
from hrf_ser.errors import UserError
from hrf_ser.evaluation.configurations import model_name
from hrf_ser.evaluation.read import row_of, to_frame, with_predictions
from hrf_ser.evaluation.scores import scores
from hrf_ser.run_folder import PREDICTIONS

Indices = NDArray[np.intp]

_PLACE = ["corpus", "protocol"]
_SHOWN = 3


def add_systems(runs: pd.DataFrame, systems: Sequence[AddedSystem]) -> tuple[pd.DataFrame, list[str]]:
    """Append the rows of other systems: one for each corpus and protocol with their utterances, fold and seed.

    Returns:
        The table of runs, and a sentence for each file with utterances that no fold tests.

    Raises:
        UserError: a file is not a table of predictions of every test utterance of the runs.
    """
    names = {name for model in runs.model.unique() for name in (model, model_name(model))}
    for system in systems:
        if _name(system) in names:
            raise UserError(f"add: {_name(system)} names two systems; give name: of {system.path}.")
        names.add(_name(system))
    tested = _tested(runs)
    if tested.empty:
        raise UserError(f"add={systems[0].path} needs the {PREDICTIONS} of the runs: give runs=... a folder of runs.")
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    for system in systems:
        predictions = _read(system.path)
        known = predictions.utterance.isin(tested.utterance)
        corpora = tested.corpus[tested.utterance.isin(predictions.utterance)].unique()
        if not known.any():
            raise UserError(
                f"add={system.path} has no test utterance of the runs: it has {_first(predictions.utterance)} and "
                f"lacks {_first(tested.utterance)}."
            )
        if not known.all():
            warnings.append(
                f"{system.path} has utterances that no fold of these runs tests, which are left out: "
                f"{_first(predictions.utterance[~known])}."
            )
        for _, of_protocol in tested[tested.corpus.isin(corpora)].groupby(_PLACE, sort=False):
            rows += _rows(system, predictions, of_protocol)
    return pd.concat([runs, to_frame(rows)], ignore_index=True), warnings


def _name(system: AddedSystem) -> str:
    return str(system.name) if system.name is not None else Path(system.path).stem


def _tested(runs: pd.DataFrame) -> pd.DataFrame:
    """Test utterances of each corpus, protocol and fold, as most of its runs have them, with ``speaker`` and ``label``."""
    tables = [pd.DataFrame(columns=[*_PLACE, "fold", "utterance", "speaker", "label", "classes"])]
    scored = runs[runs.confusion.notna() & runs.folder.map(lambda folder: Path(folder, PREDICTIONS).is_file())]
    for (corpus, protocol, fold), same in scored.groupby([*_PLACE, "fold"], sort=False):
        contents = [(run.labels, run.speakers, run.confusion.sum(2).tobytes()) for run in same.itertuples()]
        usual = same.iloc[contents.index(Counter(contents).most_common(1)[0][0])]
        columns = ["utterance", "speaker", "label"]
        table = pd.read_csv(Path(usual.folder, PREDICTIONS), usecols=columns, dtype=str, keep_default_na=False)
        tables.append(
            table.assign(corpus=corpus, protocol=protocol, fold=fold, classes=[tuple(usual.labels)] * len(table))
        )
    return pd.concat(tables, ignore_index=True)


def _read(path: str) -> pd.DataFrame:
    """The file as text.

    Raises:
        UserError: it is missing, not CSV, lacks a column or is empty.
    """
    try:
        table = pd.read_csv(Path(path).expanduser(), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"add={path} cannot be read ({error.strerror or error}): give a CSV file.") from None
    except ValueError as error:  # pandas raises its subclasses for text that is not CSV, not UTF-8 or empty
        raise UserError(f"add={path} is no CSV file ({' '.join(str(error).split())}).") from None
    if "utterance" not in table or table.empty:
        raise UserError(f"add={path} {'has no rows' if table.empty else 'lacks the column utterance'}.")
    return table


def _rows(system: AddedSystem, predictions: pd.DataFrame, tested: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of one corpus and protocol.

    Raises:
        UserError: names what cannot be used.
    """
    rows = []
    seeds = predictions.seed.unique() if "seed" in predictions else [None]
    for seed in seeds:
        if seed is not None and not (seed.isdecimal() and int(seed) < 2**32):
            raise UserError(f"add={system.path}: seed {seed!r} must be a whole number from 0.")
        of_seed = predictions if seed is None else predictions[predictions.seed == seed]
        for fold, test in tested.groupby("fold", sort=False):
            own = of_seed[of_seed.fold == fold] if "fold" in of_seed else of_seed
            own = own[own.utterance.isin(test.utterance)]
            place = f" in fold {fold}" + ("" if seed is None else f" of seed {seed}")
            if len(twice := own.utterance[own.utterance.duplicated()]):
                raise UserError(f"add={system.path} has utterances twice{place}: {_first(twice)}.")
            if len(missing := test.utterance[~test.utterance.isin(own.utterance)]):
                raise UserError(f"add={system.path} lacks test utterances{place}: {_first(missing)}.")
            predicted = _predicted(system.path, own.set_index("utterance").loc[test.utterance], test)
            rows.append(_row(system, test, predicted, None if seed is None else int(seed)))
    return rows


def _predicted(path: str, own: pd.DataFrame, test: pd.DataFrame) -> Indices:
    """The predicted class of every test utterance; the most probable one where the file has no ``predicted``.

    Raises:
        UserError: names the first utterances whose labels or probabilities cannot be used.
    """
    classes = list(test.classes.iloc[0])
    if "label" in own and (differs := own.label.to_numpy() != test.label.to_numpy()).any():
        raise UserError(f"add={path} has other labels than the runs: {_first(test.utterance[differs])}.")
    given = [name for name in classes if name in own]
    if "predicted" in own:
        predicted = pd.Index(classes).get_indexer(own.predicted)
        if (unknown := predicted < 0).any():
            raise UserError(
                f"add={path} predicts none of the classes {', '.join(classes)}: "
                f"{_first(f'{name} ({label})' for name, label in own.predicted[unknown].items())}."
            )
    elif len(given) < len(classes):
        lacking = ", ".join(name for name in classes if name not in given)
        raise UserError(f"add={path} lacks the column predicted, and probabilities of {lacking}.")
    if given:
        probabilities = own[given].apply(pd.to_numeric, errors="coerce").to_numpy(float)
        bad = ~((probabilities >= 0) & (probabilities <= 1)).all(1)
        if bad.any():
            raise UserError(f"add={path} has probabilities that are not from 0 to 1: {_first(own.index[bad])}.")
    return np.asarray(predicted if "predicted" in own else probabilities.argmax(1), dtype=np.intp)


def _row(system: AddedSystem, test: pd.DataFrame, predicted: Indices, seed: int | None) -> dict[str, Any]:
    """A row of the table of runs, with the record that ``runs.jsonl`` keeps."""
    first = test.iloc[0]
    speakers, speaker = np.unique(test.speaker.to_numpy(dtype=str), return_inverse=True)
    counts = np.zeros((len(speakers), len(first.classes), len(first.classes)))
    np.add.at(counts, (speaker, pd.Index(first.classes).get_indexer(test.label), predicted), 1)
    record = {
        "status": "finished",
        **first[[*_PLACE, "fold"]],
        "model": _name(system),
        "hrf": False,
        "seed": seed or 0,
        "test": {name: float(value) for name, value in scores(counts.sum(0)).items()},
        "classes": len(first.classes),
        "parameters": {"training": None, "deployed": system.parameters},
        "macs_per_second_of_audio": system.macs,
        "added": {"milliseconds": system.milliseconds, "every_seed": seed is None},
    }
    row = row_of(record, system.path, Path(system.path).expanduser().stat().st_mtime_ns)
    return row | with_predictions(record, first.classes, speakers.tolist(), counts)


def _first(utterances: Iterable[object]) -> str:
    """The first three, and how many more there are."""
    names = list(map(str, utterances))
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
