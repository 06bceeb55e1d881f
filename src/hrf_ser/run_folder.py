"""Names of what a run leaves in its folder: for those that write it, and those that find it."""

METRICS = "metrics.json"  # written last: where it stands, the run is finished
PREDICTIONS, SEGMENTS = "predictions.csv", "segments.csv"
HISTORY, CONFUSION, CONFIG = "history.csv", "confusion.png", "config.yaml"
CHECKPOINTS, BUNDLE = "checkpoints", "bundle"
DESCRIPTION = "bundle.json"  # in the bundle
FAILED = "failed.json"  # of a run of a sweep
