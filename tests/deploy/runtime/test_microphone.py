import importlib
import sys
import types

import numpy as np
import pytest

from hrf_ser.deploy.runtime.microphone import microphone
from hrf_ser.errors import UserError


class PortAudioError(Exception):
    pass


@pytest.fixture
def sounddevice(monkeypatch):
    """A sounddevice with one microphone, which gives the chunks in ``module.chunks`` when it is started."""
    module = types.ModuleType("sounddevice")
    module.PortAudioError, module.chunks, module.closed = PortAudioError, [], False
    module.query_devices = lambda _device, _kind: {"default_samplerate": 48_000.0}

    class InputStream:
        def __init__(self, *, blocksize, callback, **options):
            assert (blocksize, options["samplerate"], options["channels"]) == (4_800, 48_000, 1)
            self.callback = callback

        def start(self):
            data = np.zeros((4_800, 1), np.float32)
            for value in module.chunks:
                data[:] = value  # PortAudio's buffer is the same for each call.
                self.callback(data, 4_800, None, None)

        def stop(self):
            pass

        def close(self):
            module.closed = True

    module.InputStream = InputStream
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def test_chunks_come_in_order_and_the_device_is_closed(sounddevice):
    sounddevice.chunks = [0.1, 0.2, 0.3]
    source = microphone()
    found = [next(source) for _ in range(3)]
    assert [rate for _, rate in found] == [48_000] * 3
    assert [float(chunk[0, 0]) for chunk, _ in found] == pytest.approx([0.1, 0.2, 0.3])
    assert not sounddevice.closed
    source.close()
    assert sounddevice.closed


def test_a_microphone_that_is_gone_is_an_error(sounddevice):
    with pytest.raises(UserError, match="gives nothing any more"):
        next(microphone(timeout_s=0.05))
    assert sounddevice.closed


def test_lost_audio_is_an_error_and_not_skipped(sounddevice):
    sounddevice.chunks = [0.1] * 200
    with pytest.raises(UserError, match="too slow"):
        next(microphone())


@pytest.mark.parametrize(
    "error", [PortAudioError("Error querying device -1"), ValueError("No input device matching 'x'")]
)
def test_no_microphone_is_an_error(sounddevice, error):
    def query_devices(device, kind):
        raise error

    sounddevice.query_devices = query_devices
    with pytest.raises(UserError, match=r"no microphone can be opened \((Error querying|No input device)"):
        next(microphone())


def test_a_missing_package_or_library_is_an_error(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    for content, message in (
        ("raise ImportError('no')", r'pip install "hrf_ser\[mic\]"'),
        ("raise OSError('PortAudio library not found')", "apt install libportaudio2"),
    ):
        monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
        (tmp_path / "sounddevice.py").write_text(content)
        with pytest.raises(UserError, match=message):
            next(microphone())
        (tmp_path / "sounddevice.py").unlink()
        importlib.invalidate_caches()
