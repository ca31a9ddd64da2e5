"""The one table client of a process: four primitives, bounded, counted, with the SDK's exceptions translated once.

Everything is written by entity-group transactions, single rows too: they are POSTs, which the HTTP library never
repeats by itself when a connection breaks. (It does repeat a PUT, whose own effect then looks like a conflict.)
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiohttp
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableErrorCode, UpdateMode

from shared.redaction import redact
from streaming.adapters.tables import keys
from streaming.adapters.tables.connection import make_service_client, make_token_credential
from streaming.adapters.tables.entities import Row
from streaming.adapters.tables.limits import check_transaction
from streaming.ports import ConflictError, StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from azure.core.pipeline import PipelineRequest
    from azure.core.rest import HttpRequest

    from shared.settings import Settings
    from streaming.adapters.tables.entities import Entity
    from streaming.adapters.tables.keys import RowRange

T = TypeVar("T")

CALL_SECONDS: Final = 3.8
"""The bound of a whole call of a store, all of its requests and retries."""
WRITE_SECONDS: Final = 2.4
"""The part of it that a write may take which can be recognized afterwards: the rest is for looking."""

_LARGE_BODY_BYTES: Final = 1024 * 1024
"""Beyond this, the HTTP library is given a stream, which it sends in pieces: it warns that it would block otherwise."""
_READ_RETRIES: Final[Mapping[str, Any]] = {"retry_total": 2, "retry_backoff_factor": 0.2}
_PARTITIONS: Final = "PartitionKey ge @first_partition and PartitionKey lt @beyond_partition"
_CONFLICTS: Final = frozenset(
    {
        TableErrorCode.CONDITION_NOT_MET,
        TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED,
        TableErrorCode.ENTITY_ALREADY_EXISTS,
        TableErrorCode.RESOURCE_NOT_FOUND,
        TableErrorCode.ENTITY_NOT_FOUND,
    }
)
_FAULTS: Final = (AzureError, aiohttp.ClientError, OSError, ValueError, LookupError)
"""What the SDK raises, what it lets through while it reads a body, and what it stumbles with over answers that no table
storage gives (a proxy's page, for example)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeOfRows:
    """Rows in the order of their keys."""

    rows: tuple[Row, ...]
    pages: int
    """More than one: they were read at different moments, and may not belong together."""


class TablesClient:
    """One table. Creates it when it is missing; needs no network to be made."""

    def __init__(self, settings: Settings, *, table: str = keys.STREAMS) -> None:
        """``table``: the name without the prefix."""
        self.round_trips = 0
        """HTTP requests made, retries included."""
        self._credential = make_token_credential(settings.storage)
        self._service = make_service_client(
            settings.storage,
            self._credential,
            raw_request_hook=self._before_request,
            # Where there is no proxy, the HTTP library needn't look for one: it does so in a thread, each time.
            use_env_settings=settings.proxied,
        )
        self._table = self._service.get_table_client(f"{settings.table_prefix}{table}")

    async def write(self, entities: Sequence[Entity], *, version: str | None, removed: Sequence[str] = ()) -> str:
        """Write ``entities`` and remove rows of their partition, all or nothing; returns the new version of the first.

        The first one must have ``version`` (None: must not exist yet), and what is removed must exist, else
        ``ConflictError``; the others replace whatever there is. Raises ``StorageLimitError``, before anything is sent,
        for what Azure would refuse.
        """
        check_transaction(entities, removed)
        first, *others = entities
        operations: list[Any] = [
            ("create", first)
            if version is None
            else (
                "update",
                first,
                {
                    "mode": UpdateMode.REPLACE,
                    "etag": version,
                    "match_condition": MatchConditions.IfNotModified,
                },
            )
        ]
        operations += [("upsert", other, {"mode": UpdateMode.REPLACE}) for other in others]
        partition = first["PartitionKey"]
        operations += [("delete", {"PartitionKey": partition, "RowKey": row}) for row in removed]
        with _translated():
            results = await self._with_table(lambda: self._table.submit_transaction(operations))
            return str(results[0]["etag"])

    async def read(self, partition: str, row: str) -> Row | None:
        """One row, or None."""

        async def get() -> Row | None:
            try:
                return _row(await self._table.get_entity(partition, row, **_READ_RETRIES))
            except ResourceNotFoundError as error:
                if _code(error) == TableErrorCode.TABLE_NOT_FOUND:
                    raise
                return None

        with _translated():
            return await self._with_table(get)

    async def read_range(
        self, partition: str | RowRange, rows: RowRange, *, properties: Sequence[str] | None = None
    ) -> RangeOfRows:
        """A range of rows of one partition, or of a range of partitions: one request a thousand rows or 4 MiB.

        ``properties``: only these.
        """
        where = "PartitionKey eq @partition" if isinstance(partition, str) else _PARTITIONS
        names = (
            {"partition": partition}
            if isinstance(partition, str)
            else {"first_partition": partition.first, "beyond_partition": partition.beyond}
        )

        async def query() -> RangeOfRows:
            found: list[Row] = []
            pages = 0
            answer = self._table.query_entities(
                f"{where} and RowKey ge @first and RowKey lt @beyond",
                parameters={**names, "first": rows.first, "beyond": rows.beyond},
                select=None if properties is None else ["PartitionKey", "RowKey", *properties],
                **_READ_RETRIES,
            )
            async for page in answer.by_page():
                pages += 1
                found += [_row(entity) async for entity in page]
            return RangeOfRows(rows=tuple(found), pages=pages)

        with _translated():
            return await self._with_table(query)

    async def close(self) -> None:
        """Close all connections. The next call opens new ones."""
        await self._service.close()
        if self._credential is not None:
            await self._credential.close()

    async def _with_table(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Do ``operation``; if there is no table, create it and do it again."""
        try:
            return await operation()
        except AzureError as error:
            if _code(error) != TableErrorCode.TABLE_NOT_FOUND:
                raise
        with contextlib.suppress(ResourceExistsError):  # another process was faster
            await self._service.create_table(self._table.table_name)
        return await operation()

    def _before_request(self, request: PipelineRequest[HttpRequest]) -> None:
        self.round_trips += 1
        body: Any = request.http_request.content
        if isinstance(body, bytes) and len(body) > _LARGE_BODY_BYTES:
            request.http_request.data = BytesIO(body)


@contextlib.asynccontextmanager
async def bounded(seconds: float) -> AsyncIterator[None]:
    """Bound what is done inside; raises ``StorageUnavailableError`` when the time is up."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise StorageUnavailableError(f"Table storage did not answer within {seconds:g} seconds.") from error


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        code = _code(error)
        if code in _CONFLICTS:
            raise ConflictError(f"The row was written by somebody else ({code}).") from error
        reason = redact(str(error)).partition("\n")[0] or type(error).__name__
        raise StorageUnavailableError(f"Table storage refused or could not be reached: {reason}") from error


def _code(error: Exception) -> TableErrorCode | str | None:
    code: TableErrorCode | str | None = getattr(error, "error_code", None)
    return code


def _row(entity: Any) -> Row:
    properties = {name: value[0] if isinstance(value, tuple) else value for name, value in entity.items()}
    return Row(key=properties["RowKey"], version=entity.metadata["etag"], properties=properties)
