"""The LightningModule, its callbacks, metrics and the record of a run."""
