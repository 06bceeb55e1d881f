"""A run resumes only with the same settings, and with the best epoch that it had."""

import csv
import shlex
import shutil

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import OmegaConf

from hrf_ser.errors import UserError
from hrf_ser.training.history import History

# Its best epoch comes early.
EARLY = ("optimizer.lr=0.05", "callbacks=none", "seed=1")


@pytest.fixture
def stopped(train, monkeypatch):
    """Trains as ``train`` does, up to a SIGTERM after a batch: ``stopped(epoch, batch, folder, *overrides)``."""
    end = History.on_train_batch_end
    place = None

    def on_train_batch_end(self, trainer, pl_module, outputs, data, batch_idx):
        end(self, trainer, pl_module, outputs, data, batch_idx)
        if (trainer.current_epoch, batch_idx) == place:
            raise SIGTERMException

    def run(epoch, batch, folder, *overrides):
        nonlocal place
        place = epoch, batch
        with monkeypatch.context() as patch:
            patch.setattr(History, "on_train_batch_end", on_train_batch_end)
            with pytest.raises(SystemExit):
                train(folder, *overrides)

    return run


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_checkpoint_of_a_run_of_other_settings_is_refused(train, tmp_path):
    train(tmp_path / "a", "fold=1", "trainer.max_epochs=1")
    last = f"ckpt_path={tmp_path}/a/checkpoints/last.ckpt"
    for words, message in (
        (["fold=2"], r"is of a run with fold=1, and this run has fold=2; make them equal, or .* init_from= instead"),
        (["fold=1", "optimizer.lr=0.3"], r"with optimizer\.lr=0\.001, and this run has optimizer\.lr=0\.3;"),
        (["fold=1", "optimizer.name=sgd"], r"with optimizer\.name=adamw, .* optimizer\.name=sgd;"),
        (["fold=1", "model=speechformer"], r"with model\.name=conv_transformer, .* model\.name=speechformer;"),
        (["fold=1", "hrf=true"], r"with hrf=false, and this run has hrf=true;"),
        (["fold=1", "label_map=four"], r"with label_map\.classes\.angry=null, and "),
    ):
        with pytest.raises(UserError, match=message):
            train(tmp_path / "b", last, *words)
        assert not list((tmp_path / "b").iterdir())


def test_an_unfinished_run_is_not_resumed_under_other_settings(train, stopped, tmp_path):
    stopped(1, 1, tmp_path, "batch_size=8")
    before = (tmp_path / "config.yaml").read_bytes()
    with pytest.raises(
        UserError, match=r"ckpt_path=last: is of a run with batch_size=8, and this run has batch_size=4;"
    ):
        train(tmp_path, "batch_size=4", "ckpt_path=last")
    assert (tmp_path / "config.yaml").read_bytes() == before


def test_a_run_resumes_for_longer_elsewhere_and_keeps_its_best_epoch(train, tmp_path):
    train(tmp_path / "a", *EARLY, "trainer.max_epochs=3")
    train(tmp_path / "b", *EARLY, "trainer.max_epochs=6", f"ckpt_path={tmp_path}/a/checkpoints/last.ckpt")
    history = rows(tmp_path / "b/history.csv")
    assert [int(row["epoch"]) for row in history] == list(range(6))
    best = max(history, key=lambda row: float(row["val/ua"]))
    assert int(best["epoch"]) < 3, "else this shows nothing"
    assert torch.load(tmp_path / "b/checkpoints/best.ckpt", weights_only=True)["epoch"] == int(best["epoch"])


@pytest.mark.parametrize("place", ["moved", "copied"])
def test_a_run_whose_folder_was_moved_knows_its_best_epoch(train, stopped, tmp_path, place):
    whole = train(tmp_path / "whole", *EARLY, "trainer.max_epochs=4")
    stopped(3, 1, tmp_path / "cut", *EARLY, "trainer.max_epochs=4")
    if place == "moved":
        (tmp_path / "cut").rename(tmp_path / "there")
    else:
        shutil.copytree(tmp_path / "cut", tmp_path / "there")
    record = train(tmp_path / "there", *EARLY, "trainer.max_epochs=4", "ckpt_path=last")
    assert record["best_epoch"] == whole["best_epoch"] < 3, "else this shows nothing"
    for name in ("predictions.csv", "history.csv"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_an_unfinished_run_is_not_written_over_by_a_checkpoint_from_elsewhere(train, tmp_path):
    for name in "ab":
        train(tmp_path / name, "trainer.max_epochs=1")
    (tmp_path / "b/metrics.json").unlink()
    with pytest.raises(UserError, match="b holds an unfinished run: add ckpt_path=last"):
        train(tmp_path / "b", "trainer.max_epochs=1", f"ckpt_path={tmp_path}/a/checkpoints/last.ckpt")
    record = train(tmp_path / "b", "trainer.max_epochs=1", f"ckpt_path={tmp_path}/b/checkpoints/last.ckpt")
    assert record["epochs"] == 1


def test_a_checkpoint_that_does_not_say_of_which_run_it_is_or_has_lost_its_best_epoch_is_refused(train, tmp_path):
    train(tmp_path / "a", "trainer.max_epochs=1")
    (tmp_path / "lonely").mkdir()
    checkpoints = tmp_path / "a/checkpoints"
    for name in ("best.ckpt", "last.ckpt"):
        shutil.copy(checkpoints / name, tmp_path / "lonely" / name)
    with pytest.raises(UserError, match=r"there is no .*config\.yaml, which says with what settings"):
        train(tmp_path / "b", f"ckpt_path={tmp_path}/lonely/last.ckpt")
    config = tmp_path / "a/config.yaml"
    settings = config.read_text()
    for text in ("[1, 2]", "a: {"):
        config.write_text(text)
        with pytest.raises(UserError, match=r"config\.yaml cannot be read as the settings of a run"):
            train(tmp_path / "b", f"ckpt_path={checkpoints}/last.ckpt")
    config.write_text(settings)
    content = torch.load(checkpoints / "best.ckpt", weights_only=True)
    torch.save({**content, "epoch": 5}, checkpoints / "best.ckpt")
    with pytest.raises(UserError, match=r"best\.ckpt is of a later one; name .*last\.ckpt"):
        train(tmp_path / "b", f"ckpt_path={checkpoints}/last.ckpt")
    (checkpoints / "best.ckpt").unlink()
    with pytest.raises(UserError, match=r"best\.ckpt: cannot be read as a checkpoint .*, and resuming needs it"):
        train(tmp_path / "b", f"ckpt_path={checkpoints}/last.ckpt")
    assert not list((tmp_path / "b").iterdir())


def test_a_table_that_has_moved_with_its_corpus_is_no_other_setting(train, stopped, tmp_path, tone):
    for number in range(24):
        tone(f"corpus/{number}.wav", hertz=200 + 100 * (number % 2), seconds=0.3)
    lines = [f"{number}.wav,{'ab'[number % 2]},s{number // 4}" for number in range(24)]
    table = tmp_path / "corpus/table.csv"
    table.write_text("\n".join(["path,label,speaker", *lines]) + "\n")
    words = ("data=table", "batch_size=4")
    stopped(1, 1, tmp_path / "run", *words, f"data.root={table}")
    other = tmp_path / "corpus/other.csv"
    other.write_text(table.read_text().replace("s5", "s6"))
    with pytest.raises(
        UserError, match=r"is of a run with data\.root=.*/corpus/table\.csv, and this run has data\.root="
    ):
        train(tmp_path / "run", *words, f"data.root={other}", "ckpt_path=last")
    (tmp_path / "corpus").rename(tmp_path / "moved")
    record = train(tmp_path / "run", *words, f"data.root={tmp_path}/moved/table.csv", "ckpt_path=last")
    assert record["status"] == "finished"


def test_a_run_that_is_stopped_prints_the_command_that_resumes_it(stopped, tmp_path, capsys):
    stopped(1, 1, tmp_path / "a run", "batch_size=8", "fold=2")
    words = shlex.split(capsys.readouterr().err.split("to resume: ")[1])
    assert words[:3] == ["python", "-m", "hrf_ser.train"]
    assert {"batch_size=8", "fold=2", "logger=none"} < set(words)
    assert words[-2:] == [f"hydra.run.dir={tmp_path}/a run", "ckpt_path=last"]
    stopped(1, 2, tmp_path / "a run", "batch_size=8", "fold=2", "ckpt_path=last")
    assert shlex.split(capsys.readouterr().err.split("to resume: ")[1]) == words


def test_settings_are_read_as_they_were_written(train, tmp_path):
    train(tmp_path, "trainer.max_epochs=1", "optimizer.lr=1e-5", "data.options.utterances_per_cell=3")
    assert OmegaConf.load(tmp_path / "config.yaml").optimizer.lr == 1e-5
    (tmp_path / "metrics.json").unlink()
    assert train(tmp_path, "trainer.max_epochs=2", "optimizer.lr=0.00001", "ckpt_path=last")["epochs"] == 2
