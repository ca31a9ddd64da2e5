"""What no SDK does: a raw peer that pauses, drains, splits, lies and sends garbage. The broker outlives all of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.event_hubs import BrokerConfig, EventHubsBroker, Fault, FaultKind
from local.event_hubs.amqp import encoding, framing, messages, performatives
from local.event_hubs.amqp.performatives import (
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslInit,
    SaslOutcome,
    Transfer,
)
from local.event_hubs.amqp.values import Described, Symbol, UByte, UInt, ULong, UShort
from tests.local.event_hubs.clients import HUB, store, until
from tests.local.event_hubs.peer import Peer, error_of, put_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.local.event_hubs.conftest import StartBroker

PARTITION = f"{HUB}/ConsumerGroups/$Default/Partitions/0"
EVENT = encoding.encode(Described(ULong(messages.DATA), b"body"))


def _stored(broker: EventHubsBroker) -> int:
    return broker.stats().hub(HUB).messages


async def _publisher(broker: EventHubsBroker, peer: Peer, address: str = HUB) -> Attach:
    """Attach a sender as handle 2."""
    await peer.open()
    await peer.authorize(broker)
    peer.attach(address, handle=2, receives=False)
    return await peer.hear_until(Attach)


async def _reader(broker: EventHubsBroker, peer: Peer) -> None:
    """Attach a receiver as handle 2."""
    await peer.open()
    await peer.authorize(broker)
    peer.attach(PARTITION, handle=2, receives=True)
    await peer.hear_until(Attach)


# --- sending ---


async def test_a_sender_is_told_the_limit_and_given_credit(start_broker: StartBroker) -> None:
    broker = await start_broker(max_message_bytes=5000)
    async with await Peer.connect(broker) as peer:
        attached = await _publisher(broker, peer)
        assert attached.max_message_size == 5000
        assert (attached.role, attached.handle) == (True, 2)
        flow = await peer.hear_until(Flow)
        assert flow.handle == 2
        assert (flow.link_credit or 0) > 100


async def test_credit_is_renewed_for_a_sender_that_honours_it(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await _publisher(broker, peer)
        granted = (await peer.hear_until(Flow)).link_credit or 0
        for number in range(granted):
            peer.transfer(2, EVENT, delivery_id=number, settled=True)
        renewed = await peer.hear_until(Flow)
        assert (renewed.delivery_count or 0) + (renewed.link_credit or 0) > granted
        await until(lambda: _stored(broker) == granted)


async def test_a_message_in_many_frames_is_one_message(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await _publisher(broker, peer)
        for position in range(len(EVENT)):
            peer.transfer(2, EVENT[position : position + 1], more=position < len(EVENT) - 1)
        disposition = await peer.hear_until(Disposition)
        assert (disposition.first, disposition.settled, disposition.role) == (0, True, True)
        assert disposition.state == performatives.ACCEPTED
    assert _stored(broker) == 1


async def test_an_aborted_message_is_forgotten(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await _publisher(broker, peer)
        peer.transfer(2, EVENT[:3], more=True)
        peer.transfer(2, b"", aborted=True)
        peer.transfer(2, EVENT, delivery_id=1)
        assert (await peer.hear_until(Disposition)).first == 1
    assert _stored(broker) == 1


@pytest.mark.parametrize(
    ("payload", "message_format"),
    [(b"\xff" * 10, 0), (b"\xff" * 10, messages.BATCH_FORMAT), (EVENT[:-1], 0), (EVENT[:-1], messages.BATCH_FORMAT)],
)
async def test_a_broken_message_is_rejected_and_the_link_lives_on(
    broker: EventHubsBroker, payload: bytes, message_format: int
) -> None:
    async with await Peer.connect(broker) as peer:
        await _publisher(broker, peer)
        peer.transfer(2, payload, message_format=UInt(message_format))
        state = (await peer.hear_until(Disposition)).state
        assert state is not None
        assert state.descriptor == performatives.REJECTED
        assert isinstance(state.value, list)
        assert error_of(state.value[0])[0] == "amqp:decode-error"
        peer.transfer(2, EVENT, delivery_id=1)
        assert (await peer.hear_until(Disposition)).state == performatives.ACCEPTED
    assert _stored(broker) == 1


async def test_an_event_in_a_batch_that_is_no_message_reaches_consumers_as_a_body(broker: EventHubsBroker) -> None:
    """Events are not looked into when they are stored."""
    inner = encoding.encode(Described(ULong(messages.DATA), b"\xff\xff"))
    async with await Peer.connect(broker) as sender, await Peer.connect(broker) as reader:
        await _publisher(broker, sender, f"{HUB}/Partitions/0")
        sender.transfer(2, inner, message_format=UInt(messages.BATCH_FORMAT))
        assert (await sender.hear_until(Disposition)).state == performatives.ACCEPTED
        await _reader(broker, reader)
        reader.grant(2, 1)
        await reader.hear_until(Transfer)


async def test_delayed_messages_keep_their_order(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await _publisher(broker, peer, f"{HUB}/Partitions/0")
        broker.faults.add(Fault(kind=FaultKind.DELAY, count=1, milliseconds=50))
        for number in range(3):
            peer.transfer(2, EVENT, delivery_id=number)
        assert [(await peer.hear_until(Disposition)).first for _ in range(3)] == [0, 1, 2]
        broker.faults.add(Fault(kind=FaultKind.DELAY, milliseconds=60_000))
        peer.transfer(2, EVENT, delivery_id=3)
        peer.say(Detach(handle=UInt(2), closed=True))
        await peer.hear_until(Detach)
    assert _stored(broker) == 3  # what was late on a link that is gone is never stored


# --- receiving ---


async def test_a_reader_gets_as_much_as_its_credit_allows(broker: EventHubsBroker) -> None:
    store(broker, *"abcdef")
    async with await Peer.connect(broker) as peer:
        await _reader(broker, peer)
        peer.grant(2, 2)
        assert [(await peer.hear_until(Transfer)).handle for _ in range(2)] == [2, 2]
        peer.grant(2, 1, delivery_count=2, drain=True)
        assert isinstance(await peer.hear(), Transfer)
        flow = await peer.hear()  # the drain is answered with no credit left
        assert isinstance(flow, Flow)
        assert (flow.link_credit, flow.drain) == (0, True)
        assert flow.delivery_count == 3


async def test_a_drain_without_events_uses_up_the_credit(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await _reader(broker, peer)
        peer.grant(2, 10, drain=True)
        flow = await peer.hear_until(Flow)
        assert (flow.delivery_count, flow.link_credit, flow.drain) == (10, 0, True)


async def test_a_session_s_window_bounds_what_is_sent(broker: EventHubsBroker) -> None:
    store(broker, *"abc")
    async with await Peer.connect(broker) as peer:
        await _reader(broker, peer)

        def window(size: int, seen: int) -> None:
            peer.say(
                Flow(
                    next_incoming_id=UInt(seen),
                    incoming_window=UInt(size),
                    next_outgoing_id=UInt(0),
                    outgoing_window=UInt(9),
                    handle=UInt(2),
                    delivery_count=UInt(0),
                    link_credit=UInt(10),
                    echo=True,
                )
            )

        window(0, 1)
        assert (await peer.hear_until(Flow)).handle == 2
        window(2, 1)  # one transfer was the token's answer
        heard = [type(await peer.hear()) for _ in range(3)]
        assert sorted(kind.__name__ for kind in heard) == ["Flow", "Transfer", "Transfer"]
        window(5, 3)
        assert Transfer in [type(await peer.hear()), type(await peer.hear())]


async def test_a_large_event_is_split_as_the_peer_s_frames_are(broker: EventHubsBroker) -> None:
    store(broker, "x" * 2000)
    async with await Peer.connect(broker) as peer:
        await peer.open(max_frame_size=512)
        await peer.authorize(broker)
        peer.attach(PARTITION, handle=2, receives=True)
        await peer.hear_until(Attach)
        peer.grant(2, 1)
        parts: list[Transfer] = []
        payload = b""
        while not parts or parts[-1].more:
            frame = await peer.next_frame()
            assert len(frame.body) + 8 <= 512
            part, start = performatives.decode(frame.body)
            assert isinstance(part, Transfer)
            parts.append(part)
            payload += frame.body[start:]
        assert len({part.delivery_id for part in parts}) == 1
        assert payload.endswith(b"x" * 2000)


async def test_whoever_does_not_read_is_waited_for_and_nobody_else(broker: EventHubsBroker) -> None:
    """The broker keeps at most what the socket takes; another reader gets everything meanwhile."""
    for _ in range(12):
        store(broker, *("x" * 60_000 for _ in range(16)))
    async with await Peer.connect(broker) as slow, await Peer.connect(broker) as fast:
        await _reader(broker, slow)
        slow.grant(2, 1000)
        await _reader(broker, fast)
        fast.grant(2, 1000)
        for _ in range(192):
            await fast.hear_until(Transfer)
        (stuck,) = [wire for wire in broker._wires if not wire.writable]
        assert stuck._transport is not None
        assert stuck._transport.get_write_buffer_size() < 500_000
        for _ in range(192):
            await slow.hear_until(Transfer)


# --- refusals ---


@pytest.mark.parametrize(
    ("address", "receives", "condition"),
    [
        ("", False, "amqp:not-found"),
        ("nowhere", False, "amqp:not-found"),
        (f"{HUB}/what/is/this/here/now", True, "amqp:not-found"),
        (f"{HUB}/Partitions/9", False, "com.microsoft:argument-error"),
        (HUB, True, "amqp:not-allowed"),
    ],
)
async def test_links_to_nowhere_are_refused_and_the_connection_lives_on(
    broker: EventHubsBroker, address: str, receives: bool, condition: str
) -> None:
    async with await Peer.connect(broker) as peer:
        await peer.open()
        await peer.authorize(broker)
        peer.attach(address, handle=2, receives=receives)
        refused = await peer.hear_until(Detach)
        assert (refused.handle, refused.closed) == (2, True)
        assert error_of(refused.error)[0] == condition
        peer.transfer(2, EVENT)  # may have been on its way
        peer.say(Detach(handle=UInt(2), closed=True))
        peer.attach(HUB, handle=2, receives=False)
        assert (await peer.hear_until(Attach)).target is not None


async def test_without_a_token_nothing_is_permitted(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await peer.open()
        peer.attach(HUB, handle=2, receives=False)
        assert error_of((await peer.hear_until(Detach)).error)[0] == "amqp:unauthorized-access"


async def test_a_filter_that_is_not_understood_is_refused(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await peer.open()
        await peer.authorize(broker)
        selector = Symbol("apache.org:selector-filter:string")
        peer.attach(PARTITION, handle=2, receives=True, filters={selector: Described(selector, "color = 'red'")})
        assert error_of((await peer.hear_until(Detach)).error)[0] == "amqp:invalid-field"


async def test_an_unknown_mechanism_is_refused(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        peer.write(framing.SASL_HEADER)
        peer.write(framing.frame(0, SaslInit(mechanism=Symbol("PLAIN")), kind=framing.SASL_FRAME))
        await peer.read_exactly(8)
        outcome = await peer.hear_until(SaslOutcome)
        assert outcome.outcome == UByte(1)
        assert await peer.read_to_end() == b""


async def test_amqp_without_sasl_is_understood(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        peer.write(framing.AMQP_HEADER)
        assert await peer.read_exactly(8) == framing.AMQP_HEADER
        peer.say(Open(container_id="plain"))
        assert (await peer.hear_until(Open)).max_frame_size == 65536
        peer.say(Close())
        assert (await peer.hear_until(Close)).error is None


@pytest.mark.parametrize("first", [b"AMQP\x02\x01\x00\x00", b"AMQP\x00\x00\x09\x01", b"HELLO WORLD"])
async def test_another_protocol_is_answered_with_this_one_s_header(broker: EventHubsBroker, first: bytes) -> None:
    async with await Peer.connect(broker) as peer:
        peer.write(first)
        assert await peer.read_to_end() == framing.AMQP_HEADER


async def test_tls_is_turned_away_with_a_hint(broker: EventHubsBroker, caplog: pytest.LogCaptureFixture) -> None:
    async with await Peer.connect(broker) as peer:
        peer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert await peer.read_to_end() == b""
    assert "UseDevelopmentEmulator=true" in caplog.text


# --- what is against the protocol closes the connection with an error ---


def _say(performative: performatives.Performative, payload: bytes = b"", channel: int = 0) -> Callable[[Peer], None]:
    return lambda peer: peer.say(performative, payload, channel)


_BEGIN = Begin(next_outgoing_id=UInt(0), incoming_window=UInt(1), outgoing_window=UInt(1))
_FLOW = Flow(incoming_window=UInt(1), next_outgoing_id=UInt(0), outgoing_window=UInt(1), handle=UInt(7))


@pytest.mark.parametrize(
    ("offence", "condition"),
    [
        (_say(_BEGIN), "amqp:not-allowed"),
        (_say(_BEGIN, channel=5000), "amqp:not-allowed"),
        (_say(_FLOW, channel=3), "amqp:not-allowed"),
        (_say(_FLOW), "amqp:session:unattached-handle"),
        (_say(Transfer(handle=UInt(9), delivery_id=UInt(0))), "amqp:session:unattached-handle"),
        (_say(Open(container_id="again")), "amqp:not-allowed"),
        (_say(Attach(name="x", handle=UInt(4000), role=True)), "amqp:session:handle-in-use"),
        (lambda peer: peer.attach("$cbs", handle=0, receives=True), "amqp:session:handle-in-use"),
        (_say(Transfer(handle=UInt(0), delivery_id=UInt(0))), "amqp:not-allowed"),
        (_say(Transfer(handle=UInt(1), delivery_id=UInt(5)), b"\xff\xff"), "amqp:decode-error"),
        (lambda peer: peer.write(b"\x00\x00\x00\x10\x02\x00\x00\x00garbage!"), "amqp:decode-error"),
        (lambda peer: peer.write(b"\xff\xff\xff\xff\x02\x00\x00\x00"), "amqp:connection:framing-error"),
        (lambda peer: peer.write(b"\x00\x00\x00\x09\x02\x01\x00\x00x"), "amqp:connection:framing-error"),
    ],
)
async def test_an_offence_closes_the_connection_with_its_condition(
    broker: EventHubsBroker, offence: Callable[[Peer], None], condition: str
) -> None:
    async with await Peer.connect(broker) as peer:
        await peer.open()
        await peer.authorize(broker)
        offence(peer)
        assert error_of((await peer.hear_until(Close)).error)[0] == condition
        assert await peer.read_to_end() == b""


async def test_a_frame_size_below_the_minimum_is_an_invalid_field(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await peer.sasl()
        peer.say(Open(container_id="small", max_frame_size=UInt(100)))
        assert isinstance(await peer.hear(), Open)
        assert error_of((await peer.hear_until(Close)).error)[0] == "amqp:invalid-field"


async def test_detaching_after_the_session_has_ended_is_tolerated(broker: EventHubsBroker) -> None:
    """As the SDK for Python does."""
    async with await Peer.connect(broker) as peer:
        await peer.open()
        await peer.authorize(broker)
        peer.say(End())
        peer.say(Detach(handle=UInt(0), closed=True))
        peer.say(_BEGIN)
        await peer.hear_until(End)
        assert (await peer.hear_until(Begin)).remote_channel == UShort(0)


async def test_a_defect_in_the_broker_costs_one_connection(
    broker: EventHubsBroker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_: object) -> str:
        raise ZeroDivisionError

    async with await Peer.connect(broker) as peer, await Peer.connect(broker) as other:
        await _publisher(broker, peer)
        await _publisher(broker, other)
        with monkeypatch.context() as patched:
            patched.setattr(messages, "partition_key", break_down)
            peer.transfer(2, EVENT)
            assert error_of((await peer.hear_until(Close)).error)[0] == "amqp:internal-error"
        assert "ZeroDivisionError" in caplog.text
        other.transfer(2, EVENT)
        assert (await other.hear_until(Disposition)).state == performatives.ACCEPTED


# --- time ---


async def test_a_peer_that_wants_heartbeats_gets_them(broker: EventHubsBroker) -> None:
    async with await Peer.connect(broker) as peer:
        await peer.open(idle_time_out=40)
        assert [(await peer.next_frame()).body for _ in range(3)] == [b""] * 3


async def test_a_peer_that_falls_silent_is_dropped(start_broker: StartBroker) -> None:
    broker = await start_broker(idle_timeout_seconds=60.0)
    async with await Peer.connect(broker) as peer:
        assert (await peer.open()).idle_time_out == 60_000
        (wire,) = broker._wires
        assert wire._connection is not None
        wire._connection._heard_at -= 60.0  # A minute passes.
        wire._connection._watch()
        closed = await peer.hear_until(Close)
        assert error_of(closed.error) == ("amqp:connection:forced", "The connection was inactive for 60 seconds.")


async def test_without_a_limit_nobody_is_dropped_for_silence(start_broker: StartBroker) -> None:
    broker = await start_broker(idle_timeout_seconds=None)
    async with await Peer.connect(broker) as peer:
        assert (await peer.open()).idle_time_out is None


# --- garbage ---

_HANDSHAKE = framing.SASL_HEADER + framing.frame(0, SaslInit(mechanism=Symbol("ANONYMOUS")), kind=1)
_OPENED = _HANDSHAKE + framing.AMQP_HEADER + framing.frame(0, Open(container_id="x")) + framing.frame(0, _BEGIN)
_frames = st.builds(
    lambda kind, channel, body: (
        (8 + len(body)).to_bytes(4, "big") + bytes((2, kind)) + channel.to_bytes(2, "big") + body
    ),
    st.sampled_from((0, 0, 0, 1)),
    st.sampled_from((0, 0, 0, 1)),
    st.one_of(
        st.binary(max_size=60),
        st.builds(
            lambda code, data: b"\x00\x53" + bytes((code,)) + data, st.integers(0x10, 0x18), st.binary(max_size=40)
        ),
        st.sampled_from(
            [performatives.encode(offence) for offence in (_BEGIN, _FLOW, End(), Detach(handle=UInt(1)))]
            + [performatives.encode(Transfer(handle=UInt(1), delivery_id=UInt(0))) + put_token("x", "y")]
        ),
    ),
)


@given(st.sampled_from((b"", _HANDSHAKE, _OPENED)), st.lists(_frames, max_size=6).map(b"".join), st.binary(max_size=50))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_garbage_kills_the_broker(start: bytes, frames: bytes, garbage: bytes) -> None:
    """Whatever is sent, the connection ends when the peer says that it sends no more, and the next one works."""

    async def attack() -> None:
        complaints: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with EventHubsBroker(BrokerConfig()) as broker:
            async with await Peer.connect(broker) as peer:
                peer.write(start + frames + garbage)
                peer.writer.write_eof()
                await peer.read_to_end()
            async with await Peer.connect(broker) as peer:
                await _publisher(broker, peer)
                peer.transfer(2, EVENT)
                assert (await peer.hear_until(Disposition)).state == performatives.ACCEPTED
        assert complaints == []

    asyncio.run(attack())
