"""A bundle as a model repository of the Hugging Face hub: card with metadata, config, safetensors and ONNX files."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from hrf_ser.audio.read import SAMPLE_RATE
from hrf_ser.deploy.bundle import BundleDescription, find_bundle, read_description
from hrf_ser.deploy.bundle.bundle import WEIGHTS
from hrf_ser.deploy.bundle.card import CARD
from hrf_ser.deploy.export.write import Export, export_bundle
from hrf_ser.extras import need
from hrf_ser.files import new_folder
from hrf_ser.run_folder import DESCRIPTION

CONFIG = "config.json"
_USE = """
## Use

```python
import hrf_ser  # pip install hrf_ser

hrf_ser.load("model.onnx")("speech.wav").emotion
```
"""


def write_repository(bundle: Path, folder: Path) -> None:
    """Write the folder of the repository, which ``hrf_ser.load`` reads as well; whole or not at all.

    Raises:
        UserError: no bundle there, or its export is not equivalent.
    """
    bundle = find_bundle(bundle)
    description, _ = read_description(bundle)
    with new_folder(folder) as new:
        for name in (DESCRIPTION, WEIGHTS):
            shutil.copyfile(bundle / name, new / name)
        for format, name in (("onnx", "model.onnx"), ("onnx-int8", "model.int8.onnx")):
            export_bundle(Export(bundle, new / name, format))
        (new / CONFIG).write_text(json.dumps(config(description), indent=2) + "\n", encoding="utf-8")
        card = (bundle / CARD).read_text(encoding="utf-8") if (bundle / CARD).is_file() else f"# {description.model}\n"
        front_matter = yaml.safe_dump(metadata(description), sort_keys=False, allow_unicode=True)
        (new / CARD).write_text(f"---\n{front_matter}---\n\n{card.rstrip()}\n{_USE}", encoding="utf-8")


def upload(folder: Path, name: str, public: bool = False) -> str:
    """Upload the folder to the repository ``owner/name``, which is made if need be; returns its address."""
    hub = need("huggingface_hub", "hub").HfApi()
    address = hub.create_repo(name, private=not public, exist_ok=True)
    hub.upload_folder(repo_id=name, folder_path=str(folder), commit_message="Upload from hrf_ser")
    return str(address)


def config(description: BundleDescription) -> dict[str, Any]:
    """``config.json``: classes and front end in the words of transformers."""
    names = {str(number): label for number, label in enumerate(description.labels)}
    return {
        "model_type": "hrf_ser",
        "architectures": [description.model],
        "num_labels": len(names),
        "id2label": names,
        "label2id": {label: int(number) for number, label in names.items()},
        "sampling_rate": SAMPLE_RATE,
        "feature_extractor": {**description.front_end.as_dict(), "normalisation": str(description.normalisation)},
        "options": description.options,
    }


def metadata(description: BundleDescription) -> dict[str, Any]:
    """The YAML block of the card."""
    card = description.card
    licence = str(card.get("licence") or "")
    creative_commons = re.search(r"CC (BY[A-Z-]*) (\d\.\d)", licence)
    found: dict[str, Any] = {"license": "other", "license_name": licence or "not stated"}
    if creative_commons:
        found = {"license": f"cc-{creative_commons[1].lower()}-{creative_commons[2]}"}
    found |= {
        "library_name": "hrf_ser",
        "pipeline_tag": "audio-classification",
        "tags": ["speech-emotion-recognition", "onnx", "hrf_ser", description.model],
        "metrics": ["recall"],
    }
    scores = {key: value for key, value in dict(card.get("test") or {}).items() if value is not None}
    # Scores that are no estimate for unseen speakers would be ranked with others there.
    if scores and not card.get("leaks"):
        corpus = str(card.get("corpus"))
        result = {
            "task": {"type": "audio-classification", "name": "speech emotion recognition"},
            "dataset": {"type": corpus, "name": corpus},
            "metrics": [{"type": key, "name": key.upper(), "value": value} for key, value in scores.items()],
        }
        found["model-index"] = [{"name": description.model, "results": [result]}]
    return found
