import io

import numpy as np
import pytest
from rich.console import Console

from hrf_ser.deploy.runtime import Posterior, Predictor
from hrf_ser.deploy.runtime.windows import Windows
from hrf_ser.errors import UserError
from hrf_ser.predict import meter


class Level(Predictor):
    labels = ("quiet", "loud")
    sample_rate = 16_000

    def posterior(self, waveform):
        loud = min(float(np.abs(waveform).mean()), 1.0)
        return np.array([1 - loud, loud], np.float32)


def chunks(count, rate=8_000):
    for _ in range(count):
        yield np.full(rate // 10, 0.8, np.float32), rate


def test_a_source_is_followed_and_stops_in_time():
    source = chunks(1_000)
    found = list(Level().follow(source, Windows(1.0, 0.5, 0.0), seconds=2.2))
    assert [one.end for one in found] == pytest.approx([1.0, 1.5, 2.0, 2.2])
    assert {one.emotion for one in found} == {"loud"}
    assert len(list(source)) == 1_000 - 22


def test_a_posterior_is_shown_before_the_next_chunk_is_read():
    taken = []

    def source():
        for number, chunk in enumerate(chunks(30)):
            taken.append(number)
            yield chunk

    next(Level().follow(source(), Windows(1.0, 0.5, 0.0)))
    assert len(taken) <= 11  # The filter's delay may want one chunk more than the window has.


def test_a_chunk_that_is_no_audio_ends_it():
    with pytest.raises(UserError, match="NaN"):
        list(Level().follow([(np.full(800, np.nan), 8_000)], Windows()))


def test_the_meter_shows_a_bar_a_class_in_a_terminal_and_lines_elsewhere():
    loud = Posterior(0.0, 3.0, {"quiet": 0.9, "loud": 0.1}, {"quiet": 0.25, "loud": 0.75})
    silent = Posterior(1.0, 4.0, None, None)
    screen, file = io.StringIO(), io.StringIO()
    with meter(Console(file=screen, force_terminal=True, width=80)) as show:
        show(silent)
        show(loud)
    assert "loud" in screen.getvalue()
    assert "0.75" in screen.getvalue()
    assert "━" in screen.getvalue()
    with meter(Console(file=file)) as show:
        show(loud)
        show(silent)
    assert file.getvalue() == "3.00 s  loud  0.75\n4.00 s  silence\n"
