// An answer as lines over time or bars, drawn by Chart.js; the table of the same answer stands beside it.
import { el, library, number, t } from "./page.js";
import { chartData, chartOf, seriesOf } from "./shape.js";

const DASHES = [[], [6, 4], [2, 3]];
const BAR_HEIGHT = 26;
const NARROW = 520;
const DRAWN = 340;
const LETTER = 7.2;

export async function drawChart(place, answer) {
  const Chart = await library("/static/vendor/chart.umd.min.js", "Chart");
  const chosen = chartOf(answer);
  const canvas = el("canvas", { role: "img" });
  const box = el("div", { className: "chart-box" }, canvas);
  const note = el("p", { className: "meta", role: "status" });
  let drawn = null;
  const draw = () => {
    const data = chartData(answer, chosen);
    drawn?.destroy();
    const isAcross = chosen.type === "bar" && (data.labels.length > 6 || data.labels.some((label) => label.length > 14));
    box.style.height = `${(isAcross ? Math.max(160, data.labels.length * BAR_HEIGHT * Math.min(data.series.length, 3)) : DRAWN) + legendHeight(data, box.clientWidth)}px`;
    drawn = new Chart(canvas, settings(data, chosen, isAcross, box.clientWidth));
    canvas.setAttribute("aria-label", t("chart.label", { x: chosen.x.name, y: chosen.y.name, count: data.of }));
    note.textContent = data.isCut ? t("chart.cut", { shown: data.series.length, count: data.of })
      : data.isShort ? t("chart.short", { shown: data.labels.length, count: data.bars }) : "";
  };
  place.append(controls(answer, chosen, draw), box, note, el("p", {}, el("button", { type: "button", className: "quiet", onclick: () => save(canvas) }, t("chart.save"))));
  draw();
  return () => drawn?.destroy();
}

/** Room for the legend below, whose lines break as words do. */
function legendHeight(data, width) {
  if (data.series.length < 2) return 60;
  let lines = 1, used = 0;
  for (const { name } of data.series) {
    const long = name.length * LETTER + 46;
    if (used + long > width - 30 && used) { lines += 1; used = 0; }
    used += long;
  }
  return 60 + lines * 23;
}

function controls(answer, chosen, draw) {
  let series = null;
  // Unless somebody says otherwise there are as many series as the axis needs.
  const again = () => { chosen.series = series ?? seriesOf(answer, chosen.columns, chosen.x); draw(); };
  const of = (...kinds) => chosen.columns.filter((column) => kinds.includes(column.kind));
  const name = (column) => [String(column.index), column.name];
  const by = (index) => chosen.columns[Number(index)];
  const all = { name: of("number").map((column) => column.name).join(", "), all: of("number") };
  return el("div", { className: "view-line" },
    select("chart.type", [["line", t("chart.line")], ["bar", t("chart.bar")]], chosen.type, (value) => { chosen.type = value; draw(); }),
    select("chart.x", of("time", "text", "iri", "place").map(name), String(chosen.x.index), (value) => { chosen.x = by(value); again(); }),
    select("chart.y", [...of("number").map(name), ...(all.all.length > 1 ? [["all", t("chart.each")]] : [])], String(chosen.y.index),
      (value) => { chosen.y = value === "all" ? all : by(value); draw(); }),
    select("chart.series", [["", t("chart.all")], ...of("text", "time", "iri", "place").map(name)],
      "", (value) => { series = value === "" ? null : [by(value)]; again(); }));
}

function select(key, options, value, change) {
  const id = key.replace(".", "-");
  const made = el("select", { id, onchange: () => change(made.value) }, ...options.map(([key, text]) => el("option", { value: key }, text)));
  made.value = value;
  return el("span", {}, el("label", { for: id }, t(key)), made);
}

function settings(data, chosen, isAcross, width) {
  const style = getComputedStyle(document.documentElement);
  const token = (name) => style.getPropertyValue(`--${name}`).trim();
  const colour = (i) => token(`c${i % 6}`);
  const font = { family: token("sans"), size: 13 };
  const value = { grid: { color: token("line") }, ticks: { font, color: token("soft"), callback: (n) => number(n, 2) }, title: { display: true, text: chosen.y.name, font, color: token("soft") } };
  const label = {
    grid: { display: false },
    ticks: { font, color: token("soft"), autoSkip: chosen.type === "line", callback(i) { return clipped(this.getLabelForValue(i), width < NARROW ? 16 : 34); } },
  };
  return {
    type: chosen.type,
    data: {
      labels: data.labels,
      datasets: data.series.map((series, i) => ({
        label: series.name, data: series.values, borderColor: colour(i), backgroundColor: chosen.type === "bar" ? colour(i) : "#fff",
        borderWidth: chosen.type === "bar" ? 0 : 2.5, borderDash: DASHES[Math.floor(i / 6)] ?? [], pointBorderColor: colour(i),
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
