"""That a cancellation is never lost."""

from __future__ import annotations

import ast
import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from local.paths import ROOT
from shared.tasks import gather

if TYPE_CHECKING:
    from pathlib import Path


class AwayError(Exception):
    """What is asked for is not there."""


async def _shrugs_off(answer: asyncio.Future[int]) -> None:
    with contextlib.suppress(AwayError):
        await gather(answer, asyncio.Event().wait())


async def test_a_cancellation_in_the_very_moment_of_an_error_is_a_cancellation() -> None:
    answer = asyncio.get_running_loop().create_future()
    asking = asyncio.create_task(_shrugs_off(answer))
    await asyncio.sleep(0)

    answer.set_exception(AwayError())
    asking.cancel()
    await asyncio.wait((asking,))

    assert asking.cancelled()


async def test_an_error_alone_is_an_error() -> None:
    answer = asyncio.get_running_loop().create_future()
    answer.set_exception(AwayError())
    with pytest.raises(AwayError):
        await gather(answer)


async def test_one_who_cleans_up_after_a_cancellation_is_told_of_errors() -> None:
    told: list[BaseException] = []

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            answer = asyncio.get_running_loop().create_future()
            answer.set_exception(AwayError())
            try:
                await gather(answer)
            except AwayError as error:
                told.append(error)

    working = asyncio.create_task(works())
    await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait((working,))
    assert working.cancelled()
    assert len(told) == 1


async def test_a_timeout_in_the_very_moment_of_an_error_is_a_timeout() -> None:
    answer = asyncio.get_running_loop().create_future()

    async def at_once() -> None:
        async with asyncio.timeout(None) as limit:
            asyncio.get_running_loop().call_soon(answer.set_exception, AwayError())
            limit.reschedule(0)
            await gather(answer, asyncio.Event().wait())

    with pytest.raises(TimeoutError):
        await at_once()


async def test_results_come_in_the_order_of_the_questions() -> None:
    async def later() -> str:
        await asyncio.sleep(0)
        return "later"

    async def now() -> int:
        return 1

    first, second = await gather(later(), now())
    assert (first, second) == ("later", 1)


@pytest.mark.parametrize(
    "source", sorted((ROOT / "streaming").rglob("*.py")), ids=lambda source: str(source.relative_to(ROOT))
)
def test_the_product_gathers_by_nothing_else(source: Path) -> None:
    used = [node.attr for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Attribute)]
    assert "gather" not in used
