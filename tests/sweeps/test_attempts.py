import os

import pytest

from hrf_ser.errors import UserError
from hrf_ser.sweeps.attempts import ATTEMPT, LIMIT, attempt, deaths


def die(folder, checkpoint=False) -> None:
    """An attempt that is killed: its mark stays."""
    with attempt(folder):
        mark = (folder / ATTEMPT).read_text()
        if checkpoint:
            (folder / "checkpoints").mkdir(exist_ok=True)
            (folder / "checkpoints" / "new").write_text("")
            os.replace(folder / "checkpoints" / "new", folder / "checkpoints" / "last.ckpt")
    (folder / ATTEMPT).write_text(mark)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, None])
def test_an_attempt_that_ends_by_itself_is_no_death(tmp_path, error):
    if error is None:
        with attempt(tmp_path):
            pass
    else:
        with pytest.raises(error), attempt(tmp_path):
            raise error
    assert deaths(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_after_so_many_deaths_in_a_row_a_run_is_given_up_once(tmp_path):
    for number in range(LIMIT):
        assert deaths(tmp_path) == number
        die(tmp_path)
    with pytest.raises(UserError, match=r"killed its process 3 times .* sweep.retry_failed=true"), attempt(tmp_path):
        pytest.fail("tried again")
    assert deaths(tmp_path) == 0
    die(tmp_path)
    assert deaths(tmp_path) == 1


def test_a_checkpoint_more_begins_the_count_anew(tmp_path):
    for _ in range(2 * LIMIT):
        die(tmp_path, checkpoint=True)
        assert deaths(tmp_path) == 1
    die(tmp_path)
    assert deaths(tmp_path) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"deaths": "x", "checkpoint": null}'])
def test_a_mark_that_cannot_be_read_is_one_death(tmp_path, text):
    (tmp_path / ATTEMPT).write_text(text)
    assert deaths(tmp_path) == 1
