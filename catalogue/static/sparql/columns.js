// Kinds of a result's columns, and how to draw them: numbers, points in time, names, places.
import { isNumeric } from "./table.js";

const TIME = /^\d{4}(-(\d{2}|Q[1-4]))?(-\d{2})?$/;
const TIME_NAME = /year|period|date|month|quarter|start|end|år|datum/i;
const MAX_SERIES = 12;
const MAX_BARS = 60;

/** Return {kind: "number" | "time" | "text" | "iri" | "geometry" | "other", name, index, distinct} for each column. */
export function columnsOf(result) {
  return result.header.map((name, index) => {
    const terms = result.rows.map((row) => row[index]).filter((term) => term.type !== "none");
    const distinct = new Set(terms.map((term) => term.value)).size;
    return { name, index, distinct, kind: kindOf(result, name, index, terms) };
  });
}

function kindOf(result, name, index, terms) {
  if (!terms.length) return "other";
  if (terms.every((term) => TIME.test(term.value)) && (terms[0].number === undefined || TIME_NAME.test(name))) return "time";
  if (isNumeric(result, index)) return "number";
  if (terms.every((term) => term.type === "iri")) return terms.some((term) => kommunCode(term.value)) ? "place" : "iri";
  if (terms.some((term) => isGeometry(term))) return "geometry";
  return terms.every((term) => term.type === "literal" && !/#boolean$/.test(term.datatype)) ? "text" : "other";
}

/** Return the kommun code of one of our IRIs, whose outline we have; else null. */
export const kommunCode = (iri) => /\/id\/area\/kommun\/(\d{4})$/.exec(iri)?.[1] ?? null;

export const isGeometry = (term) =>
  term.type === "literal" && (/geoJSONLiteral|wktLiteral/.test(term.datatype) || /^\s*(\{"type"|(<[^>]+>\s*)?(MULTI)?(POINT|LINESTRING|POLYGON)\s*\()/i.test(term.value));

/** Return how to draw a result as a chart, or null: {type, columns, x, y, series}; `series` are the columns that distinguish lines. */
export function chartOf(result) {
  if (result.kind !== "table" || !result.rows.length) return null;
  const columns = columnsOf(result);
  const numbers = columns.filter((column) => column.kind === "number");
  const names = columns.filter((column) => column.kind === "text");
  const time = columns.find((column) => column.kind === "time" && column.distinct > 1);
  const others = names.length ? names : columns.filter((column) => ["iri", "place"].includes(column.kind));
  if (!numbers.length || !(time || others.length)) return null;
  const x = time ?? widest(others);
  const y = numbers.find((column) => VALUE_NAME.test(column.name)) ?? numbers.at(-1);
  return { type: time ? "line" : "bar", columns, x, y, series: seriesOf(result, columns, x) };
}

const VALUE_NAME = /value|mean|change|gap|difference|progress|count|total|amount/i;
const widest = (columns) => columns.reduce((best, column) => (column.distinct > best.distinct ? column : best));
const keyOf = (row, columns) => columns.map((column) => row[column.index].value).join("\u0001");
const countKeys = (result, columns) => new Set(result.rows.map((row) => keyOf(row, columns))).size;
const isKey = (result, columns) => countKeys(result, columns) === result.rows.length;

/** Return the fewest name and time columns that, with x, identify the rows: each of their combinations is a series. */
export function seriesOf(result, columns, x) {
  const seriesColumns = [];
  const names = columns.filter((column) => ["text", "time"].includes(column.kind) && column !== x);
  for (const column of names.sort((a, b) => b.distinct - a.distinct)) {
    if (isKey(result, [x, ...seriesColumns])) break;
    if (column.distinct > 1) seriesColumns.push(column);
  }
  return seriesColumns.filter((column) => countKeys(result, [x, ...seriesColumns]) > countKeys(result, [x, ...seriesColumns.filter((other) => other !== column)]));
}

/**
 * Return {labels, series: [{name, values}], of, isCut}: values are in the order of labels, null if missing. `y` is a
 * column, or {all: [columns]} for several.
 */
export function chartData(result, { columns, x, y, series, type }) {
  // Two areas may have the same name; the identifier in the row then distinguishes them, and is part of the label.
  const ids = isKey(result, [x, ...series]) ? [] : columns.filter((column) => ["iri", "place"].includes(column.kind) && column !== x);
  const [xIds, seriesIds] = type === "line" && series.length ? [[], ids] : [ids, []];
  const labels = labelRows(result.rows, [x], xIds);
  const ys = y.all ?? [y];
  const names = new Map();
  for (const [key, name] of labelRows(result.rows, series, seriesIds)) {
    for (const each of ys) names.set(`${each.index}\u0002${key}`, [name, (ys.length > 1 || !name) && each.name].filter(Boolean).join(" · "));
  }
  const order = [...labels.keys()];
  if (x.kind === "time") order.sort();
  const indexByKey = new Map(order.map((key, i) => [key, i]));
  const values = new Map([...names.keys()].map((key) => [key, Array(order.length).fill(null)]));
  for (const row of result.rows) {
    const key = keyOf(row, [...series, ...seriesIds]), index = indexByKey.get(keyOf(row, [x, ...xIds]));
    for (const each of ys) values.get(`${each.index}\u0002${key}`)[index] = row[each.index].number ?? null;
  }
  const maxBars = type === "bar" ? MAX_BARS : order.length;
  const lines = [...names].slice(0, MAX_SERIES).map(([key, name]) => ({ name, values: values.get(key).slice(0, maxBars) }));
  return { labels: order.slice(0, maxBars).map((key) => labels.get(key)), series: lines, of: names.size, bars: order.length, isCut: names.size > MAX_SERIES, isShort: order.length > maxBars };
}

/** Return a label for each combination of columns, in the order of the rows; combinations that differ only in `ids` include these. */
function labelRows(rows, columns, ids) {
  const labelsByKey = new Map();
  for (const row of rows) {
    const key = keyOf(row, [...columns, ...ids]);
    if (!labelsByKey.has(key)) labelsByKey.set(key, { name: columns.map((column) => displayName(row[column.index])).join(" · "), id: ids.map((column) => local(row[column.index].value)).join(" ") });
  }
  const seen = new Map();
  for (const { name } of labelsByKey.values()) seen.set(name, (seen.get(name) ?? 0) + 1);
  return new Map([...labelsByKey].map(([key, { name, id }]) => [key, seen.get(name) > 1 && id ? `${name} (${id})` : name]));
}

const local = (iri) => decodeURIComponent(iri.replace(/^.*[/#]/, ""));
const displayName = (term) => (term.type === "iri" ? local(term.value) : term.value);

/** Return how to draw a result on a map, or null: {geometry, value, name} with columns. */
export function mapOf(result) {
  if (result.kind !== "table" || !result.rows.length) return null;
  const columns = columnsOf(result);
  const geometry = columns.find((column) => column.kind === "geometry") ?? columns.find((column) => column.kind === "place");
  if (!geometry) return null;
  const chart = chartOf(result);
  return { columns, geometry, value: chart?.y ?? columns.find((c) => c.kind === "number") ?? null, name: columns.find((c) => c.kind === "text") ?? null };
}
