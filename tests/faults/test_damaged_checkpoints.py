"""Truncated or changed checkpoints. For features see tests/data, for bundles and exports tests/deploy."""

import random
import shutil

import pytest
import torch
from verbs import VERBS

from hrf_ser.training.checkpoints import read_checkpoint


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip(path):
    """Flip one bit of the weights, which torch alone does not detect."""
    data = bytearray(path.read_bytes())
    weights = torch.load(path, weights_only=True)["state_dict"].values()
    piece = max(weights, key=torch.numel).contiguous().numpy().tobytes()
    data[data.index(piece) + len(piece) // 2] ^= 1
    path.write_bytes(data)


@pytest.fixture
def begun(forks, given, tmp_path):
    """A function that leaves a verb's folder as a kill after its last epoch does."""

    def begin(name):
        verb, folder = VERBS[name], tmp_path / name
        assert verb.run(forks, given, folder).status == 0
        for path in folder.rglob("metrics.json"):
            path.unlink()
        return verb, folder

    return begin


@pytest.mark.parametrize(("name", "damage"), [("last", cut), ("last", flip), ("best", cut), ("best", flip)])
def test_a_run_says_which_file_is_damaged_and_how_to_restart(begun, forks, given, undisturbed, name, damage):
    verb, folder = begun("train")
    damage(folder / f"run/checkpoints/{name}.ckpt")
    ended = verb.run(forks, given, folder, restart=True)
    assert ended.status == 1
    assert ended.output.startswith(f"Error: {folder}/run/checkpoints/{name}.ckpt: cannot be read as a checkpoint (")
    assert f"remove {folder}/run/checkpoints to start this run again" in ended.output
    shutil.rmtree(folder / "run/checkpoints")
    assert verb.run(forks, given, folder, restart=True).status == 0
    assert verb.outcome(folder) == undisturbed("train")[1]


def test_a_sweep_restarts_a_run_with_a_damaged_checkpoint(begun, forks, given, undisturbed):
    verb, folder = begun("sweep")
    first, second = sorted(folder.glob("runs/*/checkpoints"))
    cut(first / "last.ckpt")
    flip(second / "best.ckpt")
    ended = verb.run(forks, given, folder)
    assert ended.status == 0, ended.output
    assert ended.output.count("this run starts again") == 2
    assert verb.outcome(folder) == undisturbed("sweep")[1]


def test_every_flipped_bit_of_a_weight_is_noticed(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": {"a": torch.randn(500)}, "epoch": 1}, path)
    whole, expected = path.read_bytes(), read_checkpoint(path)["state_dict"]["a"]
    generator = random.Random(0)
    for _ in range(200):
        data = bytearray(whole)
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(data)
        try:
            content = read_checkpoint(path)
        except ValueError:
            continue
        # An undetected flip lies outside the entries.
        assert torch.equal(content["state_dict"]["a"], expected)
        assert content["epoch"] == 1
