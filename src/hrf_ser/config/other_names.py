"""What settings are called in other tools, for the error that names ours."""

from __future__ import annotations

_OF_OTHERS = {
    "optimizer.lr": ("lr", "learning_rate", "optim.lr", "optimizer.learning_rate"),
    "optimizer.weight_decay": ("wd", "l2"),
    "trainer.max_epochs": (
        "epochs",
        "n_epochs",
        "num_epochs",
        "number_of_epochs",
        "num_train_epochs",
        "trainer.epochs",
    ),
    "trainer.accelerator": ("device", "accelerator", "cuda", "gpu", "trainer.gpu", "trainer.gpus", "gpus", "n_gpus"),
    "trainer.precision": ("fp16", "bf16", "amp"),
    "batch_size": ("bs", "data.batch_size", "per_device_train_batch_size"),
    "workers": ("num_workers", "data.num_workers", "n_jobs", "dataloader_num_workers"),
    "seed": ("random_seed", "manual_seed", "random_state"),
    "hydra.run.dir": ("output_dir", "out_dir", "save_dir", "output_folder", "exp_dir", "log_dir", "out", "name"),
    "data.root": (
        *("data_dir", "data_path", "data_folder", "data_root", "root", "path", "csv", "dataset_path"),
        *("data.path", "data.dir", "data.file", "data.csv", "data.data_dir"),
    ),
    "data": ("dataset", "corpus", "database"),
    "ckpt_path": ("resume", "resume_from_checkpoint", "trainer.resume_from_checkpoint"),
    "init_from": ("pretrained", "checkpoint", "ckpt", "weights"),
    "callbacks.early_stopping.patience": ("patience", "early_stopping"),
    "model.options.width": (
        *("model.d_model", "model.hidden_size", "model.hidden_dim", "model.width", "model.dim"),
        *("model.options.d_model", "model.options.hidden_size", "model.options.hidden_dim", "model.options.dim"),
    ),
    "model.options.layers": (
        *("model.num_layers", "model.n_layers", "model.layers", "model.depth"),
        *("model.options.num_layers", "model.options.n_layers", "model.options.depth"),
    ),
    "model.options.heads": (
        *("model.num_heads", "model.nhead", "model.heads", "model.options.num_heads", "model.options.nhead"),
    ),
    "model.options.dropout": ("dropout", "model.dropout"),
}
OTHER_NAMES = {other: key for key, others in _OF_OTHERS.items() for other in others}
# What nobody has to set here.
NEEDLESS = {
    **dict.fromkeys(("num_classes", "n_classes", "data.num_classes"), "the classes are those of the corpus"),
    **dict.fromkeys(("sample_rate", "sr", "sampling_rate", "features.sample_rate"), "audio of any rate is read"),
}


def other_name(key: str) -> str | None:
    """The sentence for a setting of another tool; None for any other."""
    if reason := NEEDLESS.get(key):
        return f"{key} is no setting here, as {reason}: leave it out."
    return f"{key} is unknown: it is called {OTHER_NAMES[key]} here." if key in OTHER_NAMES else None
