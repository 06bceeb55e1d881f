"""A server for this computer only, with a fixed table of contents and headers that isolate the page."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from hrf_ser.deploy.demo.site import Resource
from hrf_ser.errors import UserError

HOST = "127.0.0.1"
# wasm-unsafe-eval allows compiling WebAssembly and nothing else; blob: is the file that a user chose, played back.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "worker-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
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


class Server(ThreadingHTTPServer):
    """Serves ``site`` on loopback.

    Args:
        site: path -> what is there.
        port: 0 takes any that is free.

    Raises:
        UserError: the port is in use or not allowed.
    """

    daemon_threads = True

    def __init__(self, site: dict[str, Resource], port: int) -> None:
        self.site = site
        self.connections: set[Any] = set()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise UserError(f"port={port}: is in use or not allowed; give another, or port=0 for any.") from error
        # A page of another site whose name was made to point here (DNS rebinding) still sends that name.
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}
        if self.server_port == 80:
            self.hosts |= {HOST, "localhost"}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def server_bind(self) -> None:
        # That of HTTPServer looks this computer's name up, which may ask the network.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request_thread(request, client_address)
        self.connections.discard(request)

    def server_close(self) -> None:
        """Close the socket and the connections that browsers keep open."""
        super().server_close()
        for connection in tuple(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that close a connection early."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds for a request that does not come to its end

    def do_GET(self) -> None:
        self._respond()

    def do_HEAD(self) -> None:
        self._respond()

    def _refuse(self) -> None:
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_CONNECT = _refuse  # noqa: N815

    def _respond(self) -> None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self.server.hosts:
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return
        # A table and not the disk: no path can lead out of it.
        resource = self.server.site.get(self.path.partition("?")[0])
        if resource is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        caching = "private, max-age=31536000, immutable" if resource.forever else "no-cache"
        headers = {"Content-Type": resource.type, "Cache-Control": caching, "ETag": resource.tag}
        content = resource.content
        if resource.packed:
            headers["Vary"] = "Accept-Encoding"
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                headers["Content-Encoding"] = "gzip"
            else:
                content = resource.plain()
        if self.headers.get("If-None-Match") == resource.tag:
            self._send(HTTPStatus.NOT_MODIFIED, headers, None)
        else:
            self._send(HTTPStatus.OK, headers, content)

    def send_error(self, code: int, *_: str | None) -> None:
        """A plain sentence instead of a page, with nothing of the request in it."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", "Connection": "close"}
        if code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET, HEAD"
        self._send(code, headers, f"{HTTPStatus(code).phrase}\n".encode())

    def _send(self, code: int, headers: dict[str, str], content: bytes | None) -> None:
        self.send_response(code)
        for name, value in {**headers, **HEADERS}.items():
            self.send_header(name, value)
        if content is not None:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if content is not None and self.command != "HEAD":
            self.wfile.write(content)

    def version_string(self) -> str:
        return "hrf_ser"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: the terminal has the address, and the page shows errors."""
