// How the stream stands: every single number, its status in words, health with reasons, the breaker.

import { announce, at, byId, make, put } from "./dom.js";
import { NOTHING, clock, count, moment, rate, span, words, write } from "./format.js";

const STATES = {
  running: "Running", paused: "Paused", stopped: "Stopped", starting: "Starting", stopping: "Stopping", error: "Error",
};
const CHECKS = {
  streaming_task: "Stream", azure_config: "Settings", statistics: "Delivery", storage: "Storage",
  event_hub: "Event hub", circuit_breaker: "Circuit breaker", dead_letter_queue: "Dead letters", outbox: "Outbox",
};
const FINE = new Set(["healthy", "active", "inactive", "configured", "closed", "disabled"]);

export class Standing {
  constructor() {
    this.shown = [...document.querySelectorAll("[data-show]")].map((node) => {
      const [path, format = "text"] = node.dataset.show.split(":");
      return { node, path, format };
    });
    this.overview = null;
    this.offsetMs = 0;
    this.lastStatus = null;
    this.lastHealth = null;
    this.checks = new Map();
  }

  /** Now, by the server's clock. */
  get nowMs() {
    return Date.now() + this.offsetMs;
  }

  show(overview) {
    this.overview = overview;
    this.offsetMs = Date.parse(overview.timestamp) - Date.now();
    for (const { node, path, format } of this.shown) this.write(node, path, format);
    this.showStatus(overview);
    this.showHealth(overview.health);
    this.showBreaker(overview.circuit_breaker);
    this.tick();
  }

  write(node, path, format) {
    const value = at(this.overview, path);
    put(node, write(value, format, this.nowMs));
    const raw = JSON.stringify(value ?? null);
    if (node.dataset.value !== raw) node.dataset.value = raw;
    if (format === "ago" && value) node.title = moment(value);
  }

  /** Each second: what goes on by itself between two answers. */
  tick() {
    if (!this.overview) return;
    for (const { node, path, format } of this.shown) if (format === "ago") this.write(node, path, format);
    put(byId("breaker-line"), this.breakerLine(this.overview.circuit_breaker));
  }

  showStatus({ status, statistics, health, config }) {
    byId("status").dataset.status = status.status;
    put(byId("status-text"), STATES[status.status] ?? status.status);
    put(byId("state-line"), stateLine(status, statistics, health, config));
    document.title = `${STATES[status.status] ?? status.status} · ${rate(status.events_per_second)}/s · Retail Stream`;
    if (this.lastStatus !== null && this.lastStatus !== status.status) announce(`The stream is now ${status.status}.`);
    this.lastStatus = status.status;
  }

  showHealth(health) {
    for (const id of ["health", "health-glance"]) byId(id).dataset.level = health.status;
    if (this.lastHealth !== null && this.lastHealth !== health.status) announce(`Health is now ${health.status}.`);
    this.lastHealth = health.status;
    const list = byId("checks");
    for (const [name, check] of Object.entries(health.checks)) {
      const row = this.checks.get(name) ?? this.checkRow(list, name);
      row.line.dataset.fine = FINE.has(check.status);
      put(row.status, words(check.status));
      put(row.why, [check.why, check.what_to_do].filter(Boolean).join(" "));
      row.why.hidden = !check.why;
    }
  }

  checkRow(list, name) {
    const status = make("span", { className: "check-status" });
    const why = make("p", { className: "why" });
    const head = make("p", { className: "check-head" }, make("span", {}, CHECKS[name] ?? words(name)), status);
    const row = { line: make("li", { "data-check": name }, head, why), status, why };
    this.checks.set(name, row);
    list.append(row.line);
    return row;
  }

  showBreaker(breaker) {
    byId("breaker").dataset.level = { closed: "healthy", open: "unhealthy" }[breaker.state] ?? "degraded";
    const newestFirst = [...breaker.transitions].sort((a, b) => (a.at < b.at ? 1 : -1));
    const lines = newestFirst.slice(0, 10).map(
      (each) => `${moment(each.at)}: ${words(each.from_state ?? each.from)} → ${words(each.to_state ?? each.to)}. ${each.reason} (${each.by})`,
    );
    const list = byId("transitions");
    const known = lines.join("\n");
    if (list.dataset.known !== known) {
      list.dataset.known = known;
      list.replaceChildren(...(lines.length ? lines : ["None so far."]).map((line) => make("li", {}, line)));
    }
  }

  breakerLine({ state, enabled, retry_at: retryAt, opened_at: openedAt }) {
    if (!enabled) return "Switched off: failures don’t stop the sending.";
    if (state === "closed") return "Sending is allowed.";
    if (state === "half_open") return "A few trial batches are being sent.";
    const since = openedAt ? `Open for ${span((this.nowMs - Date.parse(openedAt)) / 1000)}. ` : "";
    if (!retryAt) return `${since}It stays open until it is reset.`;
    const left = (Date.parse(retryAt) - this.nowMs) / 1000;
    return left > 0 ? `${since}Next try in ${span(left)}.` : `${since}It tries again with the next batch.`;
  }
}

function stateLine(status, statistics, health, config) {
  const pace = `${count(config.realtime.burst)} events every ${count(config.realtime.emit_interval_ms)} ms`;
  const reason = Object.values(health.checks).find((check) => check.why)?.why;
  switch (status.status) {
    case "running":
      return health.status === "healthy" ? `${pace}, sent to ${config.stream.hub ?? NOTHING}.` : reason ?? pace;
    case "paused":
      return "Nothing is sent until it is resumed. The pause is not caught up.";
    case "starting":
      return "The first burst is due in a moment.";
    case "stopping":
      return "What was planned is being finished.";
    case "error":
      return `${status.fault ? `${status.fault[0].toUpperCase()}${status.fault.slice(1)}` : "The hub can’t be sent to"}. It goes on by itself when that is over.`;
    default:
      if (!status.session_id) return "No stream has run yet. Start one, and its events appear here.";
      return statistics.last_event_time
        ? `The last session sent its last event at ${clock(Date.parse(statistics.last_event_time))}.`
        : "The last session has sent nothing.";
  }
}
