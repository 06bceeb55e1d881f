"""The command hrf-ser, as ``python -m hrf_ser.cli``: an installed wheel has it under its name (test_wheel.py)."""

import shutil
import subprocess
import sys

import pytest

from hrf_ser import cli, completion, doctor
from hrf_ser.config.schema import SCHEMAS
from hrf_ser.entry import name_paths
from hrf_ser.errors import UserError


def run(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["hrf-ser", *arguments])
    cli.main()
    return capsys.readouterr().out


def test_help_lists_every_verb_and_version_is_printed(capsys, monkeypatch):
    for arguments in ((), ("--help",), ("help",)):
        text = run(capsys, monkeypatch, *arguments)
        assert all(f"  {verb} " in text for verb in cli.VERBS)
    assert set(SCHEMAS) <= set(cli.VERBS)
    assert run(capsys, monkeypatch, "--version").startswith("hrf_ser 0.")


def test_help_imports_nothing_heavy():
    program = (
        "import sys; sys.argv = ['hrf-ser', '--help']; from hrf_ser.cli import main; main();"
        "print(sorted({'torch', 'numpy', 'hydra', 'omegaconf', 'pydantic', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_unknown_verb_ends_in_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["hrf-ser", "guess"])
    with pytest.raises(SystemExit, match=r"^Error: guess is no verb: use one of predict, "):
        cli.main()


@pytest.mark.parametrize("verb", ["train", "record"])
def test_a_verb_runs_its_module_with_the_same_overrides(monkeypatch, verb):
    seen = []
    module = "hrf_ser.predict" if verb == "record" else f"hrf_ser.{verb}"
    monkeypatch.setattr(
        cli, "import_module", lambda name: seen.append(name) or type("Module", (), {"main": staticmethod(list)})
    )
    monkeypatch.setattr(sys, "argv", ["hrf-ser", verb, "seed=3"])
    cli.main()
    assert seen == [module]
    assert sys.argv == [f"hrf-ser {verb}", *(["audio=mic"] if verb == "record" else []), "seed=3"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.wav"], ["audio='a.wav'"]),
        (["a.wav", "threads=2", "it's (1).wav", "-"], ["threads=2", r"audio=['a.wav','it\'s (1).wav','-']"]),
        (["audio=a.wav", "out=-"], ["audio=a.wav", "out=-"]),
        (["--config-dir", "folder", "a.wav"], ["--config-dir", "folder", "audio='a.wav'"]),
        (["--help"], ["--help"]),
        (["~out", "+x=1"], ["+x=1", "audio='~out'"]),
        ([], []),
    ],
)
def test_words_without_a_key_are_recordings(words, expected):
    assert name_paths(words, "audio") == expected


def test_a_file_whose_name_has_an_equals_sign_is_a_recording(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "take=1.wav").touch()
    assert name_paths(["take=1.wav"], "audio") == ["audio='take=1.wav'"]


def test_doctor_names_versions_parts_and_caches(capsys, monkeypatch, tmp_path):
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess/features").write_bytes(bytes(2_500_000))
    monkeypatch.setenv("HRF_SER_CACHE", str(tmp_path))
    monkeypatch.setattr(doctor, "extras", lambda: {"mic": ["no_such_package"], "export": ["numpy"]})
    text = run(capsys, monkeypatch, "doctor")
    assert 'pip install "hrf_ser[mic]"  (missing: no_such_package)' in text
    assert "export         installed" in text
    assert "ravdess        2.5 MB" in text
    for title in ("versions", "devices", "optional parts", "caches"):
        assert f"{title}\n" in text


def test_extras_come_from_the_metadata_of_the_distribution(monkeypatch):
    lines = [
        "torch>=2.8",
        'sounddevice>=0.4.6; extra == "mic"',
        "ruff>=0.8 ; extra == 'dev'",
        'hrf_ser[mic]; extra == "all"',
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda _: lines)
    assert doctor.extras() == {"mic": ["sounddevice"]}


def complete(script, words):
    """What bash suggests for the last of the words of a command line."""
    program = f"""{script}
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; [ "{words[-1]}" = '""' ] && COMP_WORDS[$COMP_CWORD]=
_hrf_ser; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_verbs_settings_and_values():
    script = completion.script("bash")
    assert complete(script, ["hrf-ser", "pre"]) == ["predict", "prepare"]
    assert "data.root=" in complete(script, ["hrf-ser", "train", "data.ro"])
    assert complete(script, ["hrf-ser", "train", "trainer.max_ep"]) == ["trainer.max_epochs="]
    # bash splits at =, zsh hands the whole word over.
    assert complete(script, ["hrf-ser", "train", "model", "=", "confo"]) == ["conformer", "conformer_large"]
    assert complete(script, ["hrf-ser", "train", "model=confo"]) == ["model=conformer", "model=conformer_large"]
    assert complete(script, ["hrf-ser", "completion", '""'])[:3] == ["bash", "zsh", "fish"]


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_scripts_name_every_verb(capsys, monkeypatch, shell):
    text = run(capsys, monkeypatch, "completion", shell)
    assert all(verb in text for verb in cli.VERBS)
    assert "model=" in text


@pytest.mark.parametrize("arguments", [[], ["tcsh"], ["bash", "zsh"]])
def test_another_shell_ends_in_one_sentence(arguments):
    with pytest.raises(UserError, match="completion takes a shell"):
        completion.main(arguments)
