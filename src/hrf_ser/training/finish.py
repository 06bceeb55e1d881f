"""The end of a run: test the merged model once, compare it with the factorised one, write what ships."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from omegaconf import DictConfig
from torch import nn

from hrf_ser.data.datamodule import SpeechData
from hrf_ser.data.protocols import SPLITS, hash_test_speakers
from hrf_ser.deploy.bundle import BundleDescription, SpeechClassifier, render_card, save_bundle, torch_latency
from hrf_ser.errors import UserError
from hrf_ser.hrf import compare
from hrf_ser.models import count_macs, count_parameters
from hrf_ser.run_folder import BUNDLE, CONFUSION, PREDICTIONS, SEGMENTS
from hrf_ser.settings import to_dict
from hrf_ser.training.best_epoch import BestEpoch
from hrf_ser.training.callbacks import Predictions
from hrf_ser.training.history import History
from hrf_ser.training.metrics import SCORES, confusion, mean_by_unit, recalls, scores
from hrf_ser.training.module import EmotionModule
from hrf_ser.training.origin import Origin
from hrf_ser.training.pictures import draw_confusion
from hrf_ser.training.record import Scored, versions, write_predictions

# Long enough that attention and merging stages weigh as they do on real utterances.
_MACS_SECONDS = 4.0
# Of audio, for the model card; few rounds, as every run pays for them.
_CARD_SECONDS, _CARD_ROUNDS = 3.0, 15


def score(
    config: DictConfig,
    trainer: lightning.Trainer,
    module: EmotionModule,
    deployed: EmotionModule,
    data: SpeechData,
    folder: Path,
    origin: Origin | None = None,
) -> dict[str, Any]:
    """Test, compare, and write predictions, picture and bundle.

    Args:
        config: the run's configuration.
        trainer: which fitted ``module``, with the Predictions, History and BestEpoch callbacks.
        module: the module that was trained.
        deployed: the merged module of the best epoch; of the last, where nobody validated.
        data: the corpus.
        folder: the run's folder.
        origin: the weights that the run started from, unless they were random.

    Returns:
        What ``metrics.json`` holds, but for the seconds.

    Raises:
        UserError: no epoch was validated, so that there is none to test.
    """
    chosen = _callback(trainer, BestEpoch).best_model_path
    if not chosen:
        raise UserError(
            "The training ended before an epoch was validated, so that there is none to test: let it last longer "
            "(trainer.max_epochs, max_steps, max_time), or validate sooner (trainer.check_val_every_n_epoch)."
        )
    trainer.test(deployed, data, verbose=False)
    predictions = _callback(trainer, Predictions)
    rows, probabilities = predictions.rows, predictions.probabilities
    if data.scores_participants:
        write_predictions(folder / SEGMENTS, _utterances(data, rows), data.labels, probabilities)
        units, probabilities = mean_by_unit(probabilities, torch.from_numpy(data.units)[rows])
        rows = [int(np.flatnonzero(data.units == unit)[0]) for unit in units]
        scored = [Scored(one.speaker, one.speaker, one.label) for one in _utterances(data, rows)]
    else:
        scored = _utterances(data, rows)
    write_predictions(folder / PREDICTIONS, scored, data.labels, probabilities)
    table = confusion(torch.from_numpy(data.targets)[rows], probabilities.argmax(1), len(data.labels))
    test = scores(table)

    best = torch.load(chosen, map_location="cpu", weights_only=True)
    trained = copy.deepcopy(module).cpu()
    trained.load_state_dict(best["state_dict"])
    merge = compare(trained, deployed.cpu(), ((b["features"], b["lengths"]) for b in data.test_dataloader()))
    row = next(row for row in _callback(trainer, History).rows if row["epoch"] == best["epoch"])

    record = {
        "status": "finished",
        "protocol": data.protocol,
        "corpus": data.corpus.name,
        "model": config.model.label,
        "hrf": config.hrf,
        "rank": config.rank if config.hrf else None,
        "fold": data.split.fold,
        "seed": config.seed,
        "init_from": None if origin is None else origin.record,
        "test_speakers_hash": hash_test_speakers(data.corpus, data.divided),
        "classes": len(data.labels),
        "best_epoch": best["epoch"],
        "epochs": len(_callback(trainer, History).rows),
        "val": None if data.protocol == "last_epoch" else {name: row[f"val/{name}"] for name in SCORES},
        "test": test,
        "parameters": {
            "training": count_parameters(trained.model),
            "deployed": count_parameters(deployed.model),
        },
        **_macs(trained.model, deployed.model, config),
        "merge": {
            "max_abs_diff": merge.max_abs_diff,
            "argmax_changes": merge.argmax_changes,
            "compared": merge.compared,
        },
        "utterances": {part: len(getattr(data.split, part)) for part in SPLITS},
        "evaluation_unit": data.corpus.evaluation_unit,
        "scored": {part: len(np.unique(data.units[list(getattr(data.split, part))])) for part in ("val", "test")},
        "recall": {label: float(r) for label, r in zip(data.labels, recalls(table), strict=True) if not r.isnan()},
        "sexes": _by_sex(data, rows, probabilities.argmax(1)),
        "leaks": list(data.corpus.leaks),
        "versions": versions(),
    }
    name = f"{record['model']}{f' + HRF x{config.rank:g}' if config.hrf else ''}"
    marks = [
        *(["protocol test_oracle"] if data.protocol == "test_oracle" else []),
        *(["leaking"] if data.corpus.leaks else []),
    ]
    marked = f" ({', '.join(marks)})" if marks else ""
    title = f"{name} on {record['corpus']}, fold {record['fold']}: UA {test['ua']:.3f}{marked}"
    draw_confusion(folder / CONFUSION, table, data.labels, title)
    keys = (
        "corpus",
        "protocol",
        "leaks",
        "fold",
        "seed",
        "hrf",
        "rank",
        "init_from",
        "test_speakers_hash",
        "test",
        "parameters",
        "macs_per_second_of_audio",
    )
    description = BundleDescription(
        model=config.model.name,
        options=to_dict(config.model.options),
        labels=data.labels,
        front_end=data.front_end,
        normalisation=config.features.normalisation,
        card={
            **{key: record[key] for key in keys},
            # With these, the corpus can be read and divided again as the run had it.
            **{"classes": data.classes, "folds": data.folds},
            **{"licence": data.corpus.licence, "versions": record["versions"]},
        },
    )
    classifier = SpeechClassifier(description).eval()
    classifier.model.load_state_dict(deployed.model.state_dict())
    size = sum(value.numel() * value.element_size() for value in deployed.model.state_dict().values())
    latency = torch_latency({"deployed": classifier}, [_CARD_SECONDS], _CARD_ROUNDS)["deployed"][_CARD_SECONDS]["p50"]
    text = render_card(record, data.labels, data.corpus.licence, size, latency)
    save_bundle(folder / BUNDLE, description, deployed.model, deployed.normaliser, text)
    return record


def _macs(trained: nn.Module, deployed: nn.Module, config: DictConfig) -> dict[str, Any]:
    """Multiply-adds per second of audio, forward. In training a folded product is taken once for a whole batch."""
    frames = round(_MACS_SECONDS * 1000 / config.features.hop_ms)
    plain_macs = count_macs(deployed, frames, config.features.n_mels)
    factorised = count_macs(trained, frames, config.features.n_mels)
    shared = config.batch_size if config.reparam.mode == "parametrized" else 1
    training = plain_macs + (factorised - plain_macs) / shared
    return {
        "macs_per_second_of_audio": round(plain_macs / _MACS_SECONDS),
        "macs_per_second_of_audio_training": round(training / _MACS_SECONDS),
    }


def _by_sex(data: SpeechData, rows: list[int], predicted: torch.Tensor) -> dict[str, dict[str, float]]:
    """UA over the speakers of each sex that the corpus names."""
    sexes = [data.utterance(row).sex for row in rows]
    labels = torch.from_numpy(data.targets)[rows]
    found = {}
    for sex in sorted(set(sexes) - {""}):
        own = torch.tensor([one == sex for one in sexes])
        table = confusion(labels[own], predicted[own], len(data.labels))
        found[sex] = {"ua": scores(table)["ua"], "scored": int(own.sum())}
    return found


def _utterances(data: SpeechData, rows: list[int]) -> list[Scored]:
    return [Scored(one.utterance, one.speaker, one.label) for one in map(data.utterance, rows)]


def _callback(trainer: lightning.Trainer, kind: Any) -> Any:
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    return next(callback for callback in callbacks if isinstance(callback, kind))
