import errno
import subprocess
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from hrf_ser.entry import describe, quote_path, refuse_lists
from hrf_ser.errors import UserError


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("audio=speech.wav", "audio=speech.wav"),
        ("audio=recordings/*.flac", "audio=recordings/*.flac"),
        ("audio=a, b (1).wav", "audio='a, b (1).wav'"),
        ("audio=it's, mine.wav", r"audio='it\'s, mine.wav'"),
        ("audio=a,b", "audio='a,b'"),
        ("audio='quoted, already'", "audio='quoted, already'"),
        ("audio=[a,b]", "audio=[a,b]"),
        ("model=a,b", "model=a,b"),
        ("--multirun", "--multirun"),
        ("audio=", "audio="),
    ],
)
def test_paths_are_quoted_for_hydra_and_nothing_else_is(argument, expected):
    assert quote_path(argument, ("audio",)) == expected


@pytest.mark.parametrize(
    "path",
    [
        r"a\b (1).wav",
        r"C:\Users\Jane Doe\x.wav",
        r"\\server\share (x)\f.wav",
        "C:\\Data (1)\\",
        r"it's \'here\', (1)\\",
        "a, b's.wav",
    ],
)
def test_hydra_reads_a_quoted_path_as_it_was_typed(path):
    assert OverridesParser.create().parse_override(quote_path(f"audio={path}", ("audio",))).value() == path


@pytest.mark.parametrize("value", [["a.wav", "b.wav"], [], {"a": 1}])
def test_a_list_is_no_path(value):
    config = OmegaConf.create({"audio": value, "runs": ["a", "b"], "data": {"root": None}, "out": "???"})
    with pytest.raises(UserError, match=r"^audio takes one path, not a list"):
        refuse_lists(config, ("data.root", "out", "audio"))
    refuse_lists(config, ("data.root", "out", "bundle"))


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data", "data is no setting: write key=value, such as data=table; --help lists all settings."),
        ("data=my/table.csv", "data=my/table.csv is a file: write data=table data.root=my/table.csv."),
        ("data=ravdess,emodb", "data=ravdess,emodb has several values: add -m to do a run with each, or quote it"),
    ],
)
def test_habits_of_other_tools_are_sentences(override, sentence):
    line = [sys.executable, "-m", "hrf_ser.train", override]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith(f"Error: {sentence}")


def test_errors_that_the_user_can_mend_are_sentences_and_others_are_not():
    assert describe(UserError("a.wav: is silent.")) == "a.wav: is silent."
    full = describe(OSError(errno.ENOSPC, "No space left on device", "/runs/a.ckpt"))
    assert full.startswith("/runs/a.ckpt: no space is left on the disk")
    assert describe(PermissionError(errno.EACCES, "denied", "/runs")).startswith("/runs: no permission")
    assert describe(OSError(errno.EIO, "broken")) is None
    assert describe(ValueError("ours")) is None


def test_a_reader_that_closes_the_pipe_causes_no_traceback():
    command = [sys.executable, "-m", "hrf_ser.train", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1
