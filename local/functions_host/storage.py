"""The host's own blobs and queues in the storage account, as the platform lays them out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient, BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

HOSTS_CONTAINER = "azure-webjobs-hosts"

StorageError = AzureError
"""Anything that can come of asking storage: not reachable, not authorized, throttled."""

# The host has its own, endless retries: a request fails fast and says so.
_NO_RETRIES: dict[str, Any] = {"retry_total": 0, "connection_timeout": 3, "read_timeout": 10}
_FEW_RETRIES: dict[str, Any] = {
    "retry_total": 3,
    "initial_backoff": 0.1,
    "increment_base": 2,
    "connection_timeout": 3,
    "read_timeout": 10,
}


def blob_service(connection: str) -> BlobServiceClient:
    """Raises ValueError for a malformed connection string."""
    # Imported where needed: an app of HTTP functions only starts without it.
    from azure.storage.blob.aio import BlobServiceClient  # noqa: PLC0415

    return BlobServiceClient.from_connection_string(connection, **_NO_RETRIES)


def queue_service(connection: str, *, retries: bool = False) -> QueueServiceClient:
    """Raises ValueError for a malformed connection string."""
    from azure.storage.queue.aio import QueueServiceClient  # noqa: PLC0415  see above

    return QueueServiceClient.from_connection_string(connection, **(_FEW_RETRIES if retries else _NO_RETRIES))


async def make_blob(blob: BlobClient, service: BlobServiceClient) -> None:
    """Make an empty blob, and its container, unless they are there."""
    try:
        await _upload_empty(blob)
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):  # Another worker was faster.
            await service.create_container(blob.container_name)
        await _upload_empty(blob)


async def _upload_empty(blob: BlobClient) -> None:
    try:
        await blob.upload_blob(b"", overwrite=False)
    except ResourceExistsError:
        pass  # Another worker was faster, or holds the lease already.
    except HttpResponseError as error:
        if error.status_code != 412:  # noqa: PLR2004  leased: so it exists
            raise


def reason(error: Exception) -> str:
    """The first line of what went wrong, for a log line."""
    return str(error).strip().split("\n")[0] or type(error).__name__
