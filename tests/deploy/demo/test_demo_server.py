"""The server: what it hands out, to whom, and with which headers."""

import gzip
import hashlib
import http.client
import json
import socket
from pathlib import Path

import pytest
from demo_page import serving, site_of

from hrf_ser.deploy import demo
from hrf_ser.deploy.demo.serve import Server
from hrf_ser.errors import UserError

FOLDER = Path(demo.__file__).parent


def request(server, path, method="GET", host=None, headers=()):
    """One request -> status, headers, body. The path goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for value in [f"127.0.0.1:{server.server_port}"] if host is None else host:
        connection.putheader("Host", value)
    for name, value in headers:
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, response.headers, body


def base(server):
    return next(path for path in server.site if path.endswith("/model.onnx")).removesuffix("/model.onnx")


def test_it_listens_on_loopback_only(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


def test_every_file_comes_with_its_type_and_the_headers_that_isolate_the_page(server, model_file):
    types = {".css": "text/css", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm"}
    types |= {
        ".onnx": "application/octet-stream",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        "": "text/html",
    }
    assert len(server.site) > 25
    for path in server.site:
        status, headers, body = request(server, path)
        assert (status, headers.get_content_type()) == (200, types[Path(path).suffix])
        assert int(headers["Content-Length"]) == len(body)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
        assert policy["connect-src"] == policy["style-src"] == policy["worker-src"] == "'self'"
        assert "unsafe-inline" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == (
            "no-cache" if path.count("/") == 1 else "private, max-age=31536000, immutable"
        )
        assert "ython" not in headers["Server"]
    assert request(server, f"{base(server)}/model.onnx")[2] == model_file.read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/../../../etc/passwd",
        "/v/../../demo.py",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/..%5c..%5cboot.ini",
        "//etc/passwd",
        "/v/",
        "/script/",
        "/index.html%00",
        "http://evil.example/",
        "*",
        "/serve.py",
    ],
)
def test_nothing_but_the_table_is_handed_out(server, path):
    for requested in (path, base(server) + path):
        status, headers, body = request(server, requested)
        assert (status, body) == (404, b"Not Found\n")
        assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "host", [["evil.example"], ["127.0.0.1"], ["127.0.0.1:1"], [], ["", ""], ["127.0.0.1.evil.example"]]
)
def test_other_hosts_are_refused(server, host):
    # Host of another port, too: a page there is another origin.
    assert request(server, "/", host=host)[::2] == (421, b"Misdirected Request\n")


def test_two_hosts_are_refused_and_localhost_is_not(server):
    port = server.server_port
    assert request(server, "/", host=[f"127.0.0.1:{port}", "evil.example"])[0] == 421
    assert request(server, "/", host=[f"LOCALHOST:{port}"])[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused(server, method):
    status, headers, _ = request(server, "/", method)
    assert status == 501
    assert "Access-Control-Allow-Origin" not in headers


def test_endless_requests_are_refused(server):
    assert request(server, "/" + "a" * 70_000)[0] == 414
    assert request(server, "/?" + "a" * 60_000)[0] == 200
    assert request(server, "/", headers=[("X", "a" * 70_000)])[0] == 431
    assert request(server, "/", headers=[(f"X-{number}", "a") for number in range(200)])[0] == 431


def test_rubbish_is_refused_and_the_server_stays_up(server):
    for rubbish in (
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
            connection.sendall(rubbish)
    assert request(server, "/")[0] == 200


def test_head_is_get_without_a_body(server):
    for path in ("/", f"{base(server)}/vendor/ort-wasm-simd-threaded.wasm"):
        plain, head = request(server, path), request(server, path, "HEAD")
        assert (head[0], head[2]) == (200, b"")
        assert head[1]["Content-Length"] == plain[1]["Content-Length"]


def test_runtime_is_sent_packed(server):
    _, headers, packed = request(server, f"{base(server)}/vendor/ort-wasm-simd-threaded.wasm")
    assert headers["Content-Encoding"] == "gzip"
    plain = gzip.decompress(packed)
    assert plain[:4] == b"\0asm"
    assert len(packed) < 0.3 * len(plain)


def test_another_model_lies_under_another_path(server, hostile_file):
    other = site_of(hostile_file)
    assert not {path for path in other if path.count("/") > 1} & set(server.site)
    assert other["/service-worker.js"].content != server.site["/service-worker.js"].content


def test_service_worker_keeps_every_file_once(server):
    text = server.site["/service-worker.js"].content.decode()
    kept = json.loads(text.split("const FILES = ")[1].split(";\n")[0])
    assert sorted(kept) == sorted(set(server.site) - {"/service-worker.js"})


def test_port_in_use_is_a_sentence(server):
    with pytest.raises(UserError, match=f"port={server.server_port}: is in use"):
        Server({}, server.server_port)
    # A port that was just left is free again.
    with serving({}) as other:
        port = other.server_port
        request(other, "/")
    with serving({}, port):
        pass


def test_vendored_files_are_the_recorded_ones_with_their_licences():
    vendor = FOLDER / "vendor"
    record = json.loads((vendor / "vendor.json").read_text())
    code = {path.name for path in vendor.iterdir() if path.suffix == ".mjs" or ".wasm" in path.suffixes}
    assert set(record) == code
    for name, entry in record.items():
        content = (vendor / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        if name.endswith(".gz"):
            assert hashlib.sha256(gzip.decompress(content)).hexdigest() == entry["sha256_unpacked"]
        else:
            assert f"v{entry['version']}\n" in content[:200].decode()
        assert "onnxruntime.LICENSE" in entry["licence"]
    assert "MIT License" in (vendor / "onnxruntime.LICENSE").read_text()
    assert b"protobuf" in gzip.decompress((vendor / "onnxruntime.ThirdPartyNotices.txt.gz").read_bytes())


def test_page_names_no_other_place():
    for path in (FOLDER / "site").rglob("*"):
        if path.is_file() and path.name != "icon.svg":
            assert "http://" not in path.read_text()
            assert "https://" not in path.read_text()
