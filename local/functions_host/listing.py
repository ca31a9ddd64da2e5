"""What the host serves, as lines for the log when it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.functions_host.bindings import HttpTrigger, QueueTrigger, TimerTrigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from local.functions_host.indexing import IndexedFunction


def lines_of(functions: Iterable[IndexedFunction], *, base_url: str, route_prefix: str) -> Iterator[str]:
    """One line a function: its name, what triggers it, and for HTTP its methods and address."""
    for function in functions:
        match function.trigger:
            case HttpTrigger() as trigger:
                methods = ",".join(sorted(trigger.methods)) or "any method"
                yield f"{function.name}: [{methods}] {url_of(trigger, base_url, route_prefix)}"
            case TimerTrigger() as trigger:
                yield f"{function.name}: timer {trigger.schedule}"
            case QueueTrigger() as trigger:
                yield f"{function.name}: queue {trigger.queue}"


def url_of(trigger: HttpTrigger, base_url: str, route_prefix: str) -> str:
    return "/".join(part for part in (base_url, route_prefix, trigger.route.strip("/")) if part)
