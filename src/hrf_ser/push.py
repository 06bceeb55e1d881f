"""``hrf-ser push runs/<run>/bundle hf:owner/name``: a bundle as a repository of the Hugging Face hub."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the folder of the repository, beside the bundle or where the target says, and upload it to ``hf:``."""
    parser = argparse.ArgumentParser(prog="hrf-ser push", description=__doc__)
    parser.add_argument("bundle", type=Path, help="the bundle/ folder of a finished run")
    parser.add_argument("target", help="hf:owner/name, or a folder, which is written and not uploaded")
    parser.add_argument("--public", action="store_true", help="make a new repository public")
    options = parser.parse_args(arguments)

    from hrf_ser.deploy.bundle import find_bundle
    from hrf_ser.deploy.hub import upload, write_repository
    from hrf_ser.extras import need

    bundle: Path = options.bundle.expanduser()
    scheme, _, name = options.target.partition(":")
    if scheme != "hf" or not name:
        folder = Path(options.target).expanduser()
        write_repository(bundle, folder)
        print(folder)
        return
    need("huggingface_hub", "hub")  # Before the export, which takes seconds.
    folder = find_bundle(bundle).resolve().parent / "hub"
    write_repository(bundle, folder)
    print(f"{folder} -> {upload(folder, name, options.public)}")
