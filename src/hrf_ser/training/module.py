"""The LightningModule: any backbone with its normalisation, loss, optimizer and scores."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning import LightningModule
from torch import Tensor

from hrf_ser.audio.augment import FeatureAugment
from hrf_ser.audio.front_end import Normalisation, Normaliser
from hrf_ser.data.batches import NO_LABEL, Batch, select
from hrf_ser.distillation.loss import DistillationLoss
from hrf_ser.hrf import describe_hrf, merge_state_dict
from hrf_ser.models import Backbone, create_model, members_of
from hrf_ser.training.checkpoints import at_least_single
from hrf_ser.training.metrics import UnitConfusion, scores
from hrf_ser.training.optimizer import OptimizerConfig, build_optimizer, build_schedule, parameter_groups


class EmotionModule(LightningModule):
    """Trains and evaluates a backbone. Factors may be inserted into ``model`` at any time before ``fit`` builds its optimizer.

    Every argument is plain data and is saved with each checkpoint, so ``load_from_checkpoint(path)`` needs nothing else.

    Args:
        model: name of the backbone; ``options`` are its keywords.
        labels: class names.
        n_features: bands of the features.
        batches_per_epoch: of training, before the Trainer limits them. Lightning's own estimate would load the training
            data before a checkpoint is restored, and lose the place within an epoch.
        hop_ms: distance of frames.
        normalisation: ``train``, ``utterance`` or ``none``.
        optimizer: keywords of OptimizerConfig.
        augment: keywords of FeatureAugment; None is no augmentation.
        class_weights: ``balanced`` by inverse class frequency, or ``none``.
        label_smoothing: of the cross-entropy.
        seed: of dropout and augmentation.

    Attributes:
        predictions: rows of the corpus's table and posteriors of each batch of the last test.
    """

    def __init__(
        self,
        model: str,
        labels: list[str],
        n_features: int,
        batches_per_epoch: int,
        hop_ms: float = 10.0,
        options: dict[str, Any] | None = None,
        normalisation: Normalisation = "train",
        optimizer: dict[str, Any] | None = None,
        augment: dict[str, Any] | None = None,
        class_weights: str = "balanced",
        label_smoothing: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = create_model(model, n_features=n_features, n_classes=len(labels), hop_ms=hop_ms, **(options or {}))
        self.normaliser = Normaliser(normalisation, n_features)
        self.augment = FeatureAugment(**augment) if augment else None
        self.loss_weights: Tensor
        self.register_buffer("loss_weights", torch.ones(len(labels)))
        self.confusion = UnitConfusion(len(labels))
        # (rows,): the ensemble member that leaves out each row of the corpus's table, see hrf_ser.data.out_of_fold.
        self.out_of_fold: Tensor | None
        self.register_buffer("out_of_fold", None, persistent=False)
        self.predictions: list[tuple[Tensor, Tensor]] = []
        self.distillation: DistillationLoss | None = None
        self._seed = seed
        self._batches_per_epoch = batches_per_epoch
        self._optimizer = OptimizerConfig(**(optimizer or {}))
        self._balanced = class_weights == "balanced"
        self._label_smoothing = label_smoothing

    def fit_statistics(self, mean: Tensor, std: Tensor, class_counts: Tensor) -> None:
        """Take the statistics of the training split: of bands ``(n_features,)``, and counts of classes ``(classes,)``."""
        self.normaliser.mean.copy_(mean)
        self.normaliser.std.copy_(std)
        if self._balanced:
            present = class_counts > 0
            weights = class_counts.sum() / (present.sum() * class_counts.clamp(min=1))
            self.loss_weights.copy_(torch.where(present, weights, 0.0))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Log-mel features ``(batch, frames, n_features)`` and lengths ``(batch,)`` -> logits ``(batch, classes)``."""
        logits: Tensor = self.model(self.normaliser(features, lengths), lengths)
        return logits

    # Training

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # The seed follows from the step's place, so a resumed run needs no state of random generators.
        seed = int(np.random.SeedSequence([self._seed, self.current_epoch, batch_idx]).generate_state(1)[0])
        # torch.manual_seed would format a stack trace at every step where CUDA is not in use: half a millisecond.
        torch.default_generator.manual_seed(seed)
        if self.device.type == "cuda":
            torch.cuda.manual_seed_all(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        # The mean: with it, Adam's steps are those that each member would take alone.
        return torch.stack([self._training_loss(*part) for part in self._member_batches(batch)]).mean()

    def _member_batches(self, batch: Batch) -> Iterator[tuple[int, torch.nn.Module, Batch]]:
        """Each ensemble member, its number, and the utterances of a batch that it trains on, unless there are none."""
        for number, member in enumerate(members_of(self.model)):
            if self.out_of_fold is None:
                yield number, member, batch
            elif (kept := self.out_of_fold[batch["rows"]] != number).any():
                yield number, member, select(batch, kept)

    def _training_loss(self, number: int, member: torch.nn.Module, batch: Batch) -> Tensor:
        features, lengths = batch["features"], batch["lengths"]
        mix = None
        if self.augment is None:
            features = self.normaliser(features, lengths)
        else:
            features = self.augment.mask(self.normaliser(self.augment.gain(features), lengths))
            if self.augment.mixup > 0:
                mix = self.augment.mix(features, lengths)
                features, lengths = mix.features, mix.lengths
        distillation = self.distillation
        if distillation is None or not distillation.has_hints:
            embedding, logits = None, member(features, lengths)
        else:
            assert isinstance(member, Backbone)
            embedding = member.embed(features, lengths)
            logits = member.classify(embedding)

        def loss(targets: Tensor | slice) -> Tensor:
            """With the targets of these utterances of the batch."""
            labels = batch["labels"][targets]
            if distillation is None:
                return self._loss(logits, labels)
            # The mean over no label at all is not a number. Selected on the device: a condition would wait for it.
            labelled = torch.where((labels == NO_LABEL).all(), 0.0, self._loss(logits, labels))
            taught: Tensor = distillation(number, logits, embedding, batch["copies"][targets], batch["rows"][targets])
            return (1 - distillation.weight) * labelled + taught

        if mix is None:
            return loss(slice(None))
        # Losses are linear in the target, but for a constant, so a mixed target is the mixture of two losses.
        return mix.share * loss(slice(None)) + (1 - mix.share) * loss(mix.partner)

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self._trained, self._optimizer, fused="mixed" not in str(self.trainer.precision))
        per_epoch, steps = self._steps()
        schedule = build_schedule(optimizer, self._optimizer, steps, per_epoch)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    @property
    def _trained(self) -> torch.nn.Module:
        """What the optimizer trains."""
        return self.model if self.distillation is None else torch.nn.ModuleList([self.model, self.distillation])

    def _steps(self) -> tuple[int, int]:
        """Steps of the optimizer in an epoch and in the whole fit, as the Trainer limits them."""
        batches, limit = self._batches_per_epoch, self.trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        per_epoch = math.ceil(batches / self.trainer.accumulate_grad_batches)
        steps, most = per_epoch * (self.trainer.max_epochs or 1), self.trainer.max_steps
        return per_epoch, steps if most < 0 else min(steps, most)

    # Evaluation

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        logits = self.validation_logits(batch)
        self.confusion.update(logits.float().softmax(-1), batch["labels"], batch["units"])
        loss = self._loss(logits, batch["labels"])
        self.log("val/loss", loss, on_step=False, on_epoch=True, batch_size=len(logits))

    def validation_logits(self, batch: Batch) -> Tensor:
        """``(batch, classes)`` of the model; of the member that leaves out the utterance, where there is one."""
        features, lengths = batch["features"], batch["lengths"]
        if self.out_of_fold is None:
            logits: Tensor = self(features, lengths)
            return logits
        features = self.normaliser(features, lengths)
        by_member = torch.stack([member(features, lengths) for member in members_of(self.model)])
        return by_member[self.out_of_fold[batch["rows"]], torch.arange(len(lengths), device=lengths.device)]

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_start(self) -> None:
        self.predictions = []

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        probabilities = self(batch["features"], batch["lengths"]).float().softmax(-1)
        self.confusion.update(probabilities, batch["labels"], batch["units"])
        self.predictions.append((batch["rows"], probabilities))

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def _log_scores(self, split: str) -> None:
        for name, value in scores(self.confusion.compute()).items():
            self.log(f"{split}/{name}", value, prog_bar=name == "ua")
        self.confusion.reset()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        # In single precision at least, whatever precision the Trainer gave the model and its buffers.
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        weights = self.loss_weights.to(logits.dtype)
        return F.cross_entropy(logits, labels, weight=weights, label_smoothing=self._label_smoothing)

    # Checkpoints: one of a plain or of any factorised module loads into a plain or a factorised one.

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["reparam"] = describe_hrf(self)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        own = {key: value.shape for key, value in self.state_dict().items()}
        if {key: value.shape for key, value in checkpoint["state_dict"].items()} != own:
            # Moments of other parameters mean nothing for these: the optimizer starts without, at the schedule's place.
            checkpoint["optimizer_states"] = []
            groups = len(parameter_groups(self._trained, self._optimizer))
            for state in checkpoint["lr_schedulers"]:
                state.update({key: [state[key][0]] * groups for key in ("base_lrs", "_last_lr", "lr_lambdas")})
            if self.distillation is None:
                for key in {"state_dict", "current_model_state"} & checkpoint.keys():
                    weights = checkpoint[key]
                    checkpoint[key] = {name: weights[name] for name in weights if not name.startswith("distillation.")}
            # Merged weights load into a factorised module as well. WeightAveraging has the weights beside their average.
            for key in {"state_dict", "current_model_state"} & checkpoint.keys():
                checkpoint[key] = merge_state_dict(at_least_single(checkpoint[key]), checkpoint.get("reparam", {}))
