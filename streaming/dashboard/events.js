// The last hundred events: live, filterable, each one expandable and copyable.

import { byId, make, put } from "./dom.js";
import { family } from "./breakdown.js";
import { clock } from "./format.js";
import { notify } from "./dialogs.js";

const KEPT = 100;
const GIST_FIELDS = 5;

/** A value with everything that is in it, to read and to copy. */
export function payloadView(content, name) {
  const text = JSON.stringify(content, null, 2);
  const copy = make("button", { type: "button", className: "quiet" }, `Copy ${name}`);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      notify(`The ${name} was copied.`);
    } catch {
      notify("The browser does not allow copying here. Select the text instead.", { bad: true });
    }
  });
  return [make("pre", { tabIndex: 0, "aria-label": name }, text), make("div", { className: "actions" }, copy)];
}

/** A row that shows a gist, and all of it once it is opened. */
export function expandable(summary, fill, attributes = {}) {
  const details = make("details", {}, make("summary", {}, ...summary));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(...fill());
  });
  return make("li", attributes, details);
}

export class Events {
  constructor() {
    this.list = byId("events");
    this.filter = byId("event-filter");
    this.held = false;
    this.session = null;
    this.events = [];
    this.rows = new Map();
    this.filter.addEventListener("change", () => this.draw());
    byId("hold").addEventListener("click", (click) => {
      this.held = !this.held;
      click.currentTarget.setAttribute("aria-pressed", this.held);
      this.note();
    });
  }

  get newest() {
    return this.events[0]?.timestamp ?? null;
  }

  types(names) {
    if (this.filter.options.length > 1) return;
    for (const name of names) this.filter.append(make("option", { value: name }, name));
  }

  show(overview) {
    this.types(overview.config.available_event_types);
    const session = overview.status.session_id;
    const fresh = session !== this.session;
    if (this.held && !fresh) return;
    if (fresh) this.events = [];
    this.session = session;
    const known = new Set(this.events.map((event) => event.trace_id));
    const arrived = overview.events.filter((event) => !known.has(event.trace_id));
    if (!arrived.length && !fresh) return;
    this.events = [...arrived, ...this.events]
      .sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : 0))
      .slice(0, KEPT);
    this.draw();
  }

  draw() {
    const wanted = this.events.filter((event) => !this.filter.value || event.event_type === this.filter.value);
    const rows = new Map(wanted.map((event) => [event.trace_id, this.rows.get(event.trace_id) ?? row(event)]));
    // What somebody is reading stays, even when it is no longer one of the last hundred.
    for (const [id, node] of this.rows) {
      if (!rows.has(id) && !(node.firstChild.open && this.isOfFilter(node))) node.remove();
      else if (!rows.has(id)) rows.set(id, node);
    }
    let place = this.list.firstChild;
    for (const node of rows.values()) {
      if (node === place) place = place.nextSibling;
      else this.list.insertBefore(node, place);
    }
    this.rows = rows;
    this.shownCount = wanted.length;
    byId("events-empty").hidden = rows.size > 0;
    this.list.hidden = rows.size === 0;
    put(byId("events-empty"), this.events.length ? `None of the last ${this.events.length} events is of this type.` : "No events yet. The last hundred appear here as they are sent.");
    this.note();
  }

  isOfFilter(node) {
    return !this.filter.value || node.dataset.type === this.filter.value;
  }

  note() {
    const held = this.held ? "Held: the stream goes on, this list does not. " : "";
    put(byId("events-note"), `${held}${this.shownCount ?? 0} of the last ${this.events.length} shown.`);
  }
}

function row(event) {
  const told = Object.entries(event.payload).filter(([, value]) => value !== null);
  const gist = told.slice(0, GIST_FIELDS).map(([name, value]) => `${name}=${value}`).join("  ");
  return expandable(
    [
      make("time", { dateTime: event.timestamp, title: event.timestamp }, clock(Date.parse(event.timestamp))),
      make("span", { className: "type", "data-family": family(event.event_type) }, event.event_type),
      make("span", { className: "gist" }, gist),
    ],
    () => [
      make("p", { className: "note" }, `trace_id ${event.trace_id}, stamped ${event.timestamp}`),
      ...payloadView(event.payload, "payload"),
    ],
    { "data-trace": event.trace_id, "data-type": event.event_type },
  );
}
