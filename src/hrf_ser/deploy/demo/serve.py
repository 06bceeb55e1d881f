"""A server for this computer only, with a fixed table of contents and headers that isolate the page."""

from __future__ import annotations

import errno
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

from hrf_ser.deploy.demo.site import Resource
from hrf_ser.errors import UserError

HOST = "127.0.0.1"
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
    """Serves ``site``, path -> what is there, on loopback; port 0 takes any that is free.

    No ``HTTPServer``, which would look this computer's name up and may use the network for it.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(self, site: dict[str, Resource], port: int) -> None:
        self.site = site
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise UserError(f"port={port}: is in use or not allowed; give another, or port=0 for any.") from error
        self.server_port = self.server_address[1]
        # A page of another site whose name was made to point here (DNS rebinding) still sends that name. Browsers leave the
        # port away where it is 80.
        self.hosts = {f"{name}:{self.server_port}".removesuffix(":80") for name in (HOST, "localhost")}

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore browsers that close a connection early."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Serves GET and HEAD from the table; the base class refuses other methods."""

    server: Server
    timeout = 30  # seconds for a request that does not come to its end

    def do_GET(self) -> None:
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
        packed = {"Content-Encoding": "gzip"} if resource.packed else {}
        self._send(HTTPStatus.OK, {"Content-Type": resource.type, "Cache-Control": caching, **packed}, resource.content)

    do_HEAD = do_GET  # noqa: N815  # the base class's name

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
