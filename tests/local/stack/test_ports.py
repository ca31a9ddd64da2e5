"""A taken port is said with the option that chooses another one."""

from __future__ import annotations

import http.server
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from local.errors import LocalError
from local.stack.ports import free_ports, is_free, require_free

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_a_free_port_passes() -> None:
    (port,) = free_ports(1)
    assert is_free(port)
    require_free(port, purpose="the API", option="--port")


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(8))) == 8


def test_what_was_handed_out_is_handed_to_nobody_else() -> None:
    """As it isn't listened to yet, its being free says nothing."""
    with ThreadPoolExecutor(8) as pool:
        found = [port for ports in pool.map(free_ports, [3] * 200) for port in ports]
    assert len(set(found)) == len(found) == 600


def test_a_port_of_another_program_names_the_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(LocalError, match=rf"port {port} \(for the event hub\) is taken.*--hub-port PORT"):
            require_free(port, purpose="the event hub", option="--hub-port")


@pytest.mark.parametrize(("status", "body"), [(200, b'{"state": "Running"}'), (401, b"")])
def test_a_port_of_our_own_stack_says_so(status: int, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.stack.ports._PROBE_SECONDS", 120.0)
    with (
        _answers(status, body) as port,
        pytest.raises(LocalError, match=f"Retail Stream already runs at http://localhost:{port}"),
    ):
        require_free(port, purpose="the API", option="--port")


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"[]"), (404, b"")])
def test_another_web_server_is_another_program(status: int, body: bytes) -> None:
    with _answers(status, body) as port, pytest.raises(LocalError, match="taken by another program"):
        require_free(port, purpose="the API", option="--port")


def test_what_speaks_no_http_is_another_program() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"SSH-2.0-x\r\n")
                connection.recv(1 << 16)

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(LocalError, match="taken by another program"):
            require_free(server.getsockname()[1], purpose="the API", option="--port")
        thread.join()


@contextmanager
def _answers(status: int, body: bytes) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
