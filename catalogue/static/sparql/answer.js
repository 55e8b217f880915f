// Asks the endpoint and reads its answer: TSV row by row (terms in Turtle's syntax), so that a large one can be cut.
import { endpoint, language } from "./page.js";

const MAX_ROWS = 20_000;
const MAX_CHARS = 20_000_000;
const MAX_GET = 6_000;
const XSD = "http://www.w3.org/2001/XMLSchema#";
const ESCAPES = { t: "\t", n: "\n", r: "\r", b: "\b", f: "\f" };
const NUMBER_TYPES = new Set(["integer", "decimal", "double", "float", "int", "long", "short", "nonNegativeInteger"].map((n) => XSD + n));

/** An error of the endpoint (RFC 9457) or of the way to it; `kind` is what it is about, as in the help pages. */
export class Problem extends Error {
  constructor(kind, told = {}, status = 0) {
    super(told.detail || told.title || kind);
    Object.assign(this, { kind, told, status });
  }
}

/** SELECT, ASK, CONSTRUCT or DESCRIBE, as the first of these words outside of comments, names, variables and strings. */
export function formOf(query) {
  const bare = query.replace(/<[^<>"{}|^`\\\s]*>|#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[?$][\w]+|[\p{L}\p{N}_.-]*:[\p{L}\p{N}_.-]*/gu, " ");
  return (bare.match(/\b(SELECT|ASK|CONSTRUCT|DESCRIBE)\b/i)?.[1] ?? "SELECT").toUpperCase();
}

/**
 * The answer to a query: {kind: "table", header, rows, isCut}, {kind: "boolean", value} or {kind: "graph", text}, each
 * with {seconds, bytes, isCached}. Raises Problem, and AbortError when the signal says so.
 */
export async function ask(query, signal) {
  const form = formOf(query);
  const accept = form === "SELECT" ? "text/tab-separated-values" : form === "ASK" ? "application/sparql-results+json" : "text/turtle";
  const began = performance.now();
  const { response, address } = await send(query, { Accept: accept }, signal);
  if (!response.ok) throw await problemOf(response);
  const found = form === "SELECT" ? await readTable(response) : form === "ASK"
    ? { kind: "boolean", value: (await response.json()).boolean }
    : { kind: "graph", text: await response.text() };
  return { ...found, seconds: (performance.now() - began) / 1000, ...carried(address, began, response) };
}

/** Why a query found nothing, in the endpoint's words. Raises Problem. */
export async function explain(query, signal) {
  const { response } = await send(query, { Accept: "application/json" }, signal, { explain: "empty", lang: language });
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

async function send(query, asked, signal, more = {}) {
  const headers = { ...asked, "Accept-Language": language };
  const given = new URLSearchParams({ query, ...more });
  const address = new URL(`${endpoint}?${given}`, location.href).href;
  // A GET can be kept by the browser and is then only asked whether it still holds; a long query has no room in one.
  const isShort = address.length < MAX_GET;
  try {
    const response = isShort
      ? await fetch(address, { headers, signal })
      : await fetch(endpoint, { method: "POST", body: given, headers, signal });
    return { response, address: isShort ? address : new URL(endpoint, location.href).href };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("network");
  }
}

async function problemOf(response) {
  const text = await response.text();
  let told = { title: response.statusText, detail: text.slice(0, 500) };
  try { told = JSON.parse(text); } catch { /* A proxy's own page, not ours. */ }
  const kind = /sparql-([\w-]+)$/.exec(told.type ?? "")?.[1] ?? (response.status === 504 ? "timeout" : "query");
  return new Problem(kind, { ...told, retryAfter: Number(response.headers.get("Retry-After")) || 0 }, response.status);
}

/** What came over the wire. An answer whose body did not travel was kept by the browser; the server tells of its own. */
function carried(address, began, response) {
  const told = response.headers.get("Cache-Status") ?? response.headers.get("X-Cache") ?? "";
  const entry = performance.getEntriesByName(address).filter((e) => e.startTime >= began - 1).pop();
  const length = Number(response.headers.get("Content-Length")) || 0;
  if (!entry) return { bytes: length, isCached: /hit/i.test(told) };
  return {
    bytes: entry.encodedBodySize || length,
    isCached: /hit/i.test(told) || (entry.encodedBodySize > 0 && entry.transferSize < entry.encodedBodySize),
  };
}

async function readTable(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const rows = [];
  let header = null, rest = "", chars = 0, isCut = false;
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    chars += value?.length ?? 0;
    rest = done ? "" : lines.pop();
    for (const line of lines) {
      if (done && line === "" && header) continue;
      const cells = line.replace(/\r$/, "").split("\t");
      if (!header) header = cells.map((name) => name.replace(/^\?/, "")).filter((name) => name);
      else if (rows.length < MAX_ROWS) rows.push(header.map((_, i) => readTerm(cells[i] ?? "")));
      else isCut = true;
    }
    if (done) break;
    if (isCut || chars > MAX_CHARS) { isCut = true; reader.cancel().catch(() => {}); break; }
  }
  return { kind: "table", header: header ?? [], rows, isCut };
}

/** A term of SPARQL 1.1 TSV: {type: "iri" | "literal" | "blank" | "none", value, language, datatype, number}. */
export function readTerm(text) {
  if (text === "") return { type: "none", value: "" };
  if (text.startsWith("<")) return { type: "iri", value: text.slice(1, -1) };
  if (text.startsWith("_:")) return { type: "blank", value: text };
  if (text.startsWith('"')) {
    const end = text.lastIndexOf('"');
    const value = text.slice(1, end).replace(/\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)/g, (_, c) =>
      c.length > 1 ? String.fromCodePoint(parseInt(c.slice(1), 16)) : ESCAPES[c] ?? c);
    const after = text.slice(end + 1);
    const datatype = after.startsWith("^^<") ? after.slice(3, -1) : "";
    return literal(value, datatype, after.startsWith("@") ? after.slice(1) : "");
  }
  if (text === "true" || text === "false") return literal(text, `${XSD}boolean`);
  return literal(text, XSD + (/e/i.test(text) ? "double" : text.includes(".") ? "decimal" : "integer"));
}

function literal(value, datatype, language = "") {
  const found = { type: "literal", value, language, datatype };
  if (NUMBER_TYPES.has(datatype) && Number.isFinite(Number(value))) found.number = Number(value);
  return found;
}
