"""Recordings that a browser does not decode, and who may have them decoded."""

import http.client
import io
import json
import shutil
import socket
import ssl
import subprocess

import numpy as np
import pytest
import soundfile
from demo_page import serving

from hrf_ser.deploy.demo import decode as decoding
from hrf_ser.deploy.demo.certificate import self_signed
from hrf_ser.deploy.demo.decode import decode
from hrf_ser.deploy.demo.serve import EVERY_ADDRESS, Server, check_host, reachable
from hrf_ser.deploy.demo.site import Resource
from hrf_ser.deploy.runtime.audio import open_audio
from hrf_ser.errors import UserError

SITE = {"/": Resource(b"page", "text/html", False)}


def post(server, body, path="/decode?a.wav", origin=None, host=None, scheme="http"):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    host = host or f"127.0.0.1:{server.server_port}"
    headers = {"Host": host, "Origin": f"{scheme}://{host}" if origin is None else origin}
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    return response.status, response.headers.get_content_type(), response.read()


@pytest.fixture(scope="module")
def running():
    with serving(SITE) as server:
        yield server


@pytest.fixture
def m4a(voice, tmp_path):
    if shutil.which("ffmpeg") is None:
        pytest.skip("no ffmpeg on the PATH")
    path = tmp_path / "voice.m4a"
    subprocess.run(["ffmpeg", "-v", "error", "-i", voice, "-c:a", "aac", path], check=True)
    return path


def test_recording_is_decoded_as_the_runtime_reads_it(running, m4a):
    status, kind, body = post(running, m4a.read_bytes(), "/decode?voice.m4a")
    with open_audio(m4a, None, 16_000) as (_, blocks):
        expected = np.concatenate(list(blocks))
    assert (status, kind) == (200, "application/octet-stream")
    assert np.array_equal(np.frombuffer(body, "<f4"), expected)


def test_what_is_no_audio_is_a_sentence_with_its_name(running):
    status, kind, body = post(running, b"this is no sound", "/decode?my%20text.wav")
    assert (status, kind) == (200, "application/json")
    assert json.loads(body)["error"].startswith("my text.wav: cannot be read as audio (it is a text")


def test_too_short_and_too_long_recordings_are_refused(monkeypatch):
    recording = io.BytesIO()
    soundfile.write(recording, np.ones(32_000) / 9, 16_000, format="WAV")
    monkeypatch.setattr(decoding, "MOST_S", 1)
    with pytest.raises(UserError, match=r"long\.wav: is longer than"):
        decode(recording.getvalue(), "long.wav")
    recording = io.BytesIO()
    soundfile.write(recording, np.ones(100) / 9, 16_000, format="WAV")
    with pytest.raises(UserError, match=r"is too short"):
        decode(recording.getvalue(), "short.wav")


def test_pages_of_other_sites_and_large_bodies_are_refused(running, monkeypatch):
    assert post(running, b"x", origin="http://evil.example")[0] == 403
    assert post(running, b"x", origin="null")[0] == 403
    assert post(running, b"x", scheme="https")[0] == 403
    assert post(running, b"x", host="evil.example")[0] == 421
    assert post(running, b"x", path="/")[0] == 501
    monkeypatch.setattr("hrf_ser.deploy.demo.serve.LARGEST", 10)
    assert post(running, b"12345678901")[0] == 413
    with socket.create_connection(("127.0.0.1", running.server_port), timeout=5) as connection:
        host = f"127.0.0.1:{running.server_port}"
        connection.sendall(f"POST /decode HTTP/1.0\r\nHost: {host}\r\nOrigin: http://{host}\r\n\r\n".encode())
        assert b" 411 " in connection.recv(100)


def test_every_address_allows_addresses_and_no_names():
    with Server({}, 0, EVERY_ADDRESS) as server:
        port = server.server_port
        assert server.address == f"http://{reachable(EVERY_ADDRESS)}:{port}/"
        for host, allowed in (
            ("192.168.1.5", True),
            ("localhost", True),
            ("evil.example", False),
            ("192.168.1.5.evil.example", False),
            ("", False),
        ):
            assert server.allows(f"{host}:{port}") is allowed
        assert not server.allows("192.168.1.5:1")
    with Server({}, 0) as server:
        assert not server.allows(f"192.168.1.5:{server.server_port}")


@pytest.mark.parametrize("host", ["example.org", "::1", "256.0.0.1", ""])
def test_host_that_is_no_address_is_a_sentence(host):
    with pytest.raises(UserError, match="is no IPv4 address of this computer; give 127"):
        check_host(host)


def test_address_of_another_computer_is_a_sentence():
    with pytest.raises(UserError, match=r"host=192\.0\.2\.1: is no IPv4 address of this computer"):
        Server({}, 0, "192.0.2.1")


@pytest.fixture
def certificate():
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on the PATH")
    return self_signed("127.0.0.1")


def test_https_shows_the_printed_fingerprint(certificate, monkeypatch):
    import hashlib

    context, fingerprint = certificate
    original = Server.__init__
    monkeypatch.setattr(Server, "__init__", lambda self, site, port: original(self, site, port, certificate=context))
    with serving(SITE) as server:
        assert server.address == f"https://127.0.0.1:{server.server_port}/"
        # One who never ends the handshake, and one who speaks plain HTTP, stop no other.
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=5):
            with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as plain:
                plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            trusting = ssl._create_unverified_context()  # the certificate is compared below
            connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, timeout=10, context=trusting)
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"page"
        pem = ssl.get_server_certificate(("127.0.0.1", server.server_port))
    seen = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest().upper()
    assert fingerprint.replace(":", "") == seen


def test_https_without_openssl_is_a_sentence(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="the program openssl, which makes the certificate, is not installed"):
        self_signed("127.0.0.1")
