"""``python -m hrf_ser.demo``: what it serves, what it says, and how it ends."""

import http.client
import re
import signal
import socket
import subprocess
import sys

import pytest

onnx = pytest.importorskip("onnx", reason="a file to serve wants hrf_ser[export]")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A file with constant outputs and the metadata of an export."""
    from onnx import TensorProto, helper

    from hrf_ser.deploy.export.onnx import seal

    graph = helper.make_graph(
        [helper.make_node("Identity", ["constant"], [name]) for name in ("logits", "probabilities")],
        "hrf_ser",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("logits", "probabilities")],
        [helper.make_tensor("constant", TensorProto.FLOAT, [1, 2], [0.25, 0.75])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    entries = {
        "format": "hrf_ser export",
        "version": "1",
        "labels": '["a", "b"]',
        "sample_rate": "16000",
        "model": "tiny",
    }
    helper.set_model_props(model, {**entries, "quantisation": "none", "card": "{}"})
    path = tmp_path_factory.mktemp("export") / "my model, (1).onnx"
    path.write_bytes(seal(model))
    return path


@pytest.fixture
def interruptible():
    """A shell's background jobs ignore Ctrl+C, and so would every program that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_it_serves_until_it_is_interrupted(model_file, tmp_path):
    line = [sys.executable, "-m", "hrf_ser.demo", f"bundle={model_file}", "port=0", "open=false"]
    with subprocess.Popen(line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            first = process.stdout.readline()
            port = int(re.search(r"tiny, \d+ kB: http://127\.0\.0\.1:(\d+)/$", first)[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/")
            page = connection.getresponse().read().decode()
            connection.request("GET", re.search(r'src="(/v/\w+)/', page)[1] + "/model.onnx")
            assert connection.getresponse().read() == model_file.read_bytes()
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()
    assert list(tmp_path.iterdir()) == []


def test_page_and_server_start_without_torch():
    program = (
        "import sys, hrf_ser.demo; print([m for m in ('torch', 'numpy', 'lightning') if m in sys.modules])\n"
        "import hrf_ser.deploy.runtime.model_file, hrf_ser.deploy.demo.site, hrf_ser.deploy.demo.serve\n"
        "print([m for m in ('torch', 'lightning', 'onnx', 'hydra_plugins') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n[]\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("bundle=nowhere",), "Error: nowhere: does not exist"),
        (("bundle=empty",), "Error: empty: holds no bundle.json; give the bundle/ folder of a finished run."),
        (("bundle=text.onnx",), "Error: text.onnx: holds no checksum"),
        (("bundle=text.onnx", "port=70000"), "Error: port=70000 must be a whole number from 0 to 65535."),
        (("bundle=text.onnx", "port=true"), "Error: port=true must be a whole number from 0 to 65535."),
        (("bundle=text.onnx", "open=perhaps"), "Error: open=perhaps must be true or false."),
    ],
)
def test_slips_are_sentences(command, tmp_path, words, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.onnx").write_text("x" * 300)
    done = command("demo", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert "Traceback" not in done.stderr


def test_port_in_use_is_a_sentence(command, tmp_path, model_file):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = command("demo", f"bundle={model_file}", f"port={port}", "open=false", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: port={port}: is in use or not allowed; give another, or port=0 for any.\n",
    )
