#!/bin/bash
# Says what is missing before the Functions host starts and says it in its own words; then becomes the host.
# bash, because dash would drop settings with dots in their names (AzureWebJobs.<function>.Disabled).
set -eu

has_storage() {
    # A connection string, or the identity's settings: AzureWebJobsStorage__accountName, …__tableServiceUri and so on.
    env | grep -q '^AzureWebJobsStorage\(__[A-Za-z]*\)\{0,1\}=.'
}

if ! has_storage; then
    echo "error: AzureWebJobsStorage is not set. The stream keeps its state in a storage account:" >&2
    echo "  -e AzureWebJobsStorage='<connection string>'   or run \`docker compose up\`, which brings Azurite along." >&2
    exit 64
fi

if [ -z "${AZURE_EVENTHUB_CONNECTION_STRING:-}" ] && [ -z "${EVENTHUB_FULLY_QUALIFIED_NAMESPACE:-}" ]; then
    echo "warning: AZURE_EVENTHUB_CONNECTION_STRING is not set: the app runs, but there is nothing to send to." >&2
fi

# Microsoft's host counts worker processes by its own name.
if [ -n "${MAX_WORKERS:-}" ]; then
    export FUNCTIONS_WORKER_PROCESS_COUNT="$MAX_WORKERS"
fi

exec "$@"
