"""What the corpus shows to be wrong before torch is imported: a folder that is not there, a fold that it does not have."""

from __future__ import annotations

from omegaconf import DictConfig

from hrf_ser.config import to_dict
from hrf_ser.data.out_of_fold import out_of_fold_index
from hrf_ser.data.protocols import split
from hrf_ser.data.sources import Source, read_ahead
from hrf_ser.training.origin import origin_of


def check_corpus(config: DictConfig) -> None:
    """Read the tables that the run will use, divide them as it will, and look at the weights that it starts from.

    Raises:
        UserError: what the corpus's reader, the protocol or :func:`hrf_ser.training.origin.origin_of` refuses.
    """
    groups = [config.data, *([config.test_data] if config.get("test_data") is not None else [])]
    corpora = read_ahead([Source(one.name, one.root, to_dict(one.options)) for one in groups])
    if len(corpora) == 1 and config.get("label_map") is None:
        fold = None if config.fold is None else str(config.fold)
        divided = split(corpora[0], fold, config.protocol.name, config.protocol.folds)
        if config.protocol.name == "out_of_fold":
            out_of_fold_index(corpora[0].utterances, divided, config.model.options.ensemble_size)
        origin_of(config, corpora[0], divided)
