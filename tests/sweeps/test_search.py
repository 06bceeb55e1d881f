"""A search with Optuna: a storage that is kept, and what is done when it exists."""

from types import SimpleNamespace

import pytest
from filelock import FileLock

from hrf_ser.errors import UserError
from hrf_ser.sweeps.search import LOCK, count_completed, open_storage, search

optuna = pytest.importorskip("optuna")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
RATE = optuna.distributions.LogUniformDistribution(0.001, 0.1)


def sweeper(url, direction="maximize"):
    sampler = optuna.samplers.TPESampler(seed=0)
    return SimpleNamespace(
        study_name="s", storage=open_storage(url), sampler=sampler, _get_directions=lambda: [direction]
    )


@pytest.fixture
def url(tmp_path):
    """Of a study with two finished trials and one whose command was killed."""
    url = f"sqlite:///{tmp_path}/search.db"
    study = optuna.create_study(study_name="s", storage=open_storage(url), direction="maximize")
    for value in (0.25, 0.5, None):
        trial = study.ask()
        trial._suggest("optimizer.lr", RATE)
        if value is not None:
            study.tell(trial, value)
    return url


def test_finished_trials_of_a_storage_count_and_running_ones_are_left_to_their_command(url):
    assert count_completed(sweeper(url), {"optimizer.lr": RATE}) == 2
    states = [trial.state.name for trial in optuna.load_study(study_name="s", storage=open_storage(url)).trials]
    assert states == ["COMPLETE", "COMPLETE", "RUNNING"]


def test_a_second_command_does_not_draw_the_settings_of_the_first_again(tmp_path):
    url = f"sqlite:///{tmp_path}/search.db"
    drawn = set()
    for _ in range(3):
        command = sweeper(url)
        count_completed(command, {"optimizer.lr": RATE})
        study = optuna.create_study(
            study_name="s", storage=command.storage, sampler=command.sampler, direction="maximize", load_if_exists=True
        )
        drawn.add(study.ask()._suggest("optimizer.lr", RATE))
    assert len(drawn) == 3


def test_two_searches_in_one_folder_are_refused(tmp_path):
    with (
        FileLock(tmp_path / LOCK),
        pytest.raises(UserError, match=r"^hydra.sweep.dir=.*: another search runs there; set"),
    ):
        search(SimpleNamespace(sweep_dir=str(tmp_path)), [])


def test_a_storage_without_the_study_has_no_trials(tmp_path):
    assert count_completed(sweeper(f"sqlite:///{tmp_path}/new.db"), {"optimizer.lr": RATE}) == 0


def test_another_search_space_or_direction_is_refused(url):
    other = optuna.distributions.LogUniformDistribution(0.001, 1.0)
    with pytest.raises(UserError, match=r"^hydra.sweeper.params: study s was searched over another optimizer.lr; give"):
        count_completed(sweeper(url), {"optimizer.lr": other})
    with pytest.raises(UserError, match=r"over another loss.label_smoothing; give"):
        count_completed(sweeper(url), {"optimizer.lr": RATE, "loss.label_smoothing": RATE})
    with pytest.raises(UserError, match=r"^hydra.sweeper.direction: study s is to maximize; give"):
        count_completed(sweeper(url, "minimize"), {"optimizer.lr": RATE})


@pytest.mark.parametrize("url", ["sqlite:////nowhere/search.db", "search.db", "mysql://host/db"])
def test_a_storage_that_cannot_be_opened_is_a_sentence(url):
    with pytest.raises(UserError, match=r"^hydra.sweeper.storage=.*: cannot be opened \(.*\); use sqlite") as refused:
        open_storage(url)
    assert "\n" not in str(refused.value)
