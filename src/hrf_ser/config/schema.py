"""Every setting of every ``python -m hrf_ser.<verb>``: its type, range and meaning. Defaults are in conf/.

A validator that compares settings raises a ``ValueError`` whose message begins with a key of its own group.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hrf_ser.config.trainer import Trainer
from hrf_ser.config.types import MOST, MOST_WHOLE, Amount, Count, Group, Milliseconds, Name, Range, Share, Whole


class Model(Group):
    target: str | None = Field(
        None, alias="_target_", description="Class of another package, in place of the models here; needs model=custom."
    )
    name: str = Field(description="The model's class; model=... sets it together with its options.")
    label: Name = Field(description="The model's name in records and reports.")
    options: dict[str, Any] = Field(description="Options of that model.")


class Data(Group):
    target: str | None = Field(
        None, alias="_target_", description="Function of another package that reads the corpus; needs data=custom."
    )
    name: str = Field(description="The corpus; data=... sets it together with its options.")
    root: str = Field(description="The corpus's folder; for data=table its CSV file.")
    options: dict[str, Any] = Field(description="Options of that corpus.")
    unlabelled: str | list[str] | None = Field(
        None,
        description="Recordings for the teacher alone to supervise: a folder, a CSV file with the column path, or several.",
    )
    on_bad_audio: Literal["stop", "skip"] = Field(description="Unreadable files end the run, or are left out.")


class LabelMap(Group):
    classes: dict[str, list[Name]] = Field(description="Each class and the labels that mean it in any corpus.")


class Features(Group):
    n_mels: int = Field(ge=1, le=4096, description="Mel bands.")
    window_ms: Milliseconds = Field(description="Length of the Hann window.")
    hop_ms: Milliseconds = Field(description="Distance between frames.")
    f_min: float = Field(ge=0, le=8000, description="Lowest frequency in Hz.")
    f_max: float = Field(ge=0, le=8000, description="Highest frequency in Hz.")
    floor_db: Amount = Field(description="Energies further below the utterance's largest are raised to it.")
    trim_db: Amount | None = Field(
        description="Frames at both ends further below the loudest frame are removed; null keeps them."
    )
    normalisation: Literal["train", "utterance", "none"] = Field(
        description="Statistics of the training speakers, of each utterance, or none."
    )

    @model_validator(mode="after")
    def _check_frequencies(self) -> Features:
        if self.f_min >= self.f_max:
            raise ValueError(f"f_min={self.f_min:g} must be less than features.f_max={self.f_max:g}.")
        return self


class Protocol(Group):
    name: Literal["validation", "last_epoch", "out_of_fold", "test_oracle"] = Field(
        description="Which speakers train and how the checkpoint is selected; set it with protocol=..."
    )
    folds: Literal["corpus", "group", "speaker", "official"] | Annotated[int, Field(ge=2)] = Field(
        description="Published folds, leave one group or speaker out, the official split, or a number of folds."
    )


class Reparam(Group):
    targets: str | list[str] | None = Field(
        description="Layers to factorise; null: the feed-forward layers that the model names."
    )
    factors: Annotated[int, Field(ge=2, le=3)] = Field(description="Factors of a layer; 3 as in ExpandNets.")
    init: Literal["exact", "variance", "default"] = Field(
        description="Keep the function, keep the variance, or initialise as torch does."
    )
    mode: Literal["parametrized", "inserted"] = Field(
        description="Multiply the weights, or apply the factors as layers in a row (slow)."
    )
    weight_decay: Literal["product", "factors", "none"] = Field(
        description="Decay of the product as of a plain layer, of each factor, or none."
    )


class Optimizer(Group):
    name: Literal["adamw", "sgd"] = Field(description="The optimizer.")
    lr: Amount = Field(description="Peak learning rate.")
    weight_decay: Amount = Field(description="Of matrices and kernels; biases and norms have none.")
    momentum: Amount = Field(description="Of SGD.")
    schedule: Literal["cosine", "constant"] = Field(description="Learning rate after the warm-up.")
    warmup_epochs: Amount = Field(description="Epochs of linear rise from 0.")
    final_lr: Amount = Field(description="End of the cosine, as a fraction of lr.")


class Loss(Group):
    class_weights: Literal["balanced", "none"] = Field(description="Weights by inverse class frequency, or none.")
    label_smoothing: Share = Field(description="Label smoothing of the cross-entropy.")


class Augment(Group):
    speed: list[Annotated[float, Field(ge=0.1, le=10)]] = Field(
        examples=["[0.9,1.1]"], description="Speeds of further copies of each training utterance; [] for none."
    )
    noise_snr_db: Range | None = Field(examples=["[10,30]"], description="Range of one noisy copy in dB; null: none.")
    telephone: bool = Field(description="One copy in the band of a telephone, 300 to 3400 Hz, coded in mu-law.")
    gain_db: Amount = Field(description="Largest random change of level in dB.")
    time_masks: int = Field(ge=0, le=1000, description="Masks along time.")
    time_width: Share = Field(description="Largest width of a mask, as a fraction of the longest utterance.")
    band_masks: int = Field(ge=0, le=1000, description="Masks along mel bands.")
    band_width: Whole = Field(description="Largest width of a mask in bands.")
    mixup: Amount = Field(description="Shares are drawn from Beta(mixup, mixup); 0 for none.")

    @model_validator(mode="after")
    def _check_mixup(self) -> Augment:
        if 0 < self.mixup < 1e-6:  # has no Beta distribution in single precision
            raise ValueError(f"mixup={self.mixup} must be 0 or at least 1e-06.")
        return self


class Teacher(Group):
    name: Literal["whisper", "table", "run"] = Field(
        description="Kind of the teacher; teacher=... sets it together with its layer."
    )
    label: Name = Field(description="The teacher's name in records and reports.")
    path: str = Field(
        description="Folder of the encoder as Hugging Face has it, a table, or a finished run; nothing is downloaded."
    )
    layer: Count | None = Field(
        None, description="Of Whisper: the hidden states of this layer, from 1, are its embedding."
    )
    c: Annotated[float, Field(gt=0, le=MOST)] | None = Field(
        None, description="Inverse strength of the penalty of the head, a logistic regression; a run has its own head."
    )
    folds: Annotated[int, Field(ge=2, le=MOST_WHOLE)] | None = Field(
        None, description="Folds of training speakers; each has its soft labels from a head fit on the others."
    )
    weight: Share = Field(description="Share of the soft labels in the loss; the labels have the rest.")
    temperature: Annotated[float, Field(ge=0.1, le=100)] = Field(description="Temperature of the soft labels.")
    hint_weight: Amount = Field(
        description="Weight of the error of the teacher's embedding, predicted from the model's."
    )


class Sweep(Group):
    retry_failed: bool = Field(description="Try runs again that failed in an earlier sweep.")


class Train(Group):
    hrf: bool = Field(description="Train with factorised layers, which are merged afterwards.")
    rank: Amount = Field(description="Inner dimension = rank x output dimension; the paper uses 2, 4, 8.")
    fold: Name | None = Field(description="Fold to test; null: the first.")
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = Field(description="Seed of everything random; null: 0.")
    batch_size: Count = Field(description="Utterances of a batch.")
    workers: Whole = Field(description="Processes that load batches; 0 is fastest, as features are memory-mapped.")
    cache_on_device: Literal["auto"] | bool = Field(
        description="Keep features on the training device; auto: on a GPU with enough free memory."
    )
    threads: Count | None = Field(description="CPU threads; null: all. Use 1 for runs side by side.")
    compile: bool = Field(description="Use torch.compile, which needs a C++ compiler.")
    temperature: Annotated[float, Field(ge=0.01, le=100)] | None = Field(
        description="Divides the deployed model's logits; null: fitted on validation speakers, or 1 where there are none."
    )
    init_from: str | None = Field(description="Weights to start from: a run's folder, its bundle/ or a checkpoint.")
    ckpt_path: str | None = Field(description="last: resume the run in hydra.run.dir; or a checkpoint of the same run.")
    cache_dir: str = Field(description="Folder of features and of the demo corpus.")
    model: Model
    data: Data
    test_data: Data | None = Field(None, description="Another corpus to test on; set it with data@test_data=...")
    label_map: LabelMap | None = Field(None, description="Classes shared by several corpora; set it with label_map=...")
    features: Features
    protocol: Protocol
    teacher: Teacher | None = Field(None, description="Teacher to distil; set it with teacher=...")
    reparam: Reparam
    optimizer: Optimizer
    loss: Loss
    augment: Augment
    trainer: Trainer
    callbacks: dict[str, Any] = Field({}, description="Lightning callbacks, each with its _target_.")
    logger: dict[str, Any] = Field({}, description="Lightning loggers, each with its _target_.")
    sweep: Sweep

    @model_validator(mode="after")
    def _check_protocol(self) -> Train:
        protocol, trainer = self.protocol.name, self.trainer
        if self.data.unlabelled is not None and self.teacher is None:
            raise ValueError(
                "data.unlabelled is for a teacher to supervise: set teacher=whisper_base or data.unlabelled=null."
            )
        if protocol == "out_of_fold" and self.model.options.get("ensemble_size", 1) == 1:
            raise ValueError(
                "protocol=out_of_fold leaves other speakers out for each member of an ensemble: "
                "set model.options.ensemble_size to 2 or more, or protocol=validation."
            )
        if protocol == "last_epoch":
            return self
        if trainer.limit_val_batches == 0:
            raise ValueError(
                "trainer.limit_val_batches=0 leaves no validation to select the checkpoint: set protocol=last_epoch."
            )
        every = trainer.check_val_every_n_epoch
        if every is not None and every > trainer.max_epochs:
            raise ValueError(
                f"trainer.check_val_every_n_epoch={every} must not be more than trainer.max_epochs={trainer.max_epochs}, "
                "or no epoch is validated."
            )
        return self


class Prepare(Group):
    data: Data
    label_map: LabelMap | None = Field(None, description="Classes to count; set it with label_map=...")
    features: Features
    protocol: Protocol
    fold: Name | None = Field(description="A fold whose splits are counted, too; null: none.")
    cache_dir: str = Field(description="Folder of manifests, features and the demo corpus.")


class AddedSystem(Group):
    """An entry of ``add`` of a report."""

    path: str = Field(description="CSV file with utterance, and predicted or a probability for each class.")
    name: Name | None = Field(None, description="Name on the page; null: the file's.")
    parameters: Whole | None = Field(None, description="Its parameters.")
    macs: Amount | None = Field(None, description="Its multiply-adds per second of audio.")
    milliseconds: Amount | None = Field(None, description="Its latency for 3 s of audio.")


class Report(Group):
    runs: str | list[Name] = Field(description="Folders of runs, patterns or .jsonl files of records.")
    add: str | list[Any] | dict[str, Any] | None = Field(
        description="CSV files with predictions of other systems, each a path or {path: ..., name: ...}."
    )
    out: str | None = Field(description="Folder of the report; null: report/ in the first folder of runs, or here.")
    title: Name | None = Field(description="Title of the page; null: the corpora and the number of runs.")
    split: Literal["test", "validation"] = Field(
        description="Split whose scores are shown; validation to select settings."
    )
    latency: bool = Field(description="Measure every model's bundle on one CPU thread.")


class Int8(Group):
    mode: Literal["weights", "dynamic", "static"] = Field(
        description="int8 in the file only, dynamic quantisation, or static, calibrated on training speakers."
    )
    calibration: Count = Field(description="Utterances that static quantisation is calibrated on.")


class Parity(Group):
    split: Literal["test", "all"] = Field(description="Compare on the bundle's test speakers, or the whole corpus.")
    utterances: Literal["all"] | Count = Field(description="Utterances to compare on.")


class Limits(Group):
    logits: Amount | None = Field(description="Largest difference of a logit; null: the format's own limit.")
    changed_predictions: Amount | None = Field(
        description="Largest share of changed predictions; null: the format's own."
    )
    ua: Amount | None = Field(description="Largest loss of UA, 0 to 1; null: the format's own.")


class Export(Group):
    bundle: str = Field(description="The bundle/ folder of a finished run.")
    format: Literal["onnx", "onnx-int8", "onnx-fp16", "torch-export", "executorch", "litert"] = Field(
        description="Format of the file."
    )
    out: str | None = Field(description="The file; null: <run>/export/<model>.<format>.")
    seconds: float = Field(ge=1, le=600, description="Longest audio of executorch and litert, whose shapes are fixed.")
    cache_dir: str = Field(description="Folder of the demo corpus.")
    data: Data | None = Field(None, description="Corpus to compare on; null: synthetic signals.")
    int8: Int8
    parity: Parity
    limits: Limits

    @model_validator(mode="after")
    def _check_calibration(self) -> Export:
        if self.format == "onnx-int8" and self.int8.mode == "static" and self.data is None:
            raise ValueError(
                "int8.mode=static is calibrated on training speakers: give data=... and data.root=... as well."
            )
        return self


class Predict(Group):
    bundle: str | None = Field(
        description="An exported .onnx file, or a bundle, run in torch; null: the built-in model."
    )
    audio: str | list[str] = Field(
        description="Files, folders or patterns; -: a recording or names on standard input; mic: the microphone."
    )
    out: str | None = Field(description="results.csv or results.json; - or -.json for standard output.")
    rows: Literal["file", "window"] = Field(description="Rows of the results.")
    labels: str | None = Field(description="Table with the columns path and label: scores of the predictions.")
    abstain: Share = Field(
        description="The emotion is unsure where the most probable class is less probable than this."
    )
    speech_gate: bool = Field(description="Silence, noise, tones and most music get no speech instead of an emotion.")
    threads: Count | None = Field(description="CPU threads; null: torch's default, and 1 for an .onnx file.")
    whole_s: Amount = Field(description="Longest recording that is classified as a whole; others in windows.")
    window_s: Amount = Field(description="Seconds of a window.")
    hop_s: Amount = Field(description="Seconds from one window to the next.")
    smoothing_s: Amount = Field(description="Time constant of the smoothed curve and of the meter.")
    device: Name | None = Field(description="Microphone: number or part of its name.")
    seconds: Annotated[float, Field(ge=0.1, le=MOST)] | None = Field(
        description="Microphone: seconds of audio; null: until Ctrl-C."
    )


class Benchmark(Group):
    bundle: str = Field(description="The bundle/ folder of a finished run.")
    rank: float = Field(gt=0, le=MOST, description="Rank of the factors that are inserted for comparison.")
    seconds: list[Annotated[float, Field(ge=0.1, le=600)]] = Field(
        min_length=1, examples=["[1,3,10]"], description="Lengths of the audio."
    )
    threads: Count = Field(description="CPU threads.")
    rounds: Count = Field(description="Repetitions for each model and length.")
    onnx: bool = Field(description="Measure exported files too; needs hrf_ser[export].")
    out: str | None = Field(description="JSON file with all numbers.")


class Demo(Group):
    bundle: str | None = Field(
        description="A bundle folder, which is exported first, or an .onnx file; null: the built-in model."
    )
    host: str = Field(description="IPv4 address to listen on; 0.0.0.0: all, so that phones can open the page.")
    https: bool = Field(description="Encrypt with a certificate of its own: phones then give the microphone.")
    port: int = Field(ge=0, le=65535, description="Port; 0: any free one.")
    open: bool = Field(description="Open the page in the browser.")
    speech_gate: bool = Field(description="Silence, noise, tones and most music get no speech instead of an emotion.")
    cache_dir: str = Field(description="Folder of exported files.")


class Workspace(Group):
    entity: Name = Field(description="User or team at W&B.")
    project: Name = Field(description="Project at W&B.")
    kind: Literal["workspace", "report"] = Field(description="What is saved.")
    corpus: Name | None = Field(description="Show the runs of one corpus; null: of all.")


SCHEMAS: dict[str, type[Group]] = {
    schema.__name__.lower(): schema for schema in (Train, Prepare, Report, Export, Predict, Benchmark, Demo, Workspace)
}
