"""Batches that are gathered on the device are those that the host would have made."""

import csv
import signal
from itertools import islice

import lightning
import numpy as np
import pytest
import torch

from hrf_ser.audio.augment import OfflineAugmentation
from hrf_ser.audio.front_end import FrontEndConfig
from hrf_ser.data.batches import BatchLoader, BucketSampler, FeatureBatches
from hrf_ser.data.corpora import Corpus, read_corpus
from hrf_ser.data.datamodule import SpeechData
from hrf_ser.data.dataset import make_dataset
from hrf_ser.data.device_cache import DeviceCache, DeviceLoader, should_cache
from hrf_ser.data.store import FeatureStore
from hrf_ser.errors import UserError
from hrf_ser.training.history import History

CPU = torch.device("cpu")
DEVICES = [CPU, *([torch.device("cuda:0")] if torch.cuda.is_available() else [])]
ROWS = 53
LABELS, UNITS = np.arange(ROWS) % 4, np.arange(ROWS) // 3


def store(seed: int) -> FeatureStore:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 30, size=ROWS)
    lengths[7] = 0  # a store that skipped what the others have
    frames = generator.normal(size=(lengths.sum(), 3)).astype(np.float32)
    return FeatureStore(frames, np.cumsum(lengths) - lengths, lengths, {})


STORES = [store(seed) for seed in range(3)]
BATCHES = FeatureBatches(STORES, LABELS, UNITS)


def features(device: torch.device = CPU) -> DeviceCache:
    return DeviceCache(STORES, [range(ROWS), range(1, ROWS), range(1, ROWS)], 3, device)


def sampler(**options) -> BucketSampler:
    defaults = {
        "rows": range(1, ROWS),
        "lengths": STORES[0].lengths,
        "batch_size": 4,
        "augmentations": 3,
        "shuffle": True,
    }
    return BucketSampler(**{**defaults, **options})


def loaders(device: torch.device = CPU, **options) -> tuple[BatchLoader, DeviceLoader]:
    host = BatchLoader(BATCHES, sampler(**options), workers=0, pin_memory=False)
    return host, DeviceLoader(BATCHES, sampler(**options), features(device))


def assert_same(found, expected) -> None:
    found, expected = list(found), list(expected)
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for key in other:
            assert one[key].dtype == other[key].dtype
            assert torch.equal(one[key].cpu(), other[key]), key


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"seed": 1, "batch_size": 5},
        {"strata": (UNITS % 2, UNITS)},
        {"rows": range(ROWS), "augmentations": 1, "shuffle": False},
        {"rows": [7], "batch_size": 1},
    ],
    ids=["augmentations", "a part batch", "strata", "evaluation", "nothing but padding"],
)
def test_a_device_loader_gives_the_batches_of_the_host(options, device):
    host, cached = loaders(device, **options)
    assert len(cached) == len(host)
    for epoch in range(3):
        for loader in (host, cached):
            loader.sampler.set_epoch(epoch)
        assert_same(cached, host)


@pytest.mark.parametrize("first", [0, 1], ids=["host, then device", "device, then host"])
def test_an_epoch_may_begin_in_one_place_and_end_in_the_other(first):
    whole = list(loaders()[0])
    interrupted, other = loaders()[first], loaders()[1 - first]
    begin = list(islice(iter(interrupted), 5))
    other.load_state_dict(interrupted.state_dict())
    assert_same([*begin, *other], whole)
    assert other.state_dict() == {"batches": 0}
    assert_same(other, whole)


def test_the_host_never_waits_for_the_device():
    # A tensor on meta has no values: reading one raises.
    cached = DeviceLoader(BATCHES, sampler(), features(torch.device("meta")))
    for found, expected in zip(cached, loaders()[0], strict=True):
        for key, value in found.items():
            assert value.device.type == "meta"
            assert value.shape == expected[key].shape


def test_only_the_selected_rows_are_there():
    chosen = DeviceCache(STORES, [[3, 5], [5], []], 3, CPU)
    assert len(chosen.frames) == 1 + STORES[0].lengths[[3, 5]].sum() + STORES[1].lengths[5]
    assert chosen.holds(1, [3, 5])
    assert chosen.holds(2, [5])
    assert not chosen.holds(2, [3, 5])
    assert not chosen.holds(3, [5])


@pytest.mark.parametrize(
    ("cache_on_device", "device", "size", "expected"),
    [
        ("auto", "cuda", 499, True),
        ("auto", "cuda", 500, False),
        ("auto", "cpu", 1, False),
        ("auto", "mps", 1, False),
        (True, "cpu", 10**12, True),
        (False, "cuda", 1, False),
    ],
)
def test_auto_wants_a_cuda_device_with_twice_the_memory(monkeypatch, cache_on_device, device, size, expected):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 4000))
    assert should_cache(cache_on_device, size, torch.device(device)) is expected


def test_features_that_do_not_fit_are_refused():
    vast = FeatureStore(STORES[0].frames, np.zeros(1, dtype=np.int64), np.array([2**50]), {})
    with pytest.raises(
        UserError, match=r"cache_on_device: [\d.]+ GB of features do not fit on cpu; set cache_on_device=false"
    ):
        DeviceCache([vast], [[0]], 80, CPU)


class Recorder(lightning.LightningModule):
    """Keeps every batch as a module is given it."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.batches = []

    def keep(self, batch, batch_idx) -> None:
        self.batches.append(batch)

    training_step = validation_step = test_step = keep

    def configure_optimizers(self) -> None:
        return None


@pytest.fixture
def corpora(tone, tmp_path):
    """Two tables of tones, to train on one and test on the other; one file is no audio, and one label is in no class."""

    def table(name: str, labels: tuple[str, ...], speakers: int) -> Corpus:
        rows = [
            {"path": f"{name}/{speaker}_{label}_{take}.wav", "label": label, "speaker": f"{name}{speaker}"}
            for speaker in range(speakers)
            for label in labels
            for take in range(2)
        ]
        for number, row in enumerate(rows):
            tone(row["path"], seconds=0.3 + 0.05 * (5 * number % 11), hertz=300 + 20 * number)
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return tmp_path / f"{name}.csv"

    source, target = table("a", ("anger", "boredom", "sadness"), 4), table("b", ("anger", "sadness"), 2)
    (tmp_path / "a/3_anger_1.wav").write_bytes(b"no audio")
    return read_corpus("table", source), read_corpus("table", target)


def speech_data(corpora, folder, cache_on_device) -> SpeechData:
    dataset = make_dataset(*corpora, classes={"angry": ["anger"], "sad": ["sadness"]})
    return SpeechData(
        dataset,
        folder,
        FrontEndConfig(n_mels=20),
        augmentations=(OfflineAugmentation(), OfflineAugmentation(speed=0.9)),
        batch_size=3,
        on_bad_audio="skip",
        cache_on_device=cache_on_device,
    )


def fit_and_test(data: SpeechData, folder) -> tuple[list, list[BatchLoader]]:
    """Every batch that a module is given, and the loaders that it is from."""
    recorder = Recorder()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(recorder, data)
    loaders = [trainer.train_dataloader, trainer.val_dataloaders]
    trainer.test(recorder, data, verbose=False)
    return recorder.batches, [*loaders, trainer.test_dataloaders]


def test_a_trainer_gets_the_same_batches_from_every_loader(corpora, tmp_path):
    host, loaders = fit_and_test(speech_data(corpora, tmp_path, False), tmp_path)
    assert [type(loader) for loader in loaders] == [BatchLoader] * 3
    data = speech_data(corpora, tmp_path, True)
    cached, loaders = fit_and_test(data, tmp_path)
    assert [type(loader) for loader in loaders] == [DeviceLoader] * 3
    assert_same(cached, host)
    rows = {int(row) for batch in cached for row in batch["rows"]}
    assert rows == {*data.split.train, *data.split.val, *data.split.test}
    assert len(rows) == 23, "one of 16 + 8 is no audio"


def test_the_device_is_free_when_the_trainer_has_done(corpora, tmp_path):
    data = speech_data(corpora, tmp_path, True)
    _, loaders = fit_and_test(data, tmp_path)
    for loader in loaders:
        assert not hasattr(loader.cache, "frames")
    assert type(data.test_dataloader()) is BatchLoader


def test_a_setup_without_a_trainer_leaves_batches_on_the_host(corpora, tmp_path):
    data = speech_data(corpora, tmp_path, True)
    data.setup("fit")
    assert type(data.train_dataloader()) is BatchLoader


WORDS = ("hrf=true", "batch_size=4", "augment.speed=[0.9]", "callbacks=none")


def test_a_run_does_not_notice(train, tmp_path, monkeypatch):
    made = []
    gather = DeviceCache.gather
    monkeypatch.setattr(DeviceCache, "gather", lambda *given: made.append(1) or gather(*given))
    train(tmp_path / "host", *WORDS, "cache_on_device=auto")
    assert not made, "auto leaves a CPU alone"
    train(tmp_path / "cache_on_device", *WORDS, "cache_on_device=true", "workers=2")
    assert made
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cache_on_device" / name).read_bytes() == (tmp_path / "host" / name).read_bytes()
    made.clear()

    end = History.on_train_batch_end

    def interrupt(self, trainer, *rest) -> None:
        end(self, trainer, *rest)
        if (trainer.current_epoch, rest[-1]) == (1, 7):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(History, "on_train_batch_end", interrupt)
    with pytest.raises(SystemExit):
        train(tmp_path / "cut", *WORDS, "cache_on_device=true")
    monkeypatch.setattr(History, "on_train_batch_end", end)
    assert torch.load(tmp_path / "cut/checkpoints/last.ckpt", weights_only=True)["global_step"] == 18 + 8
    before = len(made)
    train(tmp_path / "cut", *WORDS, "cache_on_device=true", "ckpt_path=last")
    assert len(made) > before
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "host" / name).read_bytes()
