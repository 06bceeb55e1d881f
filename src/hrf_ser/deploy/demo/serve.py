"""A server for this computer, or for its network, with a fixed table of contents and headers that isolate the page."""

from __future__ import annotations

import errno
import ipaddress
import json
import socket
import ssl
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import unquote

from hrf_ser.deploy.demo.decode import LARGEST, decode
from hrf_ser.deploy.demo.site import Resource
from hrf_ser.errors import UserError

HOST, EVERY_ADDRESS = "127.0.0.1", "0.0.0.0"  # noqa: S104  # for phones, and only where the user says so
# Where the page sends what its browser does not decode; the name follows as `?name`.
DECODE = "/decode"
# wasm-unsafe-eval allows compiling WebAssembly and nothing else; blob: is the file that a user chose, played back.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self'; media-src blob:; "
    "connect-src 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    # The three of them isolate the page from other sites: WebAssembly threads and exact clocks want that.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Server(ThreadingTCPServer):
    """Serves ``site``, path -> what is there, and decodes recordings for its page; port 0 takes any that is free.

    No ``HTTPServer``, which would look this computer's name up and may use the network for it.

    Args:
        site: of :func:`~hrf_ser.deploy.demo.site.build_site`.
        port: to listen on.
        host: IPv4 address to listen on; ``0.0.0.0`` is every one of this computer.
        certificate: makes it https.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(
        self, site: dict[str, Resource], port: int, host: str = HOST, certificate: ssl.SSLContext | None = None
    ) -> None:
        self.site, self.host, self.scheme = site, host, "https" if certificate else "http"
        self.decoding = threading.Lock()
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise not_an_address(host) from error
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise UserError(f"port={port}: is in use or not allowed; give another, or port=0 for any.") from error
        if certificate:
            # The handshake is the thread's that serves the connection: one that never ends stops no other.
            self.socket = certificate.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.server_port = self.server_address[1]

    @property
    def address(self) -> str:
        return f"{self.scheme}://{reachable(self.host)}:{self.server_port}/"

    def allows(self, host: str) -> bool:
        """Whether a ``Host`` is this server: a page of another site whose name was made to point here (DNS rebinding) sends
        that name, and never an address.
        """
        name, _, port = host.lower().rpartition(":")
        if not name:  # Browsers leave the default port away.
            name, port = port, "443" if self.scheme == "https" else "80"
        if port != str(self.server_port):
            return False
        return name in (HOST, "localhost", self.host) or (self.host == EVERY_ADDRESS and _is_address(name))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that close a connection early, or do not accept the certificate."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ssl.SSLError):
            super().handle_error(request, client_address)


def reachable(host: str) -> str:
    """The address of this computer that others in its network use, where ``host`` is every address; sends nothing."""
    if host != EVERY_ADDRESS:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # An address of examples; connecting a datagram socket picks the interface.
        except OSError:  # no network
            return HOST
        return str(probe.getsockname()[0])


def check_host(host: str) -> str:
    """An IPv4 address, or a ``UserError``."""
    if not _is_address(host):
        raise not_an_address(host)
    return host


def not_an_address(host: str) -> UserError:
    """The error of a host that this computer does not have."""
    return UserError(f"host={host}: is no IPv4 address of this computer; give {HOST}, or {EVERY_ADDRESS} for phones.")


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


class _Handler(BaseHTTPRequestHandler):
    """Serves GET and HEAD from the table and decodes what its own page posts; the base class refuses other methods."""

    server: Server
    timeout = 30  # seconds for a request that does not come to its end

    def do_GET(self) -> None:
        if not self._host():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        # A table and not the disk: no path can lead out of it.
        resource = self.server.site.get(self.path.partition("?")[0])
        if resource is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        caching = "private, max-age=31536000, immutable" if resource.forever else "no-cache"
        packed = {"Content-Encoding": "gzip"} if resource.packed else {}
        self._send(HTTPStatus.OK, {"Content-Type": resource.type, "Cache-Control": caching, **packed}, resource.content)

    do_HEAD = do_GET  # noqa: N815  # the base class's name

    def do_POST(self) -> None:
        path, _, name = self.path.partition("?")
        host, length = self._host(), self.headers.get("Content-Length", "")
        if path != DECODE:
            self.send_error(HTTPStatus.NOT_IMPLEMENTED)
        elif not host:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
        elif self.headers.get("Origin") != f"{self.server.scheme}://{host}":
            self.send_error(HTTPStatus.FORBIDDEN)  # a page of another site
        elif not (length.isascii() and length.isdigit() and len(length) < 12):
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > LARGEST:
            self.send_error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            self._decode(self.rfile.read(int(length)), unquote(name) or "the recording")

    def _decode(self, content: bytes, name: str) -> None:
        """Send samples; or, as JSON, why there are none, with status 200, since browsers log every other one as an error."""
        fresh = {"Cache-Control": "no-store"}
        try:
            with self.server.decoding:  # one at a time
                samples = decode(content, name)
        except UserError as error:
            sentence = json.dumps({"error": str(error)}).encode()
            self._send(HTTPStatus.OK, {"Content-Type": "application/json", **fresh}, sentence)
        else:
            self._send(HTTPStatus.OK, {"Content-Type": "application/octet-stream", **fresh}, samples)

    def _host(self) -> str | None:
        """The ``Host`` of the request; None unless it is this server's."""
        hosts = self.headers.get_all("Host", [])
        return hosts[0] if len(hosts) == 1 and self.server.allows(hosts[0]) else None

    def send_error(self, code: int, *_: str | None) -> None:
        """A plain sentence instead of a page, with nothing of the request in it."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
        self._send(code, headers, f"{HTTPStatus(code).phrase}\n".encode())

    def _send(self, code: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(code)
        for name, value in {**headers, **HEADERS, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def version_string(self) -> str:
        return "hrf_ser"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the terminal has the address, and the page shows errors."""
