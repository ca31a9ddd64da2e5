// How values are written. Pure.

export const NOTHING = "–";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const oneDigit = new Intl.NumberFormat("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const upToThree = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });
const upToTwo = new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 });
const SIZES = ["B", "kB", "MB", "GB", "TB", "PB"];

export const count = (value) => whole.format(value);
export const rate = (value) => oneDigit.format(value);
export const number = (value) => upToThree.format(value);
export const percent = (fraction) => (fraction > 0 && fraction < 0.0001 ? "< 0.01 %" : `${upToTwo.format(fraction * 100)} %`);
export const words = (value) => String(value).replaceAll("_", " ");

export function bytes(value) {
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < SIZES.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit ? oneDigit.format(size) : whole.format(size)} ${SIZES[unit]}`;
}

/** Seconds as 1:02:03, with days in front where there are any. */
export function duration(seconds) {
  const total = Math.max(0, Math.floor(seconds));
  const two = (part) => String(part).padStart(2, "0");
  const clock = `${Math.floor((total % 86400) / 3600)}:${two(Math.floor((total % 3600) / 60))}:${two(total % 60)}`;
  return total >= 86400 ? `${Math.floor(total / 86400)} d ${clock}` : clock;
}

/** A span of time in one unit, such as "3 min". */
export function span(seconds) {
  const total = Math.max(0, Math.round(seconds));
  if (total < 60) return `${total} s`;
  if (total < 3600) return `${Math.floor(total / 60)} min`;
  if (total < 86400) return `${Math.floor(total / 3600)} h`;
  return `${Math.floor(total / 86400)} d`;
}

/** How long ago an instant was, by the server's clock. */
export function ago(instant, nowMs) {
  return `${span((nowMs - Date.parse(instant)) / 1000)} ago`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dateFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
export const clock = (instantMs) => clockFormat.format(instantMs);
export const moment = (instant) => dateFormat.format(Date.parse(instant));

const FORMATS = { count, rate, number, percent, bytes, duration, words, ago, text: String };

/** Write a value as `format` says; what is missing is a dash. */
export function write(value, format, nowMs) {
  return value === null || value === undefined ? NOTHING : FORMATS[format](value, nowMs);
}
