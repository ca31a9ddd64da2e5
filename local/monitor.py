"""The guide's monitoring and diagnostic scripts, as commands: they need neither jq nor bc, and no events either."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from local.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HIGH_FAILURE_PERCENT: Final = 5.0
PATIENCE_SECONDS: Final = 10
UNREACHABLE: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A running app: where it is, and the key that opens it, if it asks for one."""

    url: str
    key: str | None = None

    def ask(self, path: str) -> tuple[int, Any]:
        """The status and the JSON that came; status 0 when nobody answers."""
        headers = {"x-functions-key": self.key} if self.key else {}
        request = urllib.request.Request(self.url.rstrip("/") + path, headers=headers)  # noqa: S310 - as was typed
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - as above
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, _json(refused.read())
        except (OSError, ValueError):
            return UNREACHABLE, None


def monitor(app: App, *, interval_seconds: float, once: bool, say: Callable[[str], None]) -> bool:
    """Say every ``interval_seconds`` how the stream does; with ``once``, return whether all is well."""
    while True:
        line, alerts = look(app)
        say(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}")
        for alert in alerts:
            say(f"ALERT: {alert}")
        if once:
            return not alerts
        time.sleep(interval_seconds)


def look(app: App) -> tuple[str, list[str]]:
    """One look: a line to show, and what is wrong."""
    code, health = app.ask("/api/stream/health")
    if not isinstance(health, dict) or "checks" not in health:
        return "unreachable", [f"{app.url} does not answer ({code or 'no connection'})"]
    alerts = []
    if health["status"] != "healthy":
        reasons = [f"{name}: {check['why']}" for name, check in health["checks"].items() if check.get("why")]
        alerts.append(f"health is {health['status']}. {' '.join(reasons)}")
    code, statistics = app.ask("/api/stream/statistics")
    if code != 200:  # noqa: PLR2004 - OK
        return f"{health['status']}, statistics unavailable ({code})", alerts or [f"statistics: {code}"]
    generated, failed = statistics["events_generated"], statistics["events_failed"]
    percent = 100 * failed / generated if generated else 0.0
    if percent > HIGH_FAILURE_PERCENT:
        alerts.append(f"failure rate is {percent:.1f} %")
    rate = statistics["events_per_second_last_minute"]
    return f"{health['status']}, {generated} events, {rate}/s, {percent:.2f} % failed", alerts


def diagnose(app: App, out: Path, *, say: Callable[[str], None]) -> None:
    """Write the app's diagnostics, which hold no secret, to ``out``."""
    code, bundle = app.ask("/api/stream/diagnostics")
    if code != 200:  # noqa: PLR2004 - OK
        detail = bundle.get("detail", "") if isinstance(bundle, dict) else ""
        raise LocalError(f"{app.url} gave no diagnostics ({code or 'no connection'}). {detail}".rstrip())
    out.write_text(json.dumps(bundle, indent=2) + "\n", encoding="utf-8")
    say(f"Diagnostics saved to {out}")


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
