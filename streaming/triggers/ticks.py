"""The stream's timer, and the queue that its shards' runners are asked for by.

A message is a hint: what there is to do is in the table. It is lost, doubled or late without harm, so a function that
fails leaves no work behind that the timer would not find.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Final, List  # noqa: UP035 - the platform's worker does not know list[str]

import azure.functions as func
import orjson

from shared import telemetry
from shared.clock import MICROSECONDS
from streaming import wiring
from streaming.flows.planner import RunShard

logger = logging.getLogger(__name__)

STORAGE: Final = "AzureWebJobsStorage"
RUN_SECONDS: Final = 30
"""How long one invocation of the timer runs windows before it starts the next one."""
SHARD_RUN_SECONDS: Final = 60
"""How long one message's invocation runs its shard before the next one takes over."""

blueprint = func.Blueprint()


@blueprint.function_name("stream_tick")
@blueprint.timer_trigger(arg_name="timer", schedule=wiring.stream_schedule(), use_monitor=False)
@blueprint.queue_output(arg_name="runners", queue_name=wiring.shard_queue(), connection=STORAGE)
async def stream_tick(timer: func.TimerRequest, runners: func.Out[List[str]], context: func.Context) -> None:  # noqa: ARG001, UP006 - the platform passes it by name; see above
    """Run the live stream's windows, or look after its shards. Returns at once when no stream is active."""
    try:
        app = wiring.application()
        flow = app.live()
    except wiring.SettingsError as error:
        telemetry.error(logger, "settings_missing", detail=str(error))
        return
    with app.traces().run("stream_tick", parent=context.trace_context.trace_parent):
        run = flow.run(until_us=app.clock.now_us() + RUN_SECONDS * MICROSECONDS)
        asked = await app.summaries().beside(run)
    if asked:
        runners.set([orjson.dumps(asdict(wanted)).decode() for wanted in asked])


@blueprint.function_name("shard_run")
@blueprint.queue_trigger(arg_name="message", queue_name=wiring.shard_queue(), connection=STORAGE)
async def shard_run(message: func.QueueMessage, context: func.Context) -> None:
    """Run one shard of the live stream, once nobody else does."""
    wanted = RunShard(**orjson.loads(message.get_body()))
    app = wiring.application()
    with app.traces().run("shard_run", parent=context.trace_context.trace_parent):
        await app.live().run_shard(wanted, SHARD_RUN_SECONDS * MICROSECONDS)


@blueprint.function_name("shard_run_poison")
@blueprint.queue_trigger(arg_name="message", queue_name=f"{wiring.shard_queue()}-poison", connection=STORAGE)
async def shard_run_poison(message: func.QueueMessage) -> None:  # noqa: ARG001 - the platform passes it by name
    """Record a message that failed too often. The shard is not lost: the timer runs it, and asks again."""
    telemetry.error(logger, "poison_message", queue=wiring.shard_queue())
