import contextlib
import hashlib
import json
import shutil

import numpy as np
import pytest

from hrf_ser.deploy.runtime import Emotion
from hrf_ser.deploy.runtime.onnx_bytes import look_through
from hrf_ser.errors import UserError

onnx = pytest.importorskip("onnx")


@pytest.fixture
def changed(exported_file, tmp_path, save):
    """``changed(function)``: the exported file after a change of its graph, with a report that fits. The function changes the
    model, or returns the bytes of the file."""

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


def own_function(model):
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    opset = onnx.helper.make_opsetid("", 20)
    model.functions.append(onnx.helper.make_function("", "Softmax", ["x"], ["y"], [node], [opset]))


def varint(value):
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number, content, tag_bits=0):
    """A field with bytes. onnxruntime cuts tags to 32 bits, so it reads the field in spite of greater ``tag_bits``."""
    return varint((number << 3 | 2) | tag_bits) + varint(len(content)) + content


def with_tensor(model, tensor):
    """The file with one more tensor, given as bytes."""
    graph = model.graph.SerializeToString() + field(5, tensor)
    model.ClearField("graph")
    return model.SerializeToString() + field(7, graph)


def hidden_external(model):
    tensor, entry = onnx.TensorProto(name="hidden"), onnx.StringStringEntryProto(key="location", value="secret")
    return with_tensor(model, tensor.SerializeToString() + field(13, entry.SerializeToString(), 1 << 32))


def hidden_location(model):
    """A number that is 1, which says external, once it is cut to 32 bits."""
    tensor = onnx.TensorProto(name="hidden")
    return with_tensor(model, tensor.SerializeToString() + varint(14 << 3) + varint(1 << 32 | 1))


def hidden_node_domain(model):
    node = onnx.helper.make_node("Gelu", ["logits"], ["unused"]).SerializeToString()
    graph = model.graph.SerializeToString() + field(1, node + field(7, b"com.evil", 1 << 32))
    model.ClearField("graph")
    return model.SerializeToString() + field(7, graph)


def hidden_opset_domain(model):
    return model.SerializeToString() + field(8, field(1, b"com.evil", 1 << 32))


def long_number(model):
    """An opset's version of 65 bits."""
    return model.SerializeToString() + field(8, varint(2 << 3) + varint(1 << 64 | 20))


CHANGES = {
    "newer": (entry("version", "2"), "newer hrf_ser"),
    "version is no number": (entry("version", "one"), "is damaged"),
    "other format": (entry("format", "something"), "its format is 'something'"),
    "no format": (entry("format", None), "not written by hrf_ser.export"),
    "no labels": (entry("labels", None), "no 'labels'"),
    "too few labels": (entry("labels", '["angry", "happy"]'), "something else than its labels say"),
    "labels alike": (entry("labels", '["angry", "angry", "sad"]'), "not different"),
    "labels no list": (entry("labels", '"abc"'), "not a list"),
    "labels nested": (entry("labels", "[" * 100_000), "is damaged"),
    "other rate": (entry("sample_rate", "0"), "sample rate is 0"),
    "data above": (external("../../secret"), "'../../secret'"),
    "data of the system": (external("/etc/passwd"), "'/etc/passwd'"),
    "data beside": (external("model.data"), "'model.data'"),
    "data in a branch": (nested_external, "'../weights'"),
    "foreign operator": (foreign_operator, "operators of 'com.evil'"),
    "own function": (own_function, "functions of its own"),
    "hidden data": (hidden_external, "field of number 536870925"),
    "hidden place of data": (hidden_location, "'unnamed'"),
    "hidden operator": (hidden_node_domain, "field of number 536870919"),
    "hidden operators": (hidden_opset_domain, "field of number 536870913"),
    "number too long": (long_number, "a number that is too long"),
    "no graph": (lambda model: model.ClearField("graph"), "holds 0 graphs"),
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
        # Its report fits, as if it had been cut before it was described.
        with pytest.raises(UserError, match=r"truncated|no checksum|damaged|labels"):
            Emotion(save(tmp_path / "model.onnx", content[:length]))


def test_a_changed_byte_is_seen_by_the_report(exported_file, tmp_path):
    content = bytearray(exported_file.read_bytes())
    content[len(content) // 2] ^= 1
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    shutil.copy(f"{exported_file}.json", f"{path}.json")
    with pytest.raises(UserError, match=r"is not the file that model\.onnx\.json describes"):
        Emotion(path)


def test_a_checksum_inside_makes_one_file_enough(exported_file, tmp_path):
    path = tmp_path / "alone.onnx"
    shutil.copy(exported_file, path)
    if look_through(path.read_bytes()).metadata.get("graph_sha256") is None:
        with pytest.raises(UserError, match="holds no checksum"):
            Emotion(path)
    model = onnx.load(exported_file)
    entry("graph_sha256", hashlib.sha256(model.graph.SerializeToString()).hexdigest())(model)
    path.write_bytes(model.SerializeToString())
    heard = Emotion(path)(np.full(16_000, 0.1, np.float32), 16_000)
    model.graph.initializer[-1].raw_data = bytes(len(model.graph.initializer[-1].raw_data))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="its graph is not the one"):
        Emotion(path)
    assert heard.label in ("angry", "happy", "sad")


def test_a_file_that_failed_its_comparison_is_refused(exported_file, tmp_path, save):
    with pytest.raises(UserError, match="did not pass"):
        Emotion(save(tmp_path / "model.onnx", exported_file.read_bytes(), published=False))


def test_random_bytes_end_in_nothing_but_a_sentence(tmp_path, save, exported_file):
    generator = np.random.default_rng(0)
    content = exported_file.read_bytes()
    for number in range(60):
        junk = bytearray(content)
        for place in generator.integers(0, min(len(junk), 3_000 if number % 2 else len(junk)), 30):
            junk[place] = generator.integers(0, 256)
        path = save(tmp_path / "model.onnx", bytes(junk))
        # The report was made of the damaged file, so damage to numbers alone cannot be seen; nothing else may happen.
        with contextlib.suppress(UserError):
            Emotion(path)


def test_metadata_that_stands_twice_is_refused(exported_file, tmp_path, save):
    model = onnx.load(exported_file)
    model.metadata_props.add(key="labels", value='["x", "y", "z"]')
    with pytest.raises(UserError, match="twice"):
        Emotion(save(tmp_path / "model.onnx", model.SerializeToString()))


def test_a_second_graph_is_refused(exported_file, tmp_path, save):
    model = onnx.load(exported_file)
    second = onnx.ModelProto()
    second.graph.CopyFrom(model.graph)
    with pytest.raises(UserError, match="2 graphs"):
        Emotion(save(tmp_path / "model.onnx", model.SerializeToString() + second.SerializeToString()))


def test_the_outline_is_that_of_onnx(exported_file):
    model, found = onnx.load(exported_file), look_through(exported_file.read_bytes())
    assert found.metadata == {one.key: one.value for one in model.metadata_props}
    assert found.domains == {""}
    assert (found.external, found.functions) == ([], 0)
    assert found.graph_sha256 == hashlib.sha256(model.graph.SerializeToString()).hexdigest()


def test_a_bundle_finds_its_export_beside_it_or_inside(run_of_tiny, tmp_path):
    expected = Emotion(run_of_tiny / "export" / "model.onnx").file.sha256
    for path in (run_of_tiny / "bundle", run_of_tiny / "export", run_of_tiny, str(run_of_tiny / "bundle")):
        assert Emotion(path).file.sha256 == expected
    inside = tmp_path / "inside"
    shutil.copytree(run_of_tiny / "bundle", inside)
    for name in ("model.onnx", "model.onnx.json"):
        shutil.copy(run_of_tiny / "export" / name, inside / name)
    shutil.copy(inside / "model.onnx", inside / "model.int8.onnx")  # The float32 file is preferred.
    assert Emotion(inside).file.path.name == "model.onnx"
    shutil.copy(inside / "model.onnx", inside / "other.onnx")
    with pytest.raises(UserError, match="holds 2 exported files"):
        Emotion(inside)


def test_an_export_of_another_bundle_is_refused(run_of_tiny, tmp_path):
    shutil.copytree(run_of_tiny, tmp_path / "run")
    description = tmp_path / "run" / "bundle" / "bundle.json"
    description.write_text(json.dumps(json.loads(description.read_text()) | {"card": {"seed": 1}}))
    with pytest.raises(UserError, match="another bundle"):
        Emotion(tmp_path / "run" / "bundle")


def test_a_bundle_that_was_not_exported_says_how(run_of_tiny, tmp_path):
    shutil.copytree(run_of_tiny / "bundle", tmp_path / "bundle")
    with pytest.raises(UserError, match=r"python -m hrf_ser\.export bundle=\S+ format=onnx"):
        Emotion(tmp_path / "bundle")
    with pytest.raises(UserError, match="does not exist"):
        Emotion(tmp_path / "gone")
