// Counts by name, as a table whose rows are bars.

import { byId, make, put } from "./dom.js";
import { count, percent, words } from "./format.js";

const FAMILIES = {
  receipt: "sale", payment: "sale", promotion: "sale",
  inventory: "stock", stockout: "stock", reorder: "stock",
  customer: "visit", ble: "visit",
  truck: "road", store: "road",
  ad: "online", online: "online",
};

/** The family of an event type, which gives it its colour. */
export const family = (type) => FAMILIES[type.split("_")[0]] ?? "other";

export class Breakdown {
  /** `names`: whether the rows are event types, which are written as they are. */
  constructor(id, { eventTypes = false } = {}) {
    this.body = byId(id).tBodies[0];
    this.table = byId(id);
    this.empty = byId(`${id}-empty`);
    this.eventTypes = eventTypes;
    this.rows = new Map();
  }

  show(counts) {
    const sorted = Object.entries(counts ?? {}).filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    const total = sorted.reduce((sum, [, value]) => sum + value, 0);
    const most = sorted[0]?.[1] ?? 1;
    this.table.hidden = !sorted.length;
    if (this.empty) this.empty.hidden = sorted.length > 0;
    for (const [name, row] of this.rows) {
      if (!(name in (counts ?? {}))) {
        row.line.remove();
        this.rows.delete(name);
      }
    }
    sorted.forEach(([name, value], place) => {
      const row = this.rows.get(name) ?? this.row(name);
      put(row.value, count(value));
      put(row.share, percent(value / total));
      row.bar.style.width = `${(value / most) * 100}%`;
      if (this.body.rows[place] !== row.line) this.body.insertBefore(row.line, this.body.rows[place] ?? null);
    });
  }

  row(name) {
    const bar = make("span", { className: "bar-fill", "data-family": this.eventTypes ? family(name) : "error" });
    const value = make("td", { className: "number" });
    const share = make("td", { className: "number share" });
    const label = make("span", { className: "bar-name" }, this.eventTypes ? name : words(name));
    const line = make("tr", { "data-name": name }, make("th", { scope: "row" }, label, bar), value, share);
    const row = { line, bar, value, share };
    this.rows.set(name, row);
    return row;
  }
}
