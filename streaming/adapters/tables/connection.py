"""The storage settings as the SDK's client. Making one connects to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from azure.data.tables.aio import TableServiceClient

from streaming.ports import StorageUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.core.credentials_async import AsyncTokenCredential

SETTING: Final = "AzureWebJobsStorage"
CONNECT_SECONDS: Final = 2.0
_OPTIONS: Final[Mapping[str, Any]] = {
    # A write that is sent again by the SDK would meet its own effect as a conflict. Reads say otherwise for themselves.
    "retry_total": 0,
    "connection_timeout": CONNECT_SECONDS,
}


def make_token_credential(storage: Mapping[str, str]) -> AsyncTokenCredential | None:
    """What signs in with an identity, to be kept (it caches tokens) and closed; None where a connection string does."""
    if "connectionString" in storage:
        return None
    # Imported here: it costs 140 ms that a connection string does not need.
    from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415 - see above

    client_id = storage.get("clientId")
    if storage.get("credential", "").lower() == "managedidentity":
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential(managed_identity_client_id=client_id)


def make_service_client(
    storage: Mapping[str, str], token_credential: AsyncTokenCredential | None, **options: Any
) -> TableServiceClient:
    """A client for ``storage`` (see ``Settings.storage``) whose writes are attempted once.

    Raises ``StorageUnavailableError``, naming the setting, when that is malformed.
    """
    try:
        if token_credential is None:
            return TableServiceClient.from_connection_string(storage["connectionString"], **_OPTIONS, **options)
        return TableServiceClient(_endpoint(storage), credential=token_credential, **_OPTIONS, **options)
    except ValueError as error:
        # Not the SDK's message: it may quote the connection string.
        raise StorageUnavailableError(f"{SETTING} is malformed: it names no storage account to connect to.") from error


def _endpoint(storage: Mapping[str, str]) -> str:
    if endpoint := storage.get("tableServiceUri"):
        return endpoint
    if account := storage.get("accountName"):
        return f"https://{account}.table.core.windows.net"
    raise ValueError("neither tableServiceUri nor accountName is set")
