// When to ask: gently, one request at a time, less often in the background, and with patience when nobody answers.

import { Problem, call } from "./api.js";

const VISIBLE_MS = 2_000;
const HIDDEN_MS = 30_000;
const DETAILS_MS = 8_000;
/** How often a graph of so many minutes is worth asking for. */
const HISTORY_MS = { 5: 4_000, 60: 15_000, 1440: 60_000 };
const RETRY_MS = [2_000, 4_000, 8_000, 15_000];

export class Refresher {
  /** `receive(answer)` is called with each answer, `lose(problem, retryAtMs)` with each failure. */
  constructor({ receive, lose, newestEvent, wantsEvents }) {
    this.receive = receive;
    this.lose = lose;
    this.newestEvent = newestEvent;
    this.wantsEvents = wantsEvents;
    this.windowMinutes = 5;
    this.failures = 0;
    this.asking = false;
    this.again = false;
    this.timer = 0;
    this.stopped = false;
    this.forget();
    document.addEventListener("visibilitychange", () => (document.hidden ? this.plan() : this.now()));
    addEventListener("online", () => this.now());
    addEventListener("pageshow", (event) => event.persisted && this.now());
  }

  /** Ask for everything with the next request: its parts may have changed. */
  forget() {
    this.historyAt = 0;
    this.detailsAt = 0;
  }

  zoom(windowMinutes) {
    this.windowMinutes = windowMinutes;
    this.historyAt = 0;
    this.now();
  }

  /** Ask now; while a request is under way, once more right after it. */
  async now() {
    clearTimeout(this.timer);
    if (this.stopped) return;
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    try {
      this.receive(await this.ask());
      this.failures = 0;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.failures += 1;
      this.lose(problem, Date.now() + this.pause());
    } finally {
      this.asking = false;
      if (this.again) {
        this.again = false;
        this.now();
      } else {
        this.plan();
      }
    }
  }

  /** Ask no more until `resume`. */
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  resume() {
    this.stopped = false;
    this.forget();
    this.now();
  }

  async ask() {
    const started = Date.now();
    const query = new URLSearchParams();
    const withHistory = started - this.historyAt >= HISTORY_MS[this.windowMinutes] - 100;
    const withDetails = started - this.detailsAt >= DETAILS_MS;
    const windowMinutes = this.windowMinutes;
    if (withHistory) query.set("window_minutes", windowMinutes);
    query.set("details", withDetails);
    if (!this.wantsEvents()) query.set("events", 0);
    else if (this.newestEvent()) query.set("after", this.newestEvent());
    const overview = await call("GET", `api/stream/overview?${query}`);
    if (withHistory && windowMinutes === this.windowMinutes) this.historyAt = started;
    if (withDetails) this.detailsAt = started;
    return { overview, withDetails, windowMinutes };
  }

  pause() {
    if (this.failures) return RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1];
    return document.hidden ? HIDDEN_MS : VISIBLE_MS;
  }

  plan() {
    clearTimeout(this.timer);
    if (!this.stopped) this.timer = setTimeout(() => this.now(), this.pause());
  }
}
