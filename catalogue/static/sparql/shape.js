// What an answer's columns can be drawn as: which hold numbers, points in time, names, places.
import { isNumeric } from "./table.js";

const TIME = /^\d{4}(-(\d{2}|Q[1-4]))?(-\d{2})?$/;
const TIME_NAME = /year|period|date|month|quarter|start|end|år|datum/i;
const MANY = 12;
const MOST_BARS = 60;

/** {kind: "number" | "time" | "text" | "iri" | "geometry" | "other", name, index, distinct} for each column. */
export function columnsOf(answer) {
  return answer.header.map((name, index) => {
    const terms = answer.rows.map((row) => row[index]).filter((term) => term.type !== "none");
    const distinct = new Set(terms.map((term) => term.value)).size;
    return { name, index, distinct, kind: kindOf(answer, name, index, terms) };
  });
}

function kindOf(answer, name, index, terms) {
  if (!terms.length) return "other";
  if (terms.every((term) => TIME.test(term.value)) && (terms[0].number === undefined || TIME_NAME.test(name))) return "time";
  if (isNumeric(answer, index)) return "number";
  if (terms.every((term) => term.type === "iri")) return terms.some((term) => outlined(term.value)) ? "place" : "iri";
  if (terms.some((term) => isGeometry(term))) return "geometry";
  return terms.every((term) => term.type === "literal" && !/#boolean$/.test(term.datatype)) ? "text" : "other";
}

/** The kommun code of an IRI of ours, whose outline we have; else null. */
export const outlined = (iri) => /\/id\/area\/kommun\/(\d{4})$/.exec(iri)?.[1] ?? null;

export const isGeometry = (term) =>
  term.type === "literal" && (/geoJSONLiteral|wktLiteral/.test(term.datatype) || /^\s*(\{"type"|(<[^>]+>\s*)?(MULTI)?(POINT|LINESTRING|POLYGON)\s*\()/i.test(term.value));

/** How to draw an answer as a chart, or null: {type, columns, x, y, series}; `series` are the columns that tell lines apart. */
export function chartOf(answer) {
  if (answer.kind !== "table" || !answer.rows.length) return null;
  const columns = columnsOf(answer);
  const numbers = columns.filter((column) => column.kind === "number");
  const names = columns.filter((column) => column.kind === "text");
  const time = columns.find((column) => column.kind === "time" && column.distinct > 1);
  const others = names.length ? names : columns.filter((column) => ["iri", "place"].includes(column.kind));
  if (!numbers.length || !(time || others.length)) return null;
  const x = time ?? widest(others);
  const y = numbers.find((column) => LIKELY.test(column.name)) ?? numbers.at(-1);
  return { type: time ? "line" : "bar", columns, x, y, series: seriesOf(answer, columns, x) };
}

const LIKELY = /value|mean|change|gap|difference|progress|count|total|amount/i;
const widest = (columns) => columns.reduce((best, column) => (column.distinct > best.distinct ? column : best));
const keyOf = (row, columns) => columns.map((column) => row[column.index].value).join("\u0001");
const kinds = (answer, columns) => new Set(answer.rows.map((row) => keyOf(row, columns))).size;
const isKey = (answer, columns) => kinds(answer, columns) === answer.rows.length;

/** The fewest columns of names and times that, with x, tell the rows apart: each of their combinations is a series. */
export function seriesOf(answer, columns, x) {
  const taken = [];
  const names = columns.filter((column) => ["text", "time"].includes(column.kind) && column !== x);
  for (const column of names.sort((a, b) => b.distinct - a.distinct)) {
    if (isKey(answer, [x, ...taken])) break;
    if (column.distinct > 1) taken.push(column);
  }
  return taken.filter((column) => kinds(answer, [x, ...taken]) > kinds(answer, [x, ...taken.filter((other) => other !== column)]));
}

/**
 * {labels, series: [{name, values}], of, isCut}: values stand in the order of labels, null where there is none. `y` is a
 * column, or {all: [columns]} for each of them.
 */
export function chartData(answer, { columns, x, y, series, type }) {
  // Two areas may have one name; then the identifier in the row tells them apart, and stands in the label.
  const ids = isKey(answer, [x, ...series]) ? [] : columns.filter((column) => ["iri", "place"].includes(column.kind) && column !== x);
  const [xIds, seriesIds] = type === "line" && series.length ? [[], ids] : [ids, []];
  const labels = labelled(answer.rows, [x], xIds);
  const ys = y.all ?? [y];
  const names = new Map();
  for (const [key, name] of labelled(answer.rows, series, seriesIds)) {
    for (const each of ys) names.set(`${each.index}\u0002${key}`, [name, (ys.length > 1 || !name) && each.name].filter(Boolean).join(" · "));
  }
  const order = [...labels.keys()];
  if (x.kind === "time") order.sort();
  const at = new Map(order.map((key, i) => [key, i]));
  const values = new Map([...names.keys()].map((key) => [key, Array(order.length).fill(null)]));
  for (const row of answer.rows) {
    const key = keyOf(row, [...series, ...seriesIds]), place = at.get(keyOf(row, [x, ...xIds]));
    for (const each of ys) values.get(`${each.index}\u0002${key}`)[place] = row[each.index].number ?? null;
  }
  const most = type === "bar" ? MOST_BARS : order.length;
  const drawn = [...names].slice(0, MANY).map(([key, name]) => ({ name, values: values.get(key).slice(0, most) }));
  return { labels: order.slice(0, most).map((key) => labels.get(key)), series: drawn, of: names.size, bars: order.length, isCut: names.size > MANY, isShort: order.length > most };
}

/** A label for each combination of columns, in the order of the rows; what `ids` alone tell apart is named by them too. */
function labelled(rows, columns, ids) {
  const found = new Map();
  for (const row of rows) {
    const key = keyOf(row, [...columns, ...ids]);
    if (!found.has(key)) found.set(key, { name: columns.map((column) => named(row[column.index])).join(" · "), id: ids.map((column) => local(row[column.index].value)).join(" ") });
  }
  const seen = new Map();
  for (const { name } of found.values()) seen.set(name, (seen.get(name) ?? 0) + 1);
  return new Map([...found].map(([key, { name, id }]) => [key, seen.get(name) > 1 && id ? `${name} (${id})` : name]));
}

const local = (iri) => decodeURIComponent(iri.replace(/^.*[/#]/, ""));
const named = (term) => (term.type === "iri" ? local(term.value) : term.value);

/** How to draw an answer on a map, or null: {geometry, value, name} with columns. */
export function mapOf(answer) {
  if (answer.kind !== "table" || !answer.rows.length) return null;
  const columns = columnsOf(answer);
  const geometry = columns.find((column) => column.kind === "geometry") ?? columns.find((column) => column.kind === "place");
  if (!geometry) return null;
  const chart = chartOf(answer);
  return { columns, geometry, value: chart?.y ?? columns.find((c) => c.kind === "number") ?? null, name: columns.find((c) => c.kind === "text") ?? null };
}
