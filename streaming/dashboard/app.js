// Puts the page together: one refresh feeds every part.

import { key } from "./api.js";
import { Breakdown } from "./breakdown.js";
import { Charts } from "./charts.js";
import { Commands } from "./commands.js";
import { DeadLetters } from "./dead_letters.js";
import { Disruptions } from "./disruptions.js";
import { announce, byId, put } from "./dom.js";
import { Events } from "./events.js";
import { clock, span } from "./format.js";
import { Refresher } from "./refresh.js";
import { Standing } from "./standing.js";

const UNAUTHORIZED = new Set([401, 403]);

const changed = () => {
  refresher.forget();
  refresher.now();
};
const standing = new Standing();
const charts = new Charts();
const types = new Breakdown("types", { eventTypes: true });
const errors = new Breakdown("errors");
const events = new Events();
const commands = new Commands(changed);
const deadLetters = new DeadLetters(changed);
const disruptions = new Disruptions(changed);

let answeredAt = 0;
let retryAt = 0;
let lost = null;
let details = {};

const refresher = new Refresher({
  newestEvent: () => events.newest,
  wantsEvents: () => !events.held,
  receive({ overview, withDetails, windowMinutes }) {
    if (lost) announce("The connection is back.");
    answeredAt = Date.now();
    lost = null;
    // Summaries are asked for now and then: between, the last ones stand.
    if (withDetails) details = { dlq: overview.dlq, outbox: overview.outbox };
    const whole = { ...overview, ...details };
    standing.show(whole);
    charts.show(whole, windowMinutes);
    types.show(whole.statistics.event_type_counts);
    errors.show(whole.statistics.error_counts);
    events.show(whole);
    commands.show(whole, withDetails);
    deadLetters.show(whole, withDetails);
    disruptions.show(whole);
    byId("main").removeAttribute("aria-busy");
    byId("forget-key").hidden = !key.get();
    document.body.dataset.connection = "live";
    tick();
  },
  lose(problem, againAt) {
    if (UNAUTHORIZED.has(problem.status)) {
      askForKey(problem);
      return;
    }
    lost = problem;
    retryAt = againAt;
    document.body.dataset.connection = answeredAt ? "stale" : "lost";
    tick();
  },
});

function tick() {
  standing.tick();
  const banner = byId("banner");
  banner.hidden = !lost;
  if (lost) {
    const since = answeredAt ? ` The numbers are from ${clock(answeredAt)}.` : "";
    put(byId("banner-text"), `${lost.message}${since} Trying again by itself.`);
    const wait = Math.max(0, Math.round((retryAt - Date.now()) / 1000));
    put(byId("freshness"), wait ? `Lost; next try in ${span(wait)}` : "Lost; trying …");
  } else if (answeredAt) {
    const age = (Date.now() - answeredAt) / 1000;
    put(byId("freshness"), age < 5 ? "Live" : `Updated ${span(age)} ago`);
  }
}

function askForKey(problem) {
  refresher.stop();
  const dialog = byId("key-dialog");
  const error = dialog.querySelector(".error");
  error.hidden = !key.get();
  put(error, problem.status === 403 ? "This key may not read the stream." : "This key was not accepted.");
  key.set(null);
  byId("forget-key").hidden = true;
  document.body.dataset.connection = "locked";
  put(byId("freshness"), "A key is needed");
  if (!dialog.open) dialog.showModal();
}

byId("key-dialog").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const field = byId("key-field");
  key.set(field.value.trim());
  field.value = "";
  byId("key-dialog").close();
  refresher.resume();
});
// Without a key there is nothing to see: Escape must not leave an empty page behind.
byId("key-dialog").addEventListener("cancel", (event) => event.preventDefault());

byId("forget-key").addEventListener("click", () => {
  key.set(null);
  location.reload();
});
byId("retry-now").addEventListener("click", () => refresher.now());
for (const button of document.querySelectorAll("[data-window]")) {
  button.addEventListener("click", () => {
    for (const each of document.querySelectorAll("[data-window]")) each.setAttribute("aria-pressed", each === button);
    refresher.zoom(Number(button.dataset.window));
  });
}

setInterval(() => document.hidden || tick(), 1_000);
refresher.now();
