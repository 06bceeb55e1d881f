"""``python -m hrf_ser.demo bundle=...``: a page on this computer that runs the model in the browser."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from hrf_ser.entry import entry_point
from hrf_ser.errors import UserError
from hrf_ser.run_folder import DESCRIPTION


@entry_point("demo", paths=("bundle", "cache_dir"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import validate

    validate(config, "demo")

    from hrf_ser.builtin import builtin_model
    from hrf_ser.deploy.demo.certificate import self_signed
    from hrf_ser.deploy.demo.serve import Server, check_host, reachable
    from hrf_ser.deploy.demo.site import build_site
    from hrf_ser.deploy.runtime.model_file import load_model

    if config.bundle is None:
        path = builtin_model()
    else:
        path = path_to_serve(Path(config.bundle).expanduser(), exports_folder(config.cache_dir))
    file, _, content = load_model(path)
    host = check_host(config.host)
    certificate, fingerprint = self_signed(reachable(host)) if config.https else (None, None)
    with Server(build_site(file, content, config.speech_gate), config.port, host, certificate) as server:
        print(f"{file.name}, {len(content) / 1e3:,.0f} kB: {server.address}", flush=True)
        for sentence in notes(host, fingerprint):
            print(sentence, flush=True)
        if config.open:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def notes(host: str, fingerprint: str | None) -> Iterator[str]:
    """What to know about the address."""
    here = host.startswith("127.")
    if fingerprint:
        yield (
            "The browser warns that the connection is not private or not safe, because no authority signed the certificate: "
            "choose Advanced (Details), then continue to the page. "
            f"The certificate is the right one if its SHA-256 fingerprint is {fingerprint}."
        )
    elif not here:
        yield "Other devices get no microphone without https=true; recordings work."
    if here:
        yield "It runs in the browser; nothing leaves this computer. Ctrl+C ends the server."
    else:
        yield "It runs in the browser. Every device in this network can open it. Ctrl+C ends the server."


def exports_folder(cache_dir: str) -> Path:
    """Where bundles are exported to. The other folders of the cache have the names of corpora, and one corpus is ``demo``."""
    return Path(cache_dir).expanduser() / "exports"


def path_to_serve(path: Path, cache: Path) -> Path:
    """A file, or a folder with an exported file, as it is. Any other folder is exported first."""
    from hrf_ser.deploy.runtime.model_file import exported_files

    return exported(path, cache) if path.is_dir() and not exported_files(path) else path


def exported(bundle: Path, folder: Path) -> Path:
    """The bundle as an ONNX file in ``folder``, made unless it is there."""
    import hashlib

    from hrf_ser import __version__
    from hrf_ser.deploy.bundle import find_bundle

    bundle = find_bundle(bundle)
    try:
        described = (bundle / DESCRIPTION).read_bytes()
    except OSError as error:
        raise UserError(f"{bundle}: holds no {DESCRIPTION}; give the bundle/ folder of a finished run.") from error
    # It holds the weights' checksum, so this names weights, architecture and exporter.
    name = hashlib.sha256(described + __version__.encode()).hexdigest()[:16]
    out = folder / f"{name}.onnx"
    if out.is_file():
        return out
    print("Exporting the bundle as ONNX (compared with it on synthetic signals) ...", flush=True)

    import torch

    from hrf_ser.deploy.export.write import Export, export_bundle

    torch.set_num_threads(1)
    report = export_bundle(Export(bundle, out, "onnx"))
    print(f"{out}: largest logit difference {report['equivalence']['max_logit_difference']:.1e}", flush=True)
    return out


if __name__ == "__main__":
    main()
