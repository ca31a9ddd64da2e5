"""The broker on its own: ``python -m local.event_hubs --port 5672``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from typing import TYPE_CHECKING

from local.event_hubs.broker import EventHubsBroker, PortTaken
from local.event_hubs.config import (
    ALL_CLAIMS,
    DEFAULT_HUB,
    DEFAULT_PARTITIONS,
    DEFAULT_POLICY,
    BrokerConfig,
    Claim,
    SharedAccessPolicy,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAD_USAGE = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run a broker until SIGINT or SIGTERM. Returns the exit code; bad arguments exit with 2."""
    try:
        config = config_of(parser().parse_args(argv))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  a command line talks to its user
        return _BAD_USAGE
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    try:
        asyncio.run(_run(config))
    except PortTaken as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201  likewise
        return 1
    return 0


def parser(prog: str = "python -m local.event_hubs") -> argparse.ArgumentParser:
    """The arguments of :func:`main`."""
    arguments = argparse.ArgumentParser(prog=prog, description="A local Event Hubs: AMQP 1.0 for the real Azure SDKs.")
    arguments.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    arguments.add_argument("--port", type=int, default=5672, help="AMQP port, 0 for a free one (default: %(default)s)")
    arguments.add_argument(
        "--control-port",
        type=int,
        default=5300,
        help="HTTP port for /health, /stats, /faults and /hubs, 0 for a free one (default: %(default)s)",
    )
    arguments.add_argument(
        "--hub",
        action="append",
        metavar="NAME[:PARTITIONS]",
        help=f"a hub; may be given several times (default: {DEFAULT_HUB}:{DEFAULT_PARTITIONS})",
    )
    arguments.add_argument(
        "--policy",
        action="append",
        metavar="NAME=KEY[:CLAIM,CLAIM]",
        help=f"a policy with Send, Listen or Manage; several times (default: {DEFAULT_POLICY}, all claims)",
    )
    arguments.add_argument("--retention-mib", type=int, default=256, help="memory for events (default: %(default)s)")
    arguments.add_argument("--retention-messages", type=int, help="events kept per partition (default: no limit)")
    return arguments


def config_of(arguments: argparse.Namespace) -> BrokerConfig:
    """The configuration that the arguments describe. Raises ValueError, naming what is wrong."""
    given = BrokerConfig()
    return BrokerConfig(
        host=arguments.host,
        port=arguments.port,
        control_port=arguments.control_port,
        hubs=dict(map(_hub, arguments.hub)) if arguments.hub else given.hubs,
        policies=dict(map(_policy, arguments.policy)) if arguments.policy else given.policies,
        retention_bytes=arguments.retention_mib * 1024 * 1024,
        retention_messages=arguments.retention_messages,
    )


def _hub(text: str) -> tuple[str, int]:
    name, _, partitions = text.partition(":")
    if partitions and not partitions.isdecimal():
        raise ValueError(f"--hub {text}: the number of partitions is no number")
    return name, int(partitions) if partitions else DEFAULT_PARTITIONS


def _policy(text: str) -> tuple[str, SharedAccessPolicy]:
    name, _, rest = text.partition("=")
    key, _, claims = rest.partition(":")
    if not name or not key:
        raise ValueError(f"--policy {text}: the form is NAME=KEY or NAME=KEY:Send,Listen")
    try:
        chosen = frozenset(map(Claim, claims.split(","))) if claims else ALL_CLAIMS
    except ValueError:
        raise ValueError(f"--policy {text}: a claim is one of {', '.join(Claim)}") from None
    return name, SharedAccessPolicy(key=key, claims=chosen)


async def _run(config: BrokerConfig) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with EventHubsBroker(config) as broker:
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C interrupts asyncio.run instead
                loop.add_signal_handler(number, stopping.set)
        for hub, partitions in config.hubs.items():
            policy = next(iter(config.policies))
            print(f"{hub} ({partitions} partitions): {broker.connection_string(hub, policy)}")  # noqa: T201  likewise
        print(f"Control: http://{config.host}:{broker.control_port}/stats and /faults. Ctrl-C stops.", flush=True)  # noqa: T201
        await stopping.wait()


if __name__ == "__main__":
    raise SystemExit(main())
