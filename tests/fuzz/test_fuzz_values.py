"""What has a structure is drawn by Hypothesis, which also finds the smallest input of a fault; bytes are in test_fuzz.py."""

import csv
import io

import numpy as np
import pytest
import soundfile
from fuzz_targets_runs import _compose
from fuzz_usable import KEYS, usable
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hrf_ser.config import validate
from hrf_ser.data.corpora import read_corpus
from hrf_ser.deploy.runtime.onnx_bytes import Contents, NotOnnxError, look_through
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


def _varint(number):
    digits = []
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def _message(fields):
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts.append(_varint(number << 3) + _varint(value))
        else:
            content = value if isinstance(value, bytes) else _message(value)
            parts.append(_varint(number << 3 | 2) + _varint(len(content)) + content)
    return b"".join(parts)


# The numbers that the reader looks for, and others.
FIELD = st.sampled_from([1, 2, 5, 6, 7, 8, 10, 11, 13, 14, 15, 22, 23, 25, 99])
MESSAGES = st.recursive(
    st.binary(max_size=6)
    | st.integers(0, 2**64 - 1)
    | st.sampled_from([b"location", b"/etc/passwd", b"ai.onnx", b"evil"]),
    lambda inner: st.lists(st.tuples(FIELD, inner), max_size=5),
    max_leaves=30,
)


@SAME
@given(fields=st.lists(st.tuples(FIELD, MESSAGES), max_size=6), cut=st.none() | st.integers(0, 60))
def test_any_protocol_buffer_is_looked_through_or_refused(fields, cut):
    try:
        found = look_through(_message(fields)[:cut])
    except NotOnnxError as error:
        _is_sentence(error, "")
        return
    assert isinstance(found, Contents)
    assert len(found.graph_sha256) == 64


def test_nesting_is_followed_to_a_depth_only():
    graph = b""
    for _ in range(2_000):  # a graph in an attribute of a node of a graph
        graph = _message([(1, _message([(5, _message([(6, graph)]))]))])
    with pytest.raises(NotOnnxError, match="nested too deep"):
        look_through(_message([(7, graph)]))
