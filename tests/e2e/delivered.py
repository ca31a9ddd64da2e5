"""What has become of a session's events: in the hub, in the dead-letter queue, and in the books."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from local.stack.services import hub_connection_string
from tests.hub_reader import read_all
from tests.stack_process import wait_until

if TYPE_CHECKING:
    from tests.stack_process import StackProcess


class Account(NamedTuple):
    """One session, at rest."""

    books: dict[str, Any]
    in_hub: dict[str, bytes]
    """By trace id; what came twice was identical."""
    duplicates: int
    in_queue: dict[str, dict[str, Any]]
    """The dead letters' entries, by trace id."""


def ask(stack: StackProcess, method: str, path: str, body: object = None) -> dict[str, Any]:
    """One request, repeated until it is answered with 200."""
    answers: list[tuple[int, Any]] = []

    def answered() -> bool:
        answers.append(stack.ask(method, path, body))
        return answers[-1][0] == 200

    wait_until(answered, f"{method} {path}")
    document: dict[str, Any] = answers[-1][1]
    return document


def start(stack: StackProcess, **request: object) -> str:
    """Start a stream; returns its session."""
    answers: list[int] = []

    def started() -> bool:
        answers.append(stack.ask("POST", "/api/stream/start", request)[0])
        # What storage was too slow to confirm may have been stored all the same: then it is active by now.
        return answers[-1] == 200 or (answers[-1] == 409 and not {0, 500, 503}.isdisjoint(answers))

    wait_until(started, "the start of a stream")
    return str(ask(stack, "GET", "/api/stream/status")["session_id"])


def stop(stack: StackProcess) -> None:
    """Stop the stream and wait until all that was planned is settled."""

    def stopped() -> bool:
        if stack.status().get("status") != "stopped":
            stack.ask("POST", "/api/stream/stop")
        return stack.status().get("status") == "stopped"

    wait_until(stopped, "the end of the session")


def account_of(stack: StackProcess, session_id: str) -> Account:
    """Read back the session's events, and assert what must be true of them at rest."""
    books = ask(stack, "GET", f"/api/stream/books?session_id={session_id}")
    assert books["balanced"], books
    assert books["pending"] == 0
    entries = ask(stack, "GET", "/api/stream/dlq")["events"]
    in_queue = {e["event"]["trace_id"]: e for e in entries if e["session_id"] == session_id}
    copies: dict[str, set[bytes]] = defaultdict(set)
    received = 0
    for messages in asyncio.run(read_all(hub_connection_string(stack.hub_port))).values():
        for message in messages:
            body = message.body_as_str().encode()
            trace_id = orjson.loads(body)["trace_id"]
            if trace_id.startswith(session_id):
                copies[trace_id].add(body)
                received += 1
    assert all(len(bodies) == 1 for bodies in copies.values()), "a duplicate differs"
    in_hub = {trace_id: bodies.pop() for trace_id, bodies in copies.items()}
    assert len(in_queue) == books["in_dlq"]
    gone = books["cleared"] + books["evicted"] + books["discarded"]
    # Nothing is missing. (What was given up may have been stored all the same: the hub did not say so.)
    everywhere = in_hub.keys() | in_queue.keys()
    assert books["generated"] - gone <= len(everywhere) <= books["generated"]
    statistics = ask(stack, "GET", f"/api/stream/statistics?session_id={session_id}")
    assert statistics["events_sent_successfully"] == books["sent_first"] + books["redriven"]
    assert len(in_hub.keys() - in_queue.keys()) >= statistics["events_sent_successfully"]
    return Account(books=books, in_hub=in_hub, duplicates=received - len(in_hub), in_queue=in_queue)
