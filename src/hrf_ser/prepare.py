"""``python -m hrf_ser.prepare data=ravdess data.root=...``: read a corpus, check it, write its manifest and features."""

from __future__ import annotations

from omegaconf import DictConfig

from hrf_ser.entry import entry_point


@entry_point("prepare", paths=("data.root", "data.options.audio_root", "cache_dir"))
def main(config: DictConfig) -> None:
    from hrf_ser.config import to_dict, validate

    validate(config, "prepare")
    from pathlib import Path

    from rich.console import Console

    from hrf_ser.audio.augment import OfflineAugmentation
    from hrf_ser.audio.front_end import FrontEndConfig
    from hrf_ser.data.corpora import read_corpus
    from hrf_ser.data.manifest import write_manifest
    from hrf_ser.data.protocols import split_corpus
    from hrf_ser.data.store import open_store
    from hrf_ser.data.summary import print_audio_notes, print_split, print_summary
    from hrf_ser.data.transfer import relabel

    console = Console()
    corpus = read_corpus(config.data.name, config.data.root, **to_dict(config.data.options))
    table = corpus if config.get("label_map") is None else relabel(corpus, to_dict(config.label_map.classes))
    print_summary(table, console, config.protocol.folds)
    if config.fold is not None:
        split = split_corpus(table, str(config.fold), config.protocol.name, config.protocol.folds)
        print_split(table, split, console)
    cache_dir = Path(config.cache_dir).expanduser()
    store = open_store(
        cache_dir,
        corpus,
        FrontEndConfig.from_options(to_dict(config.features)),
        OfflineAugmentation(),
        config.data.on_bad_audio,
    )
    print_audio_notes(store.notes, console)
    manifest = cache_dir / corpus.name / "manifest.csv"
    write_manifest(manifest, corpus.utterances, skipped=store.skipped)
    console.print(f"manifest      {manifest}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
