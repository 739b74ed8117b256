"""An API server of a few objects, on a thread: what `kubectl bullpen` reads and merges its patches into."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

POOLS = "/apis/bullpen.dev/v1alpha1"

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {{cluster: it, user: me, namespace: media}}
- name: there
  context: {{cluster: it, user: me}}
clusters:
- name: it
  cluster: {{server: "{url}"}}
users:
- name: me
  user: {{token: secret-token}}
"""


def merged(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386."""
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(result.get(key) or {}, value)
        else:
            result[key] = value
    return result


class ApiServer:
    """`objects` by path; `refusal` is what it says to a patch instead of doing it."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.refusal: tuple[int, str] | None = None
        self.knows_pools = True
        self.asked: list[tuple[str, str]] = []

    def put(self, pool: dict[str, Any]) -> str:
        metadata = pool["metadata"]
        path = f"{POOLS}/namespaces/{metadata['namespace']}/workerpools/{metadata['name']}"
        self.objects[path] = pool
        return path

    def answer(self, method: str, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        self.asked.append((method, path))
        if path.startswith(POOLS) and not self.knows_pools:
            return 404, None
        if method == "PATCH" and self.refusal is not None:
            code, words = self.refusal
            return code, {"kind": "Status", "message": words}
        if path in self.objects:
            if body is not None:
                self.objects[path] = merged(self.objects[path], body)
            return 200, self.objects[path]
        within = path.replace("/namespaces/", "\0").partition("\0")[2].partition("/")[0]
        if path.endswith(("/workerpools", "/pods")):
            kind = path.rpartition("/")[2]
            items = [
                found
                for place, found in self.objects.items()
                if f"/{kind}/" in place and within in ("", found["metadata"]["namespace"])
            ]
            return 200, {"items": items, "metadata": {}}
        return 404, {"kind": "Status", "reason": "NotFound", "message": "not found"}

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Path]:
        """Runs, and gives the kubeconfig that leads to it."""
        told = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                code, answer = told.answer(self.command, urlsplit(self.path).path, body)
                payload = b"404 page not found" if answer is None else json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_PATCH = _do

            def log_message(self, *args: Any) -> None:
                """Nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            kubeconfig = folder / "kubeconfig"
            kubeconfig.write_text(KUBECONFIG.format(url=f"http://127.0.0.1:{server.server_address[1]}"))
            yield kubeconfig
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
