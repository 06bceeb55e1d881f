"""The synthesiser's program: what its parameters do, and data in a folder with a long name."""

import json
import subprocess
import sys
import wave

import pytest

from hrf_ser.data.corpora import espeak

loader = pytest.importorskip("espeakng_loader", reason="needs the extra demo")
TEXT = "The parcel is on the kitchen table."
PLAIN = {"voice": "en-us+m3", "text": TEXT, "rate": 170, "pitch": 50, "range": 50, "volume": 100}


def _speak(folder, *speech, data=None):
    """Seconds and samples of each utterance, spoken by one process."""
    order = {
        "library": loader.get_library_path(),
        "data": data or loader.get_data_path(),
        "speech": [{**PLAIN, **one, "path": str(folder / f"{number}.wav")} for number, one in enumerate(speech)],
    }
    program = [sys.executable, "-I", espeak.__file__]
    subprocess.run(program, input=json.dumps(order), text=True, check=True, stdout=subprocess.DEVNULL)
    spoken = []
    for number in range(len(speech)):
        with wave.open(str(folder / f"{number}.wav")) as file:
            assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
            frames = file.readframes(file.getnframes())
            spoken.append((file.getnframes() / file.getframerate(), memoryview(frames).cast("h").tolist()))
    return spoken


def test_rate_shortens_and_volume_raises(tmp_path):
    (plain, low), (fast, _), (_, loud) = _speak(tmp_path, {}, {"rate": 250}, {"volume": 140})
    assert fast < 0.8 * plain
    assert max(loud) > 1.2 * max(low)


def test_parameters_of_one_utterance_do_not_reach_the_next(tmp_path):
    (first, _), _, (third, _) = _speak(tmp_path, {}, {"rate": 300, "voice": "en-us+f1"}, {})
    assert first == pytest.approx(third, rel=0.02)


def test_data_in_a_folder_with_a_long_name_is_found(tmp_path):
    long = tmp_path / ("x" * 200)
    long.mkdir()
    (long / "espeak-ng-data").symlink_to(loader.get_data_path(), target_is_directory=True)
    ((seconds, _),) = _speak(tmp_path, {}, data=str(long / "espeak-ng-data"))
    assert seconds > 1
