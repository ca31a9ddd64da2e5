// The three graphs, drawn by uPlot (global: it comes as a classic script).

import { byId, put } from "./dom.js";
import { bytes, clock, percent, rate, span } from "./format.js";
import { Series } from "./series.js";

const probe = byId("rate-summary");

/** A colour of the style sheet as the theme has it, which a canvas can be told. */
function colour(name, opacity = 1) {
  probe.style.color = `var(${name})`;
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g);
  probe.style.color = "";
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

const SPANS = { 5: "5 minutes", 60: "hour", 1440: "24 hours" };

class Graph {
  constructor({ id, column, height, ink, write, least, summary }) {
    Object.assign(this, { box: byId(id), column, height, ink, write, least, summary });
    this.note = byId(id.replace("-chart", "-summary"));
    this.plot = null;
    this.configured = null;
    this.width = 0;
    // Resized in the next frame: a chart that changes the size it is told of would be told for ever.
    new ResizeObserver(() => requestAnimationFrame(() => this.fit())).observe(this.box);
  }

  /** Make it anew, in the colours of the theme. */
  build(series) {
    this.plot?.destroy();
    const size = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.78;
    const axis = { font: `${size}px system-ui, sans-serif`, stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const lines = [{}, { stroke: colour(this.ink), fill: colour(this.ink, 0.14), width: 2, points: { show: false } }];
    if (this.column === "rate") lines.push({ stroke: colour("--muted"), dash: [5, 5], width: 1, points: { show: false } });
    this.width = this.box.clientWidth;
    const options = {
      width: this.width,
      height: this.height,
      padding: [10, size * 2.4, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false },
      scales: {
        x: { range: () => [this.series.end - this.series.windowMinutes * 60, this.series.end] },
        y: { range: (_plot, _low, high) => [0, Math.max(this.least, (high ?? 0) * 1.15)] },
      },
      series: lines,
      axes: [
        { ...axis, space: size * 6.5, size: size * 2.2, values: (_plot, ticks) => ticks.map((tick) => this.hour(tick)) },
        { ...axis, size: size * 5, space: 32, values: (_plot, ticks) => ticks.map((tick) => this.write(tick)) },
      ],
      hooks: { setCursor: [(plot) => this.point(plot.cursor.idx)] },
    };
    this.series = series;
    this.plot = new uPlot(options, this.data(), this.box);
  }

  hour(tick) {
    const text = clock(tick * 1000);
    return this.series.windowMinutes > 5 ? text.slice(0, 5) : text;
  }

  data() {
    const columns = this.series.columns(this.column);
    if (this.column === "rate") columns.push(columns[0].map(() => this.configured));
    return columns;
  }

  draw() {
    this.plot?.setData(this.data());
    this.point(this.plot?.cursor.idx);
  }

  fit() {
    const width = this.box.clientWidth;
    if (this.plot && width && width !== this.width) {
      this.width = width;
      this.plot.setSize({ width, height: this.height });
    }
  }

  /** Under the graph: what is pointed at, else the whole of it in words. */
  point(index) {
    const point = this.series.points[index ?? -1];
    const whole = this.series.summary(this.column);
    if (point && this.plot.cursor.left >= 0) put(this.note, `${clock(point.start * 1000)}: ${this.summary(point[this.column])}`);
    else if (!whole || whole.greatest === 0) put(this.note, `Nothing in the last ${SPANS[this.series.windowMinutes]}.`);
    else {
      const { latest, greatest, average } = whole;
      const end = this.series.points.at(-1).start;
      put(
        this.note,
        `Now ${this.summary(latest)}, average ${this.summary(average)}, at most ${this.summary(greatest)} ` +
          `in the last ${SPANS[this.series.windowMinutes]} (up to ${span(this.series.end - end)} ago).`,
      );
    }
  }
}

export class Charts {
  constructor() {
    this.series = new Series();
    const perSecond = (text) => `${text}/s`;
    const tidy = (value) => (value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en-US") : rate(value));
    this.graphs = [
      new Graph({ id: "rate-chart", column: "rate", height: 260, ink: "--accent", least: 1, write: tidy, summary: (value) => perSecond(rate(value)) }),
      new Graph({ id: "errors-chart", column: "failed", height: 120, ink: "--bad", least: 1, write: (value) => `${tidy(value)} %`, summary: (value) => percent(value / 100) }),
      new Graph({ id: "volume-chart", column: "bytes", height: 170, ink: "--second", least: 1000, write: (value) => bytes(value).replace(".0 ", " "), summary: (value) => perSecond(bytes(value)) }),
    ];
    const rebuild = () => this.graphs.forEach((graph) => graph.build(this.series));
    rebuild();
    document.addEventListener("themechange", rebuild);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", rebuild);
  }

  show(overview, windowMinutes) {
    const configured = overview.status.configured_events_per_second;
    const repaced = this.graphs[0].configured !== configured;
    this.graphs[0].configured = configured;
    const fresh = this.series.add(overview, windowMinutes);
    if (fresh || repaced) for (const graph of this.graphs) graph.draw();
  }
}
