// Troubles in the retail world, caused on purpose.

import { call } from "./api.js";
import { byId, make, put } from "./dom.js";
import { confirmed, during, fieldsOf, formDialog, notify } from "./dialogs.js";
import { count, number, words } from "./format.js";

export class Disruptions {
  constructor(changed) {
    this.changed = changed;
    this.known = "";
    this.form = formDialog("disruption-dialog", (form) => this.submit(form));
    byId("disruption-create").addEventListener("click", () => this.form.open());
    byId("disruptions-clear").addEventListener("click", (click) => this.clear(click.currentTarget));
  }

  show({ disruptions }) {
    const known = JSON.stringify(disruptions);
    if (known === this.known) return;
    this.known = known;
    byId("disruptions").replaceChildren(...disruptions.map((each) => this.row(each)));
    byId("disruptions-empty").hidden = disruptions.length > 0;
    byId("disruptions-clear").hidden = !disruptions.length;
  }

  row(disruption) {
    const { disruption_id: id, disruption_type: type, target_id: target, severity, status } = disruption;
    const left = status === "active" ? `${number(disruption.time_remaining_minutes)} min left` : "over";
    const end = make("button", { type: "button", "aria-label": `End ${words(type)} at ${target}` }, "End");
    end.addEventListener("click", () =>
      during(end, async () => this.done(await call("DELETE", `api/disruption/${encodeURIComponent(id)}`))),
    );
    const text = make("p", {}, make("strong", {}, words(type)), ` at ${target}`);
    const note = make("p", { className: "note" });
    put(note, `Severity ${number(severity)}, ${left}, ${count(disruption.events_affected)} events touched`);
    return make("li", { "data-disruption": id, "data-state": status }, make("div", {}, text, note), end);
  }

  done({ message }) {
    notify(message);
    this.changed();
  }

  async submit(form) {
    const { product_ids: products, ...body } = fieldsOf(form);
    if (products) body.product_ids = products.split(",").map((part) => part.trim()).filter(Boolean).map(Number);
    this.done(await call("POST", "api/disruption/create", body));
  }

  async clear(button) {
    const sure = await confirmed({
      title: "End all disruptions?",
      text: "The world returns to normal with the next planned window.",
      yes: "End them",
    });
    if (sure) await during(button, async () => this.done(await call("POST", "api/disruption/clear-all")));
  }
}
