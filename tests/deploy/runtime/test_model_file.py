import contextlib
import json
import shutil

import numpy as np
import pytest

from hrf_ser.deploy.runtime import Emotion
from hrf_ser.deploy.runtime.model_file import NO_CHECKSUM, load_model
from hrf_ser.errors import UserError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture
def changed(exported_file, tmp_path, save):
    """``changed(function)``: the exported file after a change, with a checksum that fits. The function changes the model, or
    returns the bytes of the file."""

    def write(change):
        model = onnx.load(exported_file)
        content = change(model)
        return save(tmp_path / "model.onnx", content if isinstance(content, bytes) else model.SerializeToString())

    return write


def entry(key, value):
    def change(model):
        known = {one.key: one.value for one in model.metadata_props} | {key: value}
        onnx.helper.set_model_props(model, {key: value for key, value in known.items() if value is not None})

    return change


def external(location):
    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    return change


def nested_external(model):
    """In a graph in an attribute of a node."""
    tensor = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "inner")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../weights")
    output = onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([], "branch", [], [output], [tensor])
    condition = onnx.numpy_helper.from_array(np.array(True), "condition")
    model.graph.initializer.append(condition)
    model.graph.node.append(
        onnx.helper.make_node("If", ["condition"], ["unused"], then_branch=graph, else_branch=graph)
    )


def foreign_operator(model):
    model.graph.node[-1].domain = "com.evil"


def varint(value, padding=0):
    """Protobuf's number; padded, it has more bytes than it needs."""
    low, rest = value & 0x7F, value >> 7
    if rest or padding:
        return bytes([low | 0x80]) + varint(rest, padding - (not rest))
    return bytes([low])


def field(number, content, tag_bits=0, padding=0):
    """A field with bytes. onnxruntime cuts tags to 32 bits, so it reads the field in spite of greater ``tag_bits``."""
    return varint((number << 3 | 2) | tag_bits) + varint(len(content), padding) + content


def with_tensor(model, tensor):
    """The file with one more tensor, given as bytes."""
    graph = model.graph.SerializeToString() + field(5, tensor)
    model.ClearField("graph")
    return model.SerializeToString() + field(7, graph)


def hidden_external(tag_bits, padding):
    """In fields that protobuf reads although no writer writes them."""

    def change(model):
        tensor = onnx.TensorProto(name="hidden", data_location=onnx.TensorProto.EXTERNAL)
        entry = field(1, b"location", tag_bits, padding) + field(2, b"secret")
        return with_tensor(model, tensor.SerializeToString() + field(13, entry, tag_bits))

    return change


def deep_graphs(model):
    """A graph in an attribute of a node of a graph, and so on."""
    graph = b""
    for _ in range(2_000):
        graph = field(1, field(5, field(6, graph)))
    model.ClearField("graph")
    return model.SerializeToString() + field(7, graph)


CHANGES = {
    "newer": (entry("version", "2"), "newer hrf_ser"),
    "version is no number": (entry("version", "one"), "is damaged"),
    "other format": (entry("format", "something"), "its format is 'something'"),
    "no format": (entry("format", None), "no 'format'"),
    "no labels": (entry("labels", None), "no 'labels'"),
    "too few labels": (entry("labels", '["angry", "happy"]'), "do not match its labels"),
    "labels alike": (entry("labels", '["angry", "angry", "sad"]'), "not different"),
    "labels no list": (entry("labels", '"abc"'), "not a list"),
    "labels nested": (entry("labels", "[" * 100_000), "is damaged"),
    "no card": (entry("card", "[]"), "card is no JSON object"),
    "other rate": (entry("sample_rate", "0"), "sample rate is 0"),
    "data above": (external("../../secret"), "keeps data in another file"),
    "data of the system": (external("/etc/passwd"), "keeps data in another file"),
    "data beside": (external("model.data"), "keeps data in another file"),
    "data in a branch": (nested_external, "keeps data in another file"),
    "data under a long tag": (hidden_external(1 << 32, 0), "keeps data in another file"),
    "data under a long length": (hidden_external(0, 3), "keeps data in another file"),
    "foreign operator": (foreign_operator, "com.evil"),
    "nested too deep": (deep_graphs, "damaged or no ONNX file"),
    "no graph": (lambda model: model.ClearField("graph"), "damaged or no ONNX file"),
    "other input": (lambda model: setattr(model.graph.input[0], "name", "audio"), "model.onnx: "),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_file_that_is_not_what_it_should_be_is_refused(changed, case):
    change, message = CHANGES[case]
    with pytest.raises(UserError) as caught:
        Emotion(changed(change))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_cut_anywhere_is_refused(exported_file, tmp_path, save):
    content = exported_file.read_bytes()
    generator = np.random.default_rng(0)
    for length in [0, 1, 8, len(content) - 1, *generator.integers(2, len(content), 60)]:
        with pytest.raises(UserError, match=r"truncated|damaged"):
            Emotion(save(tmp_path / "model.onnx", content[:length]))


def test_a_file_without_its_checksum_or_with_another_is_refused(exported_file, tmp_path):
    path = tmp_path / "alone.onnx"
    model = onnx.load(exported_file)
    model.graph.initializer[-1].raw_data = bytes(len(model.graph.initializer[-1].raw_data))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"alone\.onnx: is damaged \(its checksum is another\)"):
        Emotion(path)
    entry("sha256", None)(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"alone\.onnx: holds no checksum"):
        Emotion(path)


def test_random_bytes_end_in_nothing_but_a_sentence(tmp_path, save, exported_file):
    generator = np.random.default_rng(0)
    content = exported_file.read_bytes()
    for number in range(60):
        junk = bytearray(content)
        for place in generator.integers(0, min(len(junk), 3_000 if number % 2 else len(junk)), 30):
            junk[place] = generator.integers(0, 256)
        path = save(tmp_path / "model.onnx", bytes(junk))
        # The checksum was made of the damaged file, so damage to numbers alone cannot be seen; nothing else may happen.
        with contextlib.suppress(UserError):
            Emotion(path)


def test_data_in_a_file_of_the_working_directory_is_not_opened(tmp_path, save, monkeypatch):
    """onnxruntime reads a tensor of a branch from there, although the model is given as bytes."""
    monkeypatch.chdir(tmp_path)
    secret = np.array([1.0, 2.0], np.float32)
    secret.tofile("weights")
    model = branch_with_data_outside("weights")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {})[0].tolist() == secret.tolist()
    for location in ("weights", str(tmp_path / "weights")):
        path = save(tmp_path / "model.onnx", branch_with_data_outside(location).SerializeToString())
        with pytest.raises(UserError) as caught:
            load_model(path)
        assert str(caught.value) == f"{path}: keeps data in another file, which is never opened; export it again."


def branch_with_data_outside(location):
    tensor = onnx.numpy_helper.from_array(np.zeros(2, np.float32), "inner")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    outputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2]) for name in ("copy", "read")]
    copy = onnx.helper.make_node("Identity", ["inner"], ["copy"])
    branch = onnx.helper.make_graph([copy], "branch", [], outputs[:1], [tensor])
    condition = onnx.numpy_helper.from_array(np.array(True), "condition")
    node = onnx.helper.make_node("If", ["condition"], ["read"], then_branch=branch, else_branch=branch)
    graph = onnx.helper.make_graph([node], "graph", [], outputs[1:], [condition])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
    onnx.helper.set_model_props(model, {"sha256": NO_CHECKSUM})
    return model


def test_words_of_a_card_are_no_data_elsewhere(exported_file, tmp_path, save):
    model = onnx.load(exported_file)
    entry("card", json.dumps({"location": "location", "corpus": "location"}))(model)
    assert Emotion(save(tmp_path / "model.onnx", model.SerializeToString())).labels


def test_a_bundle_finds_its_export_beside_it_or_inside(exported_run, tmp_path):
    expected = exported_run / "export" / "model.onnx"
    for path in (exported_run / "bundle", exported_run / "export", exported_run, str(exported_run / "bundle")):
        assert Emotion(path).file.path.samefile(expected)
    inside = tmp_path / "inside"
    shutil.copytree(exported_run / "bundle", inside)
    shutil.copy(expected, inside / "model.onnx")
    shutil.copy(inside / "model.onnx", inside / "model.int8.onnx")  # The float32 file is preferred.
    assert Emotion(inside).file.path.name == "model.onnx"
    shutil.copy(inside / "model.onnx", inside / "other.onnx")
    with pytest.raises(UserError, match="holds 2 exported files"):
        Emotion(inside)


def test_an_export_of_another_bundle_is_refused(exported_run, tmp_path):
    shutil.copytree(exported_run, tmp_path / "run")
    description = tmp_path / "run" / "bundle" / "bundle.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"card": {"seed": 1}}))
    with pytest.raises(UserError, match="another bundle"):
        Emotion(tmp_path / "run" / "bundle")


def test_a_bundle_that_was_not_exported_says_how(exported_run, tmp_path):
    shutil.copytree(exported_run / "bundle", tmp_path / "bundle")
    with pytest.raises(UserError, match=r"python -m hrf_ser\.export bundle=\S+ format=onnx"):
        Emotion(tmp_path / "bundle")
    with pytest.raises(UserError, match="does not exist"):
        Emotion(tmp_path / "gone")
