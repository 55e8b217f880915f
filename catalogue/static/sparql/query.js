// Send queries to the endpoint and parse results: TSV row by row (terms in Turtle's syntax), so that a large one can be truncated.
import { endpoint, language } from "./page.js";

const MAX_ROWS = 20_000;
const MAX_CHARS = 20_000_000;
const MAX_GET = 6_000;
const XSD = "http://www.w3.org/2001/XMLSchema#";
const ESCAPES = { t: "\t", n: "\n", r: "\r", b: "\b", f: "\f" };
const NUMBER_TYPES = new Set(["integer", "decimal", "double", "float", "int", "long", "short", "nonNegativeInteger"].map((n) => XSD + n));

/** An error of the endpoint (RFC 9457) or of the network; `kind` is the error's kind, as in the help pages. */
export class Problem extends Error {
  constructor(kind, details = {}, status = 0) {
    super(details.detail || details.title || kind);
    Object.assign(this, { kind, details, status });
  }
}

/** Return SELECT, ASK, CONSTRUCT or DESCRIBE: the first of these words outside of comments, names, variables and strings. */
export function formOf(query) {
  const plain = query.replace(/\\u([0-9A-Fa-f]{4})/g, (_, code) => String.fromCharCode(parseInt(code, 16)));
  const bare = plain.replace(/<[^<>"{}|^`\\\s]*>|#[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[?$][\w]+|[\p{L}\p{N}_.-]*:[\p{L}\p{N}_.-]*/gu, " ");
  return (bare.match(/\b(SELECT|ASK|CONSTRUCT|DESCRIBE)\b/i)?.[1] ?? "SELECT").toUpperCase();
}

/**
 * Return the result of a query: {kind: "table", header, rows, isCut}, {kind: "boolean", value} or {kind: "graph", text},
 * each with {seconds, bytes, isCached}. Throws Problem, and AbortError when aborted by the signal.
 */
export async function runQuery(query, signal) {
  const form = formOf(query);
  const accept = form === "SELECT" ? "text/tab-separated-values" : form === "ASK" ? "application/sparql-results+json" : "text/turtle";
  const started = performance.now();
  const { response, address } = await send(query, { Accept: accept }, signal);
  if (!response.ok) throw await problemOf(response);
  const result = form === "SELECT" ? await readTable(response) : form === "ASK"
    ? { kind: "boolean", value: (await response.json()).boolean }
    : { kind: "graph", text: await response.text() };
  return { ...result, seconds: (performance.now() - started) / 1000, ...transferOf(address, started, response) };
}

/** Return the endpoint's explanation of an empty result. Throws Problem. */
export async function explain(query, signal) {
  const { response } = await send(query, { Accept: "application/json" }, signal, { explain: "empty", lang: language });
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

async function send(query, requestHeaders, signal, extraParams = {}) {
  const headers = { ...requestHeaders, "Accept-Language": language };
  const params = new URLSearchParams({ query, ...extraParams });
  const address = new URL(`${endpoint}?${params}`, location.href).href;
  // The browser can cache and revalidate a GET; a long query does not fit into a URL.
  const isShort = address.length < MAX_GET;
  try {
    const response = isShort
      ? await fetch(address, { headers, signal })
      : await fetch(endpoint, { method: "POST", body: params, headers, signal });
    return { response, address: isShort ? address : new URL(endpoint, location.href).href };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("network");
  }
}

async function problemOf(response) {
  const text = await response.text();
  let details = { title: response.statusText, detail: text.slice(0, 500) };
  try { details = JSON.parse(text); } catch { /* A proxy's page, not ours. */ }
  const kind = /sparql-([\w-]+)$/.exec(details.type ?? "")?.[1] ?? (response.status === 504 ? "timeout" : "query");
  return new Problem(kind, { ...details, retryAfter: Number(response.headers.get("Retry-After")) || 0 }, response.status);
}

/** Return the size of the transfer, and whether it was cached: by the browser (no body transferred), or by the server. */
function transferOf(address, started, response) {
  const cacheStatus = response.headers.get("Cache-Status") ?? response.headers.get("X-Cache") ?? "";
  const entry = performance.getEntriesByName(address).filter((e) => e.startTime >= started - 1).pop();
  const length = Number(response.headers.get("Content-Length")) || 0;
  if (!entry) return { bytes: length, isCached: /hit/i.test(cacheStatus) };
  return {
    bytes: entry.encodedBodySize || length,
    isCached: /hit/i.test(cacheStatus) || (entry.encodedBodySize > 0 && entry.transferSize < entry.encodedBodySize),
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

/** Parse a term of SPARQL 1.1 TSV: {type: "iri" | "literal" | "blank" | "none", value, language, datatype, number}. */
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
  const term = { type: "literal", value, language, datatype };
  if (NUMBER_TYPES.has(datatype) && Number.isFinite(Number(value))) term.number = Number(value);
  return term;
}
