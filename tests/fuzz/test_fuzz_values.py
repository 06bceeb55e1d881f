"""What has a structure is drawn by Hypothesis, which also finds the smallest input of a fault; bytes are in test_fuzz.py."""

import csv
import io

import numpy as np
import soundfile
from fuzz_targets_runs import _compose
from fuzz_usable import KEYS, usable
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hrf_ser.config import validate
from hrf_ser.data.corpora import read_corpus
from hrf_ser.errors import UserError

# The same examples each time, and nothing written to disk.
SAME = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([0, 1, 2, 3, 4, -1, 2**31, 2**32, 10**400, 2.0, 1e308])
SCALARS = (
    st.none()
    | st.booleans()
    | NUMBERS
    | st.text(max_size=8)
    | st.sampled_from(["validation", "adamw", "???", "${rank}", "${x}"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)
CELLS = st.text(max_size=12) | st.sampled_from(
    ["a.wav", "b.wav", "0.1", "0.04", "1e400", "nan", "-1", "train", "m", "~x/y", "\0", "x\ny"]
)


ROW = {"path": "a.wav", "label": "sad", "speaker": "s", "start": "", "end": "", "part": ""}


def _is_sentence(error, name):
    assert name in str(error)
    assert "\n" not in str(error)


@SAME
@example(key="seed", value=2**32)
@example(key="seed", value=1.0)
@example(key="rank", value=float("inf"))
@example(key="optimizer.lr", value=1e308)
@example(key="batch_size", value=10**400)
@example(key="rank", value={"\n": "???"})
@example(key="loss.label_smoothing", value=2)
@example(key="optimizer.warmup_epochs", value="abc")
@example(key="optimizer.final_lr", value="abc")
@example(key="augment.speed", value=0.9)
@example(key="augment.speed", value=[0])
@example(key="augment.noise_snr_db", value=5)
@example(key="augment.noise_snr_db", value=[1])
@example(key="augment.time_width", value="abc")
@example(key="augment.mixup", value=1e-300)
@example(key="features.window_ms", value=0)
@example(key="features.f_min", value=9000)
@example(key="reparam.factors", value=2.0)
@example(key="reparam.targets", value=4)
@given(key=st.sampled_from(KEYS), value=VALUES)
def test_any_value_of_any_key_is_refused_by_its_name_or_usable(key, value):
    changed = _CONFIG.copy()
    try:
        OmegaConf.update(changed, key, value, merge=False)
        validate(changed, "train")
    except OmegaConfBaseException:
        return  # OmegaConf's own message: an interpolation that leads nowhere
    except UserError as error:
        _is_sentence(error, key)
        return
    usable(changed)


_CONFIG = _compose([])


@SAME
@example(rows=[{**ROW, "path": "x" * 300}])
@example(rows=[{**ROW, "path": "~nobody/x"}])
@example(rows=[{**ROW, "start": "1\n2"}])
@given(
    rows=st.lists(
        st.fixed_dictionaries(dict.fromkeys(("path", "label", "speaker", "start", "end", "part"), CELLS)), max_size=4
    )
)
def test_any_table_is_refused_by_its_name_or_read_as_it_stands(tmp_path, rows):
    for name in ("a.wav", "b.wav"):
        if not (tmp_path / name).exists():
            soundfile.write(tmp_path / name, np.full(1_600, 0.1), 16_000)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, ["path", "label", "speaker", "start", "end", "part"])
    writer.writeheader()
    writer.writerows(rows)
    path = tmp_path / "table.csv"
    path.write_bytes(buffer.getvalue().encode())
    try:
        corpus = read_corpus("table", path)
    except UserError as error:
        _is_sentence(error, "table.csv")
        return
    wanted = {
        (row["label"].strip(), row["speaker"].strip()) for row in rows if any(cell.strip() for cell in row.values())
    }
    assert {(one.label, one.speaker) for one in corpus.utterances} == wanted
