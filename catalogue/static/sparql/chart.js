// A result as lines over time or bars, drawn by Chart.js; the table of the same result is beside it.
import { el, library, number, t } from "./page.js";
import { chartData, chartOf, seriesOf } from "./columns.js";

const DASHES = [[], [6, 4], [2, 3]];
const BAR_HEIGHT = 26;
const NARROW = 520;
const DRAWN = 340;
const LETTER = 7.2;

export async function drawChart(container, result) {
  const Chart = await library("/static/vendor/chart.umd.min.js", "Chart");
  const options = chartOf(result);
  const canvas = el("canvas", { role: "img" });
  const box = el("div", { className: "chart-box" }, canvas);
  const note = el("p", { className: "meta", role: "status" });
  let chart = null;
  const draw = () => {
    const data = chartData(result, options);
    chart?.destroy();
    const isAcross = options.type === "bar" && (data.labels.length > 6 || data.labels.some((label) => label.length > 14));
    box.style.height = `${(isAcross ? Math.max(160, data.labels.length * BAR_HEIGHT * Math.min(data.series.length, 3)) : DRAWN) + legendHeight(data, box.clientWidth)}px`;
    chart = new Chart(canvas, settings(data, options, isAcross, box.clientWidth));
    canvas.setAttribute("aria-label", t("chart.label", { x: options.x.name, y: options.y.name, count: data.of }));
    note.textContent = data.isCut ? t("chart.cut", { shown: data.series.length, count: data.of })
      : data.isShort ? t("chart.short", { shown: data.labels.length, count: data.bars }) : "";
  };
  container.append(controls(result, options, draw), box, note, el("p", {}, el("button", { type: "button", className: "quiet", onclick: () => save(canvas) }, t("chart.save"))));
  draw();
  return () => chart?.destroy();
}

/** Return the height of the legend below, whose lines wrap like words. */
function legendHeight(data, width) {
  if (data.series.length < 2) return 60;
  let lines = 1, used = 0;
  for (const { name } of data.series) {
    const itemWidth = name.length * LETTER + 46;
    if (used + itemWidth > width - 30 && used) { lines += 1; used = 0; }
    used += itemWidth;
  }
  return 60 + lines * 23;
}

function controls(result, options, draw) {
  let series = null;
  // By default there are as many series as the axis needs.
  const update = () => { options.series = series ?? seriesOf(result, options.columns, options.x); draw(); };
  const of = (...kinds) => options.columns.filter((column) => kinds.includes(column.kind));
  const name = (column) => [String(column.index), column.name];
  const by = (index) => options.columns[Number(index)];
  const all = { name: of("number").map((column) => column.name).join(", "), all: of("number") };
  return el("div", { className: "view-line" },
    select("chart.type", [["line", t("chart.line")], ["bar", t("chart.bar")]], options.type, (value) => { options.type = value; draw(); }),
    select("chart.x", of("time", "text", "iri", "place").map(name), String(options.x.index), (value) => { options.x = by(value); update(); }),
    select("chart.y", [...of("number").map(name), ...(all.all.length > 1 ? [["all", t("chart.each")]] : [])], String(options.y.index),
      (value) => { options.y = value === "all" ? all : by(value); draw(); }),
    select("chart.series", [["", t("chart.all")], ...of("text", "time", "iri", "place").map(name)],
      "", (value) => { series = value === "" ? null : [by(value)]; update(); }));
}

function select(key, options, value, change) {
  const id = key.replace(".", "-");
  const element = el("select", { id, onchange: () => change(element.value) }, ...options.map(([key, text]) => el("option", { value: key }, text)));
  element.value = value;
  return el("span", {}, el("label", { for: id }, t(key)), element);
}

function settings(data, options, isAcross, width) {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  const colour = (i) => token(`c${i % 6}`);
  const font = { family: token("sans"), size: 13 };
  const value = { grid: { color: token("line") }, ticks: { font, color: token("soft"), callback: (n) => number(n, 2) }, title: { display: true, text: options.y.name, font, color: token("soft") } };
  const label = {
    grid: { display: false },
    ticks: { font, color: token("soft"), autoSkip: options.type === "line", callback(i) { return clipped(this.getLabelForValue(i), width < NARROW ? 16 : 34); } },
  };
  return {
    type: options.type,
    data: {
      labels: data.labels,
      datasets: data.series.map((series, i) => ({
        label: series.name, data: series.values, borderColor: colour(i), backgroundColor: options.type === "bar" ? colour(i) : "#fff",
        borderWidth: options.type === "bar" ? 0 : 2.5, borderDash: DASHES[Math.floor(i / 6)] ?? [], pointBorderColor: colour(i),
        pointBackgroundColor: colour(i), pointRadius: 3.5, spanGaps: false, maxBarThickness: 34,
      })),
    },
    options: {
      indexAxis: isAcross ? "y" : "x", responsive: true, maintainAspectRatio: false, animation: false,
      interaction: { mode: "index", intersect: false, axis: isAcross ? "y" : "x" },
      scales: isAcross ? { x: value, y: label } : { x: label, y: value },
      plugins: {
        legend: { display: data.series.length > 1, position: "bottom", align: "start", labels: { font, color: token("ink"), boxWidth: 22, boxHeight: 2 } },
        tooltip: { callbacks: { label: (item) => `${item.dataset.label}: ${number(item.raw, 4)}` } },
      },
    },
  };
}

const clipped = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function save(canvas) {
  canvas.toBlob((blob) => {
    const link = el("a", { href: URL.createObjectURL(blob), download: "chart.png" });
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
