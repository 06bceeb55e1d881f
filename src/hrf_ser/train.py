"""``python -m hrf_ser.train model=conformer data=iemocap hrf=true``: train, merge, score once, write the record."""

from __future__ import annotations

from omegaconf import DictConfig

from hrf_ser.entry import entry_point


@entry_point("train", paths=("data.root", "test_data.root", "cache_dir", "ckpt_path", "hydra.run.dir"))
def main(config: DictConfig) -> None:
    from hrf_ser.settings import check

    check(config)
    # Everything that imports torch comes after the configuration is known to be valid.
    from hrf_ser.training.run import train

    train(config)


if __name__ == "__main__":
    main()
