# The app on Microsoft's Functions host, for those who run containers. docs/containers.md says how.
ARG PYTHON_VERSION=3.13

FROM mcr.microsoft.com/azure-functions/python:4-python${PYTHON_VERSION} AS packages
WORKDIR /build
COPY requirements.txt ./
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-compile --target packages --requirement requirements.txt

FROM mcr.microsoft.com/azure-functions/python:4-python${PYTHON_VERSION}

# Keys are in a file that is mounted (docs/containers.md), not in the storage account. What is set here is only where.
# hadolint ignore=DL3064
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureWebJobsDisableHomepage=true \
    AzureWebJobsSecretStorageType=files \
    AzureFunctionsJobHost__FileWatchingEnabled=false \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    AzureFunctionsJobHost__Logging__FileLoggingMode=never \
    ASPNETCORE_URLS=http://+:8000 \
    HOME=/home/app

RUN groupadd --gid 10001 app \
    && useradd --uid 10001 --gid app --create-home --home-dir /home/app --shell /usr/sbin/nologin app \
    && mkdir -p /azure-functions-host/Secrets \
    && chown app:app /azure-functions-host/Secrets

WORKDIR /home/site/wwwroot
COPY --from=packages /build/packages ./.python_packages/lib/site-packages/
COPY deploy/container/start.sh /home/site/start.sh
COPY function_app.py host.json requirements.txt ./
COPY shared ./shared/
COPY streaming ./streaming/

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["/bin/bash", "/home/site/start.sh"]
CMD ["/opt/startup/start_nonappservice.sh"]
