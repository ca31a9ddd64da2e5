// What an operator does: start, stop, pause, resume, change the pace, test, reset, drain.

import { call } from "./api.js";
import { byId, make, put } from "./dom.js";
import { confirmed, during, fieldsOf, formDialog, notify, wordsOf } from "./dialogs.js";
import { count, number } from "./format.js";

export class Commands {
  /** `changed()` is called after each command that was carried out. */
  constructor(changed) {
    this.changed = changed;
    this.overview = null;
    this.filled = false;
    this.start = formDialog("start-dialog", (form) => this.submitStart(form));
    this.pace = formDialog("pace-dialog", (form) => this.submitPace(form));
    this.drain = formDialog("drain-dialog", async (form) => this.done(await call("POST", "api/stream/outbox/drain", fieldsOf(form))));
    for (const { form } of [this.start, this.pace]) paceHint(form, () => this.overview.profiles);

    byId("start").addEventListener("click", () => this.openPace(this.start));
    byId("pace").addEventListener("click", () => this.openPace(this.pace));
    byId("outbox-drain").addEventListener("click", () => this.drain.open());
    this.button("pause", () => this.post("pause"));
    this.button("resume", () => this.post("resume"));
    this.asking("stop", () => this.post("stop"), {
      title: "Stop the stream?",
      text: "What is planned is finished first. The next start begins a new session.",
      yes: "Stop it",
    });
    this.asking("breaker-reset", () => this.post("circuit-breaker/reset"), {
      title: "Reset the circuit breaker?",
      text: "It closes at once, and batches are sent again. If the hub still fails, it opens again.",
      yes: "Reset it",
    });
    this.asking("breaker-open", () => this.post("circuit-breaker/open"), {
      title: "Force the circuit breaker open?",
      text: "Nothing is sent until it is reset. Events that are due wait, as long as they can be caught up.",
      yes: "Open it",
    });
    this.asking("outbox-clear", async () => this.done(await call("DELETE", "api/stream/outbox/clear")), {
      title: "Clear the outbox?",
      text: "All pending events are given up. They are counted as cleared and can’t be brought back.",
      yes: "Clear it",
    });
    byId("test").addEventListener("click", (click) => during(click.currentTarget, () => this.test()));
    byId("types-all").addEventListener("click", () => this.tick(true));
    byId("types-none").addEventListener("click", () => this.tick(false));
    byId("start-types").addEventListener("change", () => this.countTypes());
  }

  button(id, work) {
    byId(id).addEventListener("click", (click) => during(click.currentTarget, async () => work()));
  }

  asking(id, work, question) {
    byId(id).addEventListener("click", async (click) => {
      const button = click.currentTarget;
      if (await confirmed(question)) await during(button, work);
    });
  }

  async post(path) {
    this.done(await call("POST", `api/stream/${path}`, undefined, { patient: true }));
  }

  done({ message }) {
    notify(message);
    this.changed();
  }

  async test() {
    const result = byId("test-result");
    put(result, "Asking the hub …");
    result.dataset.level = "unknown";
    try {
      const { success, message, response_time_ms: milliseconds, details } = await call("POST", "api/stream/test", {});
      const where = success ? ` ${details.partition_count} partitions, ${count(milliseconds)} ms.` : "";
      put(result, `${message}${where}`);
      result.dataset.level = success ? "healthy" : "unhealthy";
    } catch (problem) {
      if (!("status" in problem)) throw problem;
      put(result, wordsOf(problem));
      result.dataset.level = "unhealthy";
    }
  }

  show(overview, withDetails) {
    this.overview = overview;
    if (!this.filled) this.fill(overview);
    this.allow();
    if (withDetails) {
      byId("outbox-absent").hidden = overview.outbox !== null;
      for (const id of ["outbox-detail", "outbox-pending"]) byId(id).hidden = overview.outbox === null;
    }
  }

  /** What can be done now. */
  allow() {
    if (!this.overview) return;
    const { status: { is_streaming: active, status }, circuit_breaker: breaker } = this.overview;
    const paused = status === "paused";
    byId("start").disabled = active;
    byId("pause").disabled = !active || status === "stopping";
    byId("pause").hidden = paused;
    byId("resume").hidden = !paused;
    byId("pace").disabled = !active || status === "stopping";
    byId("stop").disabled = !active || status === "stopping";
    byId("breaker-reset").disabled = breaker.state === "closed" && breaker.consecutive_failures === 0;
    byId("breaker-open").disabled = !breaker.enabled || breaker.state === "open";
  }

  fill({ profiles, config }) {
    this.filled = true;
    for (const { form } of [this.start, this.pace]) {
      const select = form.elements.profile;
      select.append(make("option", { value: "" }, "as configured"));
      for (const [name, { emit_interval_ms: interval, burst }] of Object.entries(profiles)) {
        select.append(make("option", { value: name }, `${name}: ${number((burst * 1000) / interval)} events/s`));
      }
    }
    for (const name of config.available_event_types) {
      const box = make("input", { type: "checkbox", name: "types", value: name, checked: true, id: `type-${name}` });
      byId("start-types").append(make("label", { htmlFor: box.id }, box, name));
    }
  }

  openPace({ form, open }) {
    const { emit_interval_ms: interval, burst } = this.overview.config.realtime;
    form.elements.profile.value = "";
    form.elements.emit_interval_ms.value = interval;
    form.elements.burst.value = burst;
    form.dispatchEvent(new Event("input"));
    open();
  }

  async submitStart(form) {
    const { profile, ...body } = fieldsOf(form);
    const types = [...form.elements.types].filter((box) => box.checked).map((box) => box.value);
    if (types.length < form.elements.types.length) body.event_types = types;
    if (profile) await call("PUT", "api/stream/config", { profile });
    this.done(await call("POST", "api/stream/start", body));
  }

  async submitPace(form) {
    this.done(await call("PUT", "api/stream/config", fieldsOf(form)));
  }

  tick(checked) {
    for (const box of this.start.form.elements.types) box.checked = checked;
    this.countTypes();
  }

  countTypes() {
    const boxes = [...this.start.form.elements.types];
    const chosen = boxes.filter((box) => box.checked).length;
    put(byId("start-types-count"), chosen === boxes.length ? "all" : `${chosen} of ${boxes.length}`);
  }
}

/** Keep a form's profile, interval, burst and the rate that follows in step. */
function paceHint(form, profiles) {
  const { profile, emit_interval_ms: interval, burst } = form.elements;
  const hint = form.querySelector("output");
  profile.addEventListener("change", () => {
    const chosen = profiles()[profile.value];
    if (!chosen) return;
    interval.value = chosen.emit_interval_ms;
    burst.value = chosen.burst;
  });
  for (const kind of ["input", "change"]) {
    form.addEventListener(kind, () => {
      const rate = (Number(burst.value) * 1000) / Number(interval.value);
      put(hint, Number.isFinite(rate) ? `${number(rate)} events per second` : "");
    });
  }
}
