"""One process that sends batch after batch on every lane, as a function app's processes do: `python -m … NAME`.

It has the application's own parts, made of the settings in its environment, and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from typing import TYPE_CHECKING, Final

from shared.clock import MICROSECONDS
from streaming.core.event import Event
from streaming.flows.deliver import DeliveryPolicy, Terms
from streaming.wiring import Application

if TYPE_CHECKING:
    from streaming.flows.deliver import Deliverer
    from streaming.ports import ControlStore

LANES: Final = 4
WINDOW_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.05


async def main(name: str) -> None:
    application = Application(os.environ)
    control = application.adapters.control
    policy = DeliveryPolicy.of(application.configuration.of(await control.read()))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_look(application, control))
        for lane in range(LANES):
            tasks.create_task(_send(name, lane, application._deliverer, policy, application))


async def _look(application: Application, control: ControlStore) -> None:
    """What each window's read does."""
    while True:
        application.breaker().observe((await control.read()).breaker)
        await asyncio.sleep(WINDOW_SECONDS)


async def _send(name: str, lane: int, deliverer: Deliverer, policy: DeliveryPolicy, application: Application) -> None:
    terms = Terms(lane=lane, policy=policy, lease_until_us=lambda: application.clock.now_us() + 60 * MICROSECONDS)
    for number in itertools.count():
        await deliverer.deliver([Event("receipt_created", f"{name}-{lane}-{number}", name, b"{}")], terms)
        await asyncio.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
