// The points of the graphs. Pure, but for the seconds it remembers.

const STEP = 5;
const SHORT_WINDOW = 5;
/** Counts arrive with their window's commit, on a busy machine some seconds late: younger buckets aren't complete yet. */
const LATE_SECONDS = 6;
/** A bucket that has only just begun says little: the line ends before it. */
const SETTLED_SECONDS = 20;

const seconds = (instant) => Date.parse(instant) / 1000;
const value = (start, bucket, size) => ({
  start,
  rate: bucket.events_per_second,
  failed: bucket.failure_rate * 100,
  bytes: bucket.bytes_sent / size,
});

export class Series {
  constructor() {
    this.fine = new Map();
    this.points = [];
    this.windowMinutes = SHORT_WINDOW;
    this.end = 0;
  }

  /** Take over an answer's history, if it has one. */
  add({ history, last_minute: lastMinute, timestamp }, windowMinutes) {
    if (!history) return false;
    const now = seconds(timestamp);
    this.windowMinutes = windowMinutes;
    this.end = now;
    for (const bucket of lastMinute.buckets) {
      const start = seconds(bucket.timestamp);
      if (start >= now - 58 && start + STEP <= now - LATE_SECONDS) this.fine.set(start, value(start, bucket, STEP));
    }
    for (const start of this.fine.keys()) if (start < now - SHORT_WINDOW * 60) this.fine.delete(start);
    this.points = windowMinutes === SHORT_WINDOW ? this.short(history, now) : this.long(history, now);
    return true;
  }

  /** Seconds where they are known; the minute that they belong to where they aren't any more. */
  short(history, now) {
    const points = [];
    for (const bucket of history.buckets) {
      const minute = seconds(bucket.timestamp);
      for (let start = minute; start < minute + 60; start += STEP) {
        if (start < now - SHORT_WINDOW * 60) continue;
        const known = this.fine.get(start);
        if (known) points.push(known);
        else if (minute + 60 <= now) points.push(value(start, { ...bucket, bytes_sent: bucket.bytes_sent / 12 }, STEP));
      }
    }
    return points;
  }

  long(history, now) {
    const size = history.bucket_seconds;
    const points = history.buckets.map((bucket) => {
      const start = seconds(bucket.timestamp);
      return value(start, bucket, Math.max(1, Math.min(size, now - start)));
    });
    const last = points.at(-1);
    const earlier = points.some((point) => point !== last && point.rate > 0);
    if (last && earlier && now - last.start < SETTLED_SECONDS) points.pop();
    return points;
  }

  /** Columns as uPlot takes them. */
  columns(name) {
    return [this.points.map((point) => point.start), this.points.map((point) => point[name])];
  }

  /** Latest, greatest and average of a column; null when it has no points. */
  summary(name) {
    const values = this.points.map((point) => point[name]);
    if (!values.length) return null;
    const total = values.reduce((sum, each) => sum + each, 0);
    return { latest: values.at(-1), greatest: Math.max(...values), average: total / values.length };
  }
}
