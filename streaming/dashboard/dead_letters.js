// The dead-letter queue: look through it, send it again, clear it, take it away as a file.

import { call, download } from "./api.js";
import { Breakdown } from "./breakdown.js";
import { at, byId, make, put } from "./dom.js";
import { confirmed, during, fieldsOf, formDialog, notify, wordsOf } from "./dialogs.js";
import { expandable, payloadView } from "./events.js";
import { count, moment, words } from "./format.js";

const PAGE = 50;

export class DeadLetters {
  constructor(changed) {
    this.changed = changed;
    this.continuation = null;
    this.categories = new Breakdown("dlq-categories");
    this.browser = byId("dlq-dialog");
    this.browser.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    this.redrive = formDialog("redrive-dialog", (form) => this.submitRedrive(form));
    byId("dlq-browse").addEventListener("click", () => this.browse());
    byId("dlq-category").addEventListener("change", () => this.page());
    byId("dlq-more").addEventListener("click", () => this.page({ more: true }));
    byId("dlq-export").addEventListener("click", (click) => during(click.currentTarget, () => this.export()));
    byId("dlq-retry").addEventListener("click", () => this.redrive.open());
    byId("dlq-clear").addEventListener("click", (click) => this.clear(click.currentTarget));
  }

  show(overview, withDetails) {
    const size = overview.statistics.dlq_size;
    const limit = overview.config.realtime.dlq_max_size;
    byId("dlq-meter").value = Math.min(1, size / limit);
    this.size = size;
    byId("dlq-retry").disabled = !size;
    byId("dlq-clear").disabled = !size;
    const types = this.redrive.form.elements.event_type;
    if (types.options.length === 1) {
      for (const name of overview.config.available_event_types) types.append(make("option", { value: name }, name));
    }
    if (!withDetails) return;
    byId("dlq-detail").hidden = !overview.dlq;
    this.categories.show(overview.dlq?.by_category);
    for (const select of [byId("dlq-category"), byId("redrive-category")]) {
      const known = new Set([...select.options].map((option) => option.value));
      for (const name of Object.keys(overview.dlq?.by_category ?? {})) {
        if (!known.has(name)) select.append(make("option", { value: name }, words(name)));
      }
    }
  }

  async browse() {
    byId("dlq-category").value = "";
    this.browser.showModal();
    await this.page();
  }

  async page({ more = false } = {}) {
    const list = byId("dlq-entries");
    const error = this.browser.querySelector(".error");
    const query = new URLSearchParams({ limit: PAGE });
    if (byId("dlq-category").value) query.set("category", byId("dlq-category").value);
    if (more) query.set("continuation", this.continuation);
    put(byId("dlq-note"), "Reading …");
    error.hidden = true;
    try {
      const { events, count: size, continuation } = await call("GET", `api/stream/dlq?${query}`);
      if (!more) list.replaceChildren();
      list.append(...events.map(entryRow));
      this.continuation = continuation ?? null;
      byId("dlq-more").hidden = !this.continuation;
      put(byId("dlq-note"), size ? `${count(list.children.length)} shown, ${count(size)} in the queue.` : "The queue is empty.");
    } catch (problem) {
      if (!("status" in problem)) throw problem;
      put(byId("dlq-note"), "");
      put(error, wordsOf(problem));
      error.hidden = false;
    }
    list.hidden = !list.children.length;
  }

  async export() {
    const address = URL.createObjectURL(await download("api/stream/dlq/export"));
    make("a", { href: address, download: "dead-letters.jsonl" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  async submitRedrive(form) {
    const report = await call("POST", "api/stream/dlq/retry", fieldsOf(form), { patient: true });
    const counted = `${count(report.succeeded)} of ${count(report.total_attempted)} sent, ${count(report.still_in_dlq)} still in the queue.`;
    notify(report.message ? `${report.message} ${counted}` : counted);
    this.changed();
  }

  async clear(button) {
    const sure = await confirmed({
      title: "Clear the dead letters?",
      text: `${count(this.size)} events are given up. They are counted as cleared and can’t be brought back.`,
      yes: "Clear them",
    });
    if (!sure) return;
    await during(button, async () => {
      notify((await call("DELETE", "api/stream/dlq", undefined, { patient: true })).message);
      this.changed();
    });
  }
}

function entryRow(entry) {
  return expandable(
    [
      make("time", { dateTime: entry.timestamp }, moment(entry.timestamp)),
      make("span", { className: "type", "data-family": "error" }, at(entry, "event.event_type") ?? "event"),
      make("span", { className: "gist" }, `${entry.error}, ${entry.retry_count} retries`),
    ],
    () => [
      make("p", { className: "note" }, [entry.error_detail, entry.what_to_do].filter(Boolean).join(" ")),
      ...payloadView(entry.event, "event"),
    ],
  );
}
