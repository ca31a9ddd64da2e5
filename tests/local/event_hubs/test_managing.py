"""What the SDK asks about hubs and partitions, and who may ask, send and listen."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub import EventData
from azure.eventhub.exceptions import AuthenticationError, ConnectError, ConnectionLostError, EventHubError

from local.event_hubs import BrokerConfig, Claim, EventHubsBroker, SharedAccessPolicy
from local.event_hubs.amqp.performatives import Attach, Detach
from tests.local.event_hubs.clients import HUB, SDK_LEAVES_SOCKETS, consumer, producer, reading, store
from tests.local.event_hubs.peer import Peer, error_of, sas_token

if TYPE_CHECKING:
    from tests.local.event_hubs.conftest import StartBroker

pytestmark = SDK_LEAVES_SOCKETS

POLICIES = {
    "RootManageSharedAccessKey": SharedAccessPolicy(key="root"),
    "sender": SharedAccessPolicy(key="for sending", claims=frozenset({Claim.SEND})),
    "listener": SharedAccessPolicy(key="for listening", claims=frozenset({Claim.LISTEN})),
}


@pytest.fixture
async def guarded(start_broker: StartBroker) -> EventHubsBroker:
    return await start_broker(policies=POLICIES)


async def test_a_hub_s_properties(start_broker: StartBroker) -> None:
    before = datetime.now(tz=UTC)
    broker = await start_broker(hubs={HUB: 12})
    async with producer(broker) as client:
        properties = await client.get_eventhub_properties()
        assert await client.get_partition_ids() == [str(number) for number in range(12)]
    assert properties["eventhub_name"] == HUB
    assert abs(properties["created_at"] - before).total_seconds() < 60


async def test_a_partition_s_properties_before_and_after_its_first_events(broker: EventHubsBroker) -> None:
    async with producer(broker) as client:
        empty = await client.get_partition_properties("1")
        assert empty == {
            "eventhub_name": HUB,
            "id": "1",
            "beginning_sequence_number": 0,
            "last_enqueued_sequence_number": -1,
            "last_enqueued_offset": "-1",
            "last_enqueued_time_utc": datetime(1, 1, 1, tzinfo=UTC),
            "is_empty": True,
        }
        store(broker, "a", "b", "c", partition="1")
        filled = await client.get_partition_properties("1")
    assert filled["last_enqueued_sequence_number"] == 2
    assert int(filled["last_enqueued_offset"]) > 0
    assert filled["is_empty"] is False


async def test_unknown_hubs_and_partitions_are_not_found(broker: EventHubsBroker) -> None:
    async with producer(broker, hub="nowhere") as client:
        with pytest.raises(ConnectError, match="'nowhere' could not be found") as raised:
            await client.get_eventhub_properties()
        assert raised.value.error == "not-found"
        with pytest.raises((ConnectError, ConnectionLostError)) as not_found:
            await client.send_event(EventData("x"))
        assert not_found.value.error == "not-found"
    async with producer(broker) as client:
        with pytest.raises(ConnectError, match="no partition '9'"):
            await client.get_partition_properties("9")
        with pytest.raises(EventHubError, match="Invalid partition 9"):
            await client.send_event(EventData("x"), partition_id="9")


async def test_a_policy_that_may_send_sends_and_reads_properties(guarded: EventHubsBroker) -> None:
    async with producer(guarded, guarded.connection_string(policy="sender")) as client:
        await client.send_event(EventData("a"))
        assert (await client.get_eventhub_properties())["eventhub_name"] == HUB
    assert guarded.stats().hub(HUB).messages == 1


async def test_a_policy_that_may_only_listen_listens(guarded: EventHubsBroker) -> None:
    store(guarded, "a")
    connection_string = guarded.connection_string(policy="listener")
    async with producer(guarded, connection_string) as client:
        with pytest.raises((ConnectError, ConnectionLostError)) as raised:
            await client.send_event(EventData("b"))
        assert raised.value.error == "unauthorized-access"
    async with reading(consumer(guarded, connection_string=connection_string), partition_id="0") as seen:
        await seen.until(events=1)
    assert guarded.stats().hub(HUB).messages == 1


@pytest.mark.parametrize(("policy", "receives"), [("sender", True), ("listener", False)])
async def test_an_attach_without_the_claim_is_refused(guarded: EventHubsBroker, policy: str, receives: bool) -> None:
    """Attached without a source and a target, then detached with the reason. (The SDK tells no consumer of it.)"""
    async with await Peer.connect(guarded) as peer:
        await peer.open()
        await peer.authorize(guarded, policy=policy)
        peer.attach(f"{HUB}/ConsumerGroups/$Default/Partitions/0" if receives else HUB, handle=2, receives=receives)
        attached = await peer.hear_until(Attach)
        assert (attached.source, attached.target) == (None, None)
        detached = await peer.hear_until(Detach)
        assert detached.closed
        assert error_of(detached.error)[0] == "amqp:unauthorized-access"


@pytest.mark.parametrize("wrong", ["SharedAccessKey=wrong", "SharedAccessKeyName=nobody"])
async def test_a_wrong_key_or_policy_fails_to_authenticate(broker: EventHubsBroker, wrong: str) -> None:
    name = wrong.partition("=")[0]
    parts = [part for part in broker.connection_string().split(";") if not part.startswith(f"{name}=")]
    async with producer(broker, ";".join([*parts, wrong])) as client:
        with pytest.raises(AuthenticationError, match="401"):
            await client.send_event(EventData("x"))
    assert broker.stats().tokens_refused > 0
    assert broker.stats().hub(HUB).messages == 0


def _signed(broker: EventHubsBroker, resource: str, expires_in: float) -> str:
    name, policy = next(iter(broker.config.policies.items()))
    token = sas_token(resource, key=policy.key, policy=name, expires_at=time.time() + expires_in)
    return f"Endpoint=sb://localhost:{broker.port};SharedAccessSignature={token};UseDevelopmentEmulator=true"


async def test_a_signature_instead_of_a_key_is_accepted(broker: EventHubsBroker) -> None:
    async with producer(broker, _signed(broker, f"sb://localhost:{broker.port}/{HUB}", 600)) as client:
        await client.send_event(EventData("x"))
        assert len(await client.get_partition_ids()) == 4
    assert broker.stats().hub(HUB).messages == 1


@pytest.mark.parametrize(("path", "expires_in"), [("other", 600.0), (HUB, -5.0)])
async def test_a_signature_for_another_hub_or_expired_is_refused(
    broker: EventHubsBroker, path: str, expires_in: float
) -> None:
    async with producer(broker, _signed(broker, f"sb://localhost:{broker.port}/{path}", expires_in)) as client:
        with pytest.raises(EventHubError):
            await client.send_event(EventData("x"))
    assert broker.stats().hub(HUB).messages == 0


async def test_a_link_ends_when_its_token_does() -> None:
    """The broker's clock runs ahead of the client's, which therefore does not renew the token in time."""
    ahead = [0.0]
    async with EventHubsBroker(BrokerConfig(), now=lambda: time.time() + ahead[0]) as broker:
        async with producer(broker) as client, reading(consumer(broker), partition_id="0") as seen:
            await client.send_event(EventData("in time"), partition_id="0")
            await seen.until(events=1)
            ahead[0] = 2 * 3600.0
            with pytest.raises((ConnectError, ConnectionLostError)) as raised:
                await client.send_event(EventData("too late"), partition_id="0")
            assert "amqp:unauthorized-access" in str(raised.value)
        assert broker.stats().hub(HUB).messages == 1


async def test_connection_strings_have_the_form_that_the_sdks_read(guarded: EventHubsBroker) -> None:
    root = f"Endpoint=sb://localhost:{guarded.port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=root"
    assert guarded.connection_string() == f"{root};UseDevelopmentEmulator=true"
    assert guarded.connection_string("h") == f"{root};UseDevelopmentEmulator=true;EntityPath=h"
    with pytest.raises(KeyError):
        guarded.connection_string(policy="nobody")


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"hubs": {}}, "at least one hub"),
        ({"hubs": {"a/b": 1}}, "can't be the name"),
        ({"hubs": {"$cbs": 1}}, "can't be the name"),
        ({"hubs": {"a": 0}}, "1 to 1024 partitions"),
        ({"retention_bytes": 0}, "must be positive"),
    ],
)
def test_settings_that_can_not_work_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        BrokerConfig(**settings)
