"""The download, against a real server on this machine: what arrives, and that nothing half done stays."""

import hashlib
import http.server
import io
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from hrf_ser.data.corpora import download
from hrf_ser.data.corpora.download import FOLDER, download_ravdess
from hrf_ser.errors import UserError

NAME = "Actor_12/03-01-06-02-01-02-12.wav"


def _zip(*members: str | zipfile.ZipInfo) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in members:
            archive.writestr(member, b"sound")
    return buffer.getvalue()


class Server:
    """Serves one body, or the first `sent` bytes of it, and counts requests."""

    def __init__(self) -> None:
        self.body, self.sent, self.requests = b"", None, 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                self.send_response(200 if self.path == "/ravdess.zip" else 404)
                self.send_header("Content-Length", str(len(outer.body)))
                self.end_headers()
                self.wfile.write(outer.body[: outer.sent])

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/ravdess.zip"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def expected(self) -> dict[str, object]:
        return {"url": self.url, "size": len(self.body), "md5": hashlib.md5(self.body).hexdigest()}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    server.body = _zip(NAME)
    yield server
    server.server.shutdown()
    server.server.server_close()


def _left(root):
    """All that stands in the folder but the empty lock file."""
    return sorted(path.name for path in root.iterdir() if not path.name.endswith(".lock"))


def test_archive_is_fetched_and_unpacked(server, tmp_path):
    root = tmp_path / "new" / "folder"
    folder = download_ravdess(root, **server.expected())
    assert folder == root / FOLDER
    assert (folder / NAME).read_bytes() == b"sound"
    assert _left(root) == [FOLDER]


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    for _ in range(2):
        download_ravdess(tmp_path, **server.expected())
    assert server.requests == 1


def test_two_at_once_fetch_once(server, tmp_path):
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: download_ravdess(tmp_path, **server.expected()), range(2)))
    assert server.requests == 1


def test_wrong_checksum_is_refused(server, tmp_path):
    with pytest.raises(UserError, match=r"md5 checksum .* instead of 00000.*zenodo"):
        download_ravdess(tmp_path, **{**server.expected(), "md5": "0" * 32})
    assert _left(tmp_path) == []


def test_truncated_body_is_refused(server, tmp_path):
    server.sent = len(server.body) // 2
    with pytest.raises(UserError, match=r"ravdess.zip (sent \d+ bytes instead of \d+,|could not be fetched)"):
        download_ravdess(tmp_path, **server.expected())
    assert _left(tmp_path) == []


def test_longer_body_is_refused_before_it_fills_the_disk(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_CHUNK", 16)
    with pytest.raises(UserError, match="sent 112 bytes and more instead of 100,"):
        download_ravdess(tmp_path, **{**server.expected(), "size": 100})
    assert _left(tmp_path) == []


def _link() -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("Actor_01")
    member.external_attr = 0o120777 << 16
    return member


@pytest.mark.parametrize(
    "member", ["../evil.wav", "Actor_01/../../evil.wav", "/evil.wav", "..\\evil.wav", "C:/evil.wav", _link()]
)
def test_archive_that_writes_elsewhere_is_refused(server, tmp_path, member):
    root = tmp_path / "root"
    server.body = _zip(NAME, member)
    with pytest.raises(UserError, match="would be written outside its folder"):
        download_ravdess(root, **server.expected())
    assert _left(root) == []
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


def test_body_that_is_no_archive_is_refused(server, tmp_path):
    server.body = b"<html>Too many requests</html>"
    with pytest.raises(UserError, match="is not a zip archive"):
        download_ravdess(tmp_path, **server.expected())
    assert _left(tmp_path) == []


def test_unreachable_address_is_refused_with_the_way_by_hand(server, tmp_path):
    expected = {**server.expected(), "url": server.url + ".gone"}
    with pytest.raises(UserError, match=r"could not be fetched into data.root=.*404.*zenodo.org/records/1188976"):
        download_ravdess(tmp_path, **expected)
    assert _left(tmp_path) == []


def test_leftovers_of_a_killed_process_do_not_end_up_in_the_corpus(server, tmp_path):
    (tmp_path / f".{FOLDER}.1234.new" / "Actor_01").mkdir(parents=True)
    folder = download_ravdess(tmp_path, **server.expected())
    assert [path.name for path in folder.iterdir()] == ["Actor_12"]
    assert _left(tmp_path) == [FOLDER]
