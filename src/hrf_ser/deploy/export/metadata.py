"""What an exported file says of itself: all that a runtime needs beside the graph."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from hrf_ser import __version__
from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import SpeechClassifier
from hrf_ser.run_folder import DESCRIPTION

# Raised when a runtime that reads the older files would misread the newer ones.
FORMAT, VERSION = "hrf_ser export", 1


def describe(classifier: SpeechClassifier, bundle: Path) -> dict[str, str]:
    """Entries for a file made of a bundle; lists and dictionaries as JSON.

    Args:
        classifier: from ``load_bundle``.
        bundle: the folder it was loaded from.

    Returns:
        ``format``, ``version`` (of this list), ``labels``, ``sample_rate`` in Hz, ``model``, ``quantisation``,
        ``bundle_sha256`` (of ``bundle.json``, which holds the checksum of the weights), ``front_end``, ``normalisation``,
        ``card``, ``hrf_ser`` (version of this package).
    """
    description = classifier.description
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "labels": json.dumps(list(description.labels)),
        "sample_rate": str(SAMPLE_RATE),
        "model": description.model,
        "quantisation": "none",
        "bundle_sha256": hashlib.sha256((bundle / DESCRIPTION).read_bytes()).hexdigest(),
        "front_end": json.dumps(description.front_end.as_dict()),
        "normalisation": str(description.normalisation),
        "card": json.dumps(description.card),
        "hrf_ser": __version__,
    }
