"""Application Insights' ingestion, as far as an exporter sees it: takes everything, and keeps it to be looked at."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable

INSTRUMENTATION_KEY: Final = "5d9c1f04-7c1e-4b52-9d1b-3f0a6e2b8c77"
"""Made up."""


class Ingestion:
    """A running endpoint on this machine. Ends with the ``with`` statement."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        """Everything that was posted, headers first, as text."""
        self._envelopes: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._take))
        self._serving = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def connection_string(self) -> str:
        address = f"http://127.0.0.1:{self._server.server_port}/"
        return f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={address};LiveEndpoint={address}"

    @property
    def text(self) -> str:
        return "\n".join(self.requests)

    def spans(self, name: str) -> list[dict[str, Any]]:
        """The spans of this name, which Application Insights calls dependencies."""
        return [each for each in self._of("RemoteDependencyData") if each["name"] == name]

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """By name, every value that came: ``value``, and ``properties`` for its labels."""
        found: dict[str, list[dict[str, Any]]] = {}
        for each in self._of("MetricData"):
            (point,) = each["metrics"]
            found.setdefault(point["name"], []).append(
                {"value": point["value"], "properties": each.get("properties") or {}}
            )
        return found

    def kinds(self) -> set[str]:
        return {envelope["data"]["baseType"] for envelope in self._envelopes}

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._serving.join()
        self._server.server_close()

    def _of(self, kind: str) -> list[dict[str, Any]]:
        envelopes = list(self._envelopes)
        return [
            each["data"]["baseData"] | {"tags": each["tags"]} for each in envelopes if each["data"]["baseType"] == kind
        ]

    def _take(self, headers: str, body: str) -> int:
        self.requests.append(f"{headers}\n{body}")
        items = json.loads(body)
        self._envelopes += items
        return len(items)


def _handler(take: Callable[[str, str], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            body = gzip.decompress(raw) if self.headers.get("content-encoding") == "gzip" else raw
            count = take(f"{self.path}\n{self.headers}", body.decode())
            answer = json.dumps({"itemsReceived": count, "itemsAccepted": count, "errors": []}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler
