"""A small W&B server for tests: it accepts runs, keeps what it was sent, and fails in the ways that servers do."""

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class WandbServer:
    """Listens on a free port of this machine.

    Attributes:
        url: for ``WANDB_BASE_URL``.
        requests: (name, variables) of every request.
        silent: accepts requests and does not reply.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict]] = []
        self.silent = False
        self._released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                """Print nothing."""

            def do_GET(self) -> None:
                server.requests.append((self.path, {}))
                self.reply({})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path == "/graphql":
                    content = json.loads(body)
                    name = re.search(r"(?:query|mutation)\s+(\w+)", content["query"])
                    self.reply({"data": server.data_for(name[1] if name else "", content.get("variables") or {})})
                elif self.path.endswith("/file_stream"):
                    server.requests.append(("stream", json.loads(body)))
                    self.reply({})
                else:
                    server.requests.append((self.path, {}))
                    self.reply({})

            def do_PUT(self) -> None:
                self.do_POST()

            def reply(self, content: dict) -> None:
                if server.silent:
                    server._released.wait(60)
                    self.close_connection = True
                    return
                data = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: object) -> None:
                """Ignore clients that disconnected."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def data_for(self, name: str, variables: dict) -> dict:
        self.requests.append((name, variables))
        if name == "UpsertBucket":
            project = {"id": "p", "name": "hrf_ser", "entity": {"id": "e", "name": "me"}}
            bucket = {"id": "b", "name": variables["name"], "config": "{}", "historyLineCount": 0, "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if name == "CreateRunFiles":
            files = [{"name": file, "uploadUrl": f"{self.url}/put/{file}"} for file in variables["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if name == "Viewer":
            return {"viewer": {"id": "u", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}
        if name == "ArtifactType":
            return {"project": None}
        if name == "CreateArtifact":
            # As if it had been there: its files need no upload then.
            artifact = {"id": "a", "state": "COMMITTED", "artifactSequence": {"id": "s", "latestArtifact": None}}
            return {"createArtifact": {"artifact": artifact}}
        return {}

    def variables_of(self, name: str) -> list[dict]:
        """The variables of every request of a name."""
        return [variables for requested, variables in self.requests if requested == name]

    def streamed(self, file: str) -> list[dict]:
        """The lines of a file that runs streamed, such as ``wandb-history.jsonl``."""
        parts = [one["files"][file]["content"] for one in self.variables_of("stream") if file in one.get("files") or {}]
        return [json.loads(line) for part in parts for line in part]

    def stop(self) -> None:
        """End as a killed server does: nothing listens any more, and open connections break."""
        self.silent = True
        self._released.set()
        self._server.shutdown()
        self._server.server_close()


def unused_url() -> str:
    """An address of this machine with no server."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
