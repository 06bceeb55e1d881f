"""Settings of runs that take a second."""

from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

TINY_OPTIONS = {
    "conv_transformer": "{width: 16, layers: 1, heads: 2, ffn: 32}",
    "conformer": "{width: 16, layers: 1, heads: 2, ffn: 32, kernel: 3}",
    "speechformer": "{width: 16, layers: [1, 1, 1, 1], heads: 2}",
}
TINY = (
    "data.options.utterances_per_cell=3",
    "augment.speed=[]",
    "trainer.max_epochs=2",
    "logger=none",
    "threads=1",
)
