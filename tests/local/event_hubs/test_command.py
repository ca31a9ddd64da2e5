"""The broker as a command of its own."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING

import pytest

from local.event_hubs import BrokerConfig, Claim, EventHubsBroker, PortTaken, SharedAccessPolicy
from local.event_hubs.__main__ import config_of, main, parser
from local.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE_SECONDS = 120


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        yield squatter.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_says_how_to_connect_and_stops_when_told(number: signal.Signals) -> None:
    arguments = ("--port", "0", "--control-port", "0", "--hub", "orders:2")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.event_hubs", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            how = (await process.stdout.readline()).decode()
            where = (await process.stdout.readline()).decode()
            found = re.search(r"^orders \(2 partitions\): Endpoint=sb://localhost:(\d+);.*EntityPath=orders$", how)
            assert found
            _, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
            assert re.search(r"http://127\.0\.0\.1:\d+/stats", where)
            process.send_signal(number)
            _, errors = await process.communicate()
            writer.close()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, errors) == (0, b"")


def test_a_port_that_is_taken_is_explained(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", str(taken_port), "--control-port", "0"]) == 1
    assert f"Port {taken_port} on 127.0.0.1 is taken. Stop what uses it, or choose another with --port" in (
        capsys.readouterr().err
    )


async def test_a_control_port_that_is_taken_leaves_nothing_open(taken_port: int) -> None:
    broker = EventHubsBroker(BrokerConfig(control_port=taken_port))
    with pytest.raises(PortTaken, match="--control-port"):
        await broker.start()
    assert not broker.accepts_connections
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", broker.port)


def test_arguments_become_a_configuration() -> None:
    arguments = parser().parse_args(
        ["--hub", "a:2", "--hub", "b", "--policy", "p=k", "--policy", "s=x:Send", "--retention-mib", "1"]
    )
    config = config_of(arguments)
    assert (config.host, config.port, config.control_port) == ("127.0.0.1", 5672, 5300)
    assert config.hubs == {"a": 2, "b": 4}
    assert config.policies == {
        "p": SharedAccessPolicy(key="k"),
        "s": SharedAccessPolicy(key="x", claims=frozenset({Claim.SEND})),
    }
    assert (config.retention_bytes, config.retention_messages) == (1024 * 1024, None)
    assert config_of(parser().parse_args([])) == BrokerConfig(port=5672, control_port=5300)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--hub", "a:many"], "number of partitions"),
        (["--hub", "a:0"], "1 to 1024"),
        (["--policy", "a"], "NAME=KEY"),
        (["--policy", "a=b:Fly"], "a claim is one of Send, Listen, Manage"),
        (["--retention-mib", "0"], "must be positive"),
        (["--port", "65536"], "65536 is no port"),
        (["--control-port", "-1"], "-1 is no port"),
    ],
)
def test_arguments_that_make_no_sense_are_explained(
    arguments: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert why in capsys.readouterr().err
