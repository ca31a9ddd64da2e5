"""One AMQP connection: SASL, open, sessions, heartbeats and what its tokens permit."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol
from uuid import uuid4

from local.event_hubs.amqp import framing, performatives
from local.event_hubs.amqp.errors import AmqpError, Condition, ProtocolViolation
from local.event_hubs.amqp.performatives import Begin, Close, End, Open, SaslInit, SaslMechanisms, SaslOutcome
from local.event_hubs.amqp.values import Array, Symbol, UByte, UInt, UShort
from local.event_hubs.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.event_hubs.amqp.framing import Frame
    from local.event_hubs.amqp.performatives import Performative
    from local.event_hubs.config import Claim
    from local.event_hubs.namespace import Namespace
    from local.event_hubs.tokens import Grant

_log = logging.getLogger(__name__)

MAX_FRAME_SIZE: Final = 64 * 1024
"""As Azure announces: a full batch spans several frames."""
_LINGER_SECONDS: Final = 5.0
"""How long a peer has to read the last words."""
_FLUSH_BYTES: Final = 64 * 1024
_CHANNEL_MAX: Final = 4999
_HEADER_SIZE: Final = 8
_SYMBOLS: Final = 0xA3
_MECHANISMS: Final = Array(_SYMBOLS, (Symbol("MSSBCBS"), Symbol("ANONYMOUS")))


class Socket(Protocol):
    """What a connection needs of the socket that carries it."""

    writable: bool
    """False while the peer reads too slowly."""

    def write(self, data: bytes) -> None:
        """Send ``data``."""

    def close(self) -> None:
        """Close once everything written is sent."""

    def abort(self) -> None:
        """Drop at once."""


class Connection:
    """The broker's end. Any error of the peer closes it, and nothing but it."""

    def __init__(self, namespace: Namespace, socket: Socket) -> None:
        self.namespace = namespace
        self.max_outgoing_frame = framing.MIN_MAX_FRAME_SIZE
        self._socket = socket
        self._reader = framing.FrameReader(MAX_FRAME_SIZE)
        self._stage: Callable[[], bool] = self._expect_first_header
        self._sessions: dict[int, Session] = {}
        self._grants: dict[tuple[str, ...], Grant] = {}
        self._outgoing: list[bytes] = []
        self._outgoing_size = 0
        self._closed = False
        self._heartbeat: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._watchdog: asyncio.TimerHandle | None = None
        self._watch()

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    @property
    def writable(self) -> bool:
        """Whether more may be sent now."""
        return self._socket.writable and not self._closed

    # --- from the socket ---

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self._closed:
            return
        self._heard_at = self._loop.time()
        self._reader.feed(data)
        try:
            while not self._closed and self._stage():
                pass
        except AmqpError as error:
            self._fail(error)
        except Exception:  # noqa: BLE001  whatever a client sends, only its own connection may suffer
            _log.exception("A client's bytes met a defect in the broker; its connection is closed.")
            self._fail(AmqpError(Condition.INTERNAL_ERROR, "The broker failed. Its log says more."))
        self.flush()

    def resumed(self) -> None:
        """The peer reads again."""
        for session in self._sessions.values():
            session.resume()

    def lost(self) -> None:
        """The socket is gone."""
        self._closed = True
        for session in self._sessions.values():
            session.lost()
        self._sessions.clear()
        for timer in (self._heartbeat, self._watchdog):
            if timer is not None:
                timer.cancel()

    # --- for sessions and links ---

    def send(self, data: bytes) -> None:
        """Queue a frame until :meth:`flush`, or until there is enough for the socket to say whether it can follow."""
        self._outgoing.append(data)
        self._outgoing_size += len(data)
        if self._outgoing_size >= _FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything queued to the socket, in one piece."""
        if self._outgoing:
            data = b"".join(self._outgoing)
            self._outgoing.clear()
            self._outgoing_size = 0
            self._socket.write(data)

    def drop(self) -> None:
        """Cut the connection without a word, as a failing network would."""
        self._closed = True
        self._outgoing.clear()
        self._socket.abort()

    def grant(self, grant: Grant) -> None:
        """A token was accepted."""
        self._grants[grant.path] = grant

    def permits(self, path: tuple[str, ...], claim: Claim | None) -> bool:
        """Whether a valid token covers ``path`` with ``claim``; with any claim when that is None."""
        now = self.namespace.now()
        return any(
            grant.expires_at > now and grant.covers(path) and (claim is None or claim in grant.claims)
            for grant in self._grants.values()
        )

    # --- stages: each takes what it can, and says whether it got on ---

    def _expect_first_header(self) -> bool:
        header = self._reader.take(_HEADER_SIZE)
        if header is None:
            return False
        if header == framing.SASL_HEADER:
            offer = SaslMechanisms(sasl_server_mechanisms=_MECHANISMS)
            self.send(framing.SASL_HEADER + framing.frame(0, offer, kind=framing.SASL_FRAME))
            self._stage = self._expect_sasl_init
            return True
        return self._answer_header(header)

    def _expect_sasl_init(self) -> bool:
        frame = next(self._reader.frames(), None)
        if frame is None:
            return False
        if frame.kind != framing.SASL_FRAME:
            raise ProtocolViolation(Condition.FRAMING_ERROR, "a SASL frame was expected")
        chosen = performatives.expect(SaslInit, frame.body)
        accepted = chosen.mechanism in _MECHANISMS.items
        outcome = SaslOutcome(outcome=UByte(0 if accepted else 1))
        self.send(framing.frame(0, outcome, kind=framing.SASL_FRAME))
        if not accepted:
            self._close()
        self._stage = self._expect_amqp_header
        return accepted

    def _expect_amqp_header(self) -> bool:
        header = self._reader.take(_HEADER_SIZE)
        return header is not None and self._answer_header(header)

    def _answer_header(self, header: bytes) -> bool:
        self.send(framing.AMQP_HEADER)
        if header != framing.AMQP_HEADER:
            self._close()  # the header just sent tells the peer what would have been understood
            return False
        self._stage = self._expect_open
        return True

    def _expect_open(self) -> bool:
        frame = self._next_frame()
        if frame is None:
            return False
        if not frame.body:
            return True
        peer = performatives.expect(Open, frame.body)
        if peer.max_frame_size < framing.MIN_MAX_FRAME_SIZE:
            raise ProtocolViolation(Condition.INVALID_FIELD, "max-frame-size must be at least 512")
        self.max_outgoing_frame = min(peer.max_frame_size, MAX_FRAME_SIZE)
        self._open()
        if peer.idle_time_out:
            self._beat(peer.idle_time_out / 1000 / 2)
        self._stage = self._expect_frame
        return True

    def _open(self) -> None:
        idle = self.namespace.config.idle_timeout_seconds
        answer = Open(
            container_id=f"local-{uuid4().hex[:8]}",
            max_frame_size=UInt(MAX_FRAME_SIZE),
            channel_max=UShort(_CHANNEL_MAX),
            idle_time_out=None if idle is None else UInt(int(idle * 1000)),
        )
        self.send(framing.frame(0, answer))

    def _expect_frame(self) -> bool:
        frame = self._next_frame()
        if frame is None:
            return False
        if frame.body:  # else a heartbeat
            performative, payload_at = performatives.decode(frame.body)
            self._handle(frame.channel, performative, frame.body[payload_at:])
        return True

    def _next_frame(self) -> Frame | None:
        frame = next(self._reader.frames(), None)
        if frame is not None and frame.kind != framing.AMQP_FRAME:
            raise ProtocolViolation(Condition.FRAMING_ERROR, "an AMQP frame was expected")
        return frame

    def _handle(self, channel: int, performative: Performative, payload: bytes) -> None:
        match performative:
            case Begin():
                if channel in self._sessions or channel > _CHANNEL_MAX:
                    raise ProtocolViolation(Condition.NOT_ALLOWED, f"a session can't begin on channel {channel}")
                self._sessions[channel] = Session(self, channel, performative)
            case Close():
                self.send(framing.frame(0, Close()))
                self._close()
            case End():
                session = self._sessions.pop(channel, None)
                if session is not None:
                    session.lost()
                    self.send(framing.frame(channel, End()))
            case _ if channel in self._sessions:
                self._sessions[channel].handle(performative, payload)
            case performatives.Detach():
                pass  # the Azure SDK for Python detaches its links after it has ended their session
            case _:
                raise ProtocolViolation(Condition.NOT_ALLOWED, f"no session has begun on channel {channel}")

    # --- endings ---

    def _fail(self, error: AmqpError) -> None:
        """Tell the peer what it did, as far as it is able to hear, and close."""
        _log.warning("A connection is closed: %s", error)
        if self._stage == self._expect_open:
            self._open()
        if self._stage in {self._expect_open, self._expect_frame}:
            self.send(framing.frame(0, Close(error=performatives.error_value(error))))
        elif self._stage == self._expect_first_header:
            self.send(framing.AMQP_HEADER)
        self._close()

    def _close(self) -> None:
        self.flush()
        self._closed = True
        self._socket.close()
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = self._loop.call_later(_LINGER_SECONDS, self._socket.abort)

    # --- time ---

    def _beat(self, interval_seconds: float) -> None:
        if not self._closed:
            self._heartbeat = self._loop.call_later(interval_seconds, self._beat, interval_seconds)
            if self._stage == self._expect_frame:
                self._socket.write(framing.EMPTY_FRAME)

    def _watch(self) -> None:
        idle = self.namespace.config.idle_timeout_seconds
        if idle is None or self._closed:
            return
        left = self._heard_at + idle - self._loop.time()
        if left <= 0:
            self._fail(AmqpError(Condition.CONNECTION_FORCED, f"The connection was inactive for {idle:g} seconds."))
        else:
            self._watchdog = self._loop.call_later(left, self._watch)
