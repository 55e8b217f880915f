// Completion from the data: a word of the name of a KPI, area, class or property is completed to its IRI.
import { el, language, prefixes, shorten, t, words } from "./page.js";

const MAX_HINTS = 30;
const MIN_LETTERS = 2;
const WORD = /[\p{L}\p{N}_.:/#<-]*$/u;

let terms = null;
const labelsByIri = new Map();

/** Fetch all terms except areas, once. */
export function allTerms() {
  terms ??= fetch("/sparql/completions.json").then(async (response) => {
    if (!response.ok) throw new Error(response.statusText);
    const completions = await response.json();
    for (const term of completions.terms) labelsByIri.set(term.iri, words(term.labels));
    return { ...completions, terms: completions.terms.map(prepare) };
  }).catch(() => { terms = null; return { terms: [], examples: [] }; });
  return terms;
}

/** Labels by IRI, of the terms fetched so far. */
export const labels = labelsByIri;

/** Add classes and properties of other vocabularies in the data; they have no labels and are searched by name. */
export function addNames(classes) {
  return allTerms().then((completions) => {
    const seen = new Set(completions.terms.map((term) => term.iri));
    const add = (iri, kind) => { if (!seen.has(iri)) { seen.add(iri); completions.terms.push(prepare({ iri, kind, labels: {} })); } };
    for (const entry of classes) { add(entry.iri, "class"); entry.properties.forEach((iri) => add(iri, "property")); }
  });
}

function prepare(term) {
  const short = shorten(term.iri);
  const text = [short ?? term.iri, ...Object.values(term.labels)].join("\n").toLocaleLowerCase();
  return { ...term, short, text, label: words(term.labels), local: term.iri.replace(/^.*[/#]/, "").toLocaleLowerCase() };
}

async function areas(text) {
  const response = await fetch(`/sparql/completions.json?${new URLSearchParams({ area: text })}`).catch(() => null);
  const list = response?.ok ? (await response.json()).areas : [];
  for (const area of list) labelsByIri.set(area.iri, words(area.labels));
  return list.map(prepare);
}

/** Return the terms that match the typed text, best first. `position` is "class" or "property" where only such a term is valid. */
export async function find(typed, position) {
  const needle = typed.replace(/^</, "").toLocaleLowerCase();
  if (needle.length < MIN_LETTERS) return [];
  const isName = !/[:/#]/.test(needle);
  const [completions, areaTerms] = await Promise.all([allTerms(), isName && position !== "class" && position !== "property" ? areas(needle) : []]);
  const iri = expand(needle);
  const matches = completions.terms
    .filter((term) => (iri ? term.iri.toLocaleLowerCase().startsWith(iri) : term.text.includes(needle)))
    .map((term) => ({ term, rank: rank(term, needle, position) }))
    .sort((a, b) => a.rank - b.rank || a.term.label.localeCompare(b.term.label, language));
  return [...matches.map(({ term }) => term), ...areaTerms].slice(0, MAX_HINTS);
}

function expand(needle) {
  if (/^https?:/.test(needle)) return needle;
  const [prefix, ...rest] = needle.split(":");
  return rest.length && prefixes[prefix] ? (prefixes[prefix] + rest.join(":")).toLocaleLowerCase() : null;
}

/** Rank terms valid in the position first, then names that begin with the text, then words that do, then the rest. */
function rank(term, needle, position) {
  const fits = position && term.kind === position ? 0 : 10;
  const begins = term.local.startsWith(needle) || term.text.startsWith(needle) ? 0 : term.label.toLocaleLowerCase().startsWith(needle) ? 1 : new RegExp(`(^|\\W)${needle.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`, "mu").test(term.text) ? 2 : 3;
  return fits + begins;
}

/** Return a completer for Yasqe. */
export function completer(Yasqe) {
  let hintsByIri = new Map(), inserted = "";
  const setInserted = (text) => { inserted = text; };
  return {
    name: "vaven",
    bulk: false,
    autoShow: true,
    // A completion just inserted is not completed again, though longer terms may begin with it.
    isValidCompletionPosition: (yasqe) => { const typed = typedWord(yasqe); return typed !== null && typed.text !== inserted; },
    get: async (yasqe) => {
      const typed = typedWord(yasqe);
      if (!typed) return [];
      // A response that arrives after a later letter was typed is dropped.
      const newHints = new Map((await find(typed.text, typed.position)).map((term) => [term.iri, term]));
      if (typedWord(yasqe)?.text !== typed.text) return [];
      hintsByIri = newHints;
      // Enter pressed while the list was loading selects the first; CodeMirror inserts it if it is the only one.
      const isPicked = yasqe.state.completionActive?.widget?.picked;
      return [...newHints.keys()].slice(0, isPicked ? 1 : MAX_HINTS);
    },
    postprocessHints: (yasqe, hints) => hints.filter((hint) => hintsByIri.has(hint.text)).map((hint) => hintOf(yasqe, hintsByIri.get(hint.text), setInserted)),
  };
}

/** Return the word before the cursor and its syntactic position; null in comments, strings, variables and prologues. */
function typedWord(yasqe) {
  const cursor = yasqe.getDoc().getCursor();
  const line = yasqe.getDoc().getLine(cursor.line);
  const before = line.slice(0, cursor.ch);
  const text = WORD.exec(before)[0];
  const leading = before.slice(0, before.length - text.length);
  const token = yasqe.getTokenAt(cursor).type ?? "";
  if (text.replace(/^</, "").length < MIN_LETTERS || /[?$"'@]$/.test(leading) || /^\s*(PREFIX|BASE)\b/i.test(line)) return null;
  if (/comment|string$/.test(token) || /#/.test(leading.replace(/<[^>]*>/g, "")) || KEYWORDS.has(text.toUpperCase())) return null;
  return { text, from: { line: cursor.line, ch: cursor.ch - text.length }, to: cursor, position: positionOf(leading) };
}

const KEYWORDS = new Set("SELECT DISTINCT REDUCED WHERE FROM NAMED GRAPH OPTIONAL UNION MINUS FILTER EXISTS NOT BIND VALUES SERVICE GROUP BY ORDER HAVING LIMIT OFFSET ASC DESC AS IN COUNT SUM AVG MIN MAX SAMPLE CONSTRUCT DESCRIBE ASK PREFIX BASE LANG STR IF COALESCE BOUND REGEX".split(" "));

function positionOf(leading) {
  if (/(^|\s)(a|rdf:type)\s+$/.test(leading)) return "class";
  if (/([;{.]|^)\s*$/.test(leading) && !/[{.]\s*$/.test(leading)) return "property";
  return /[{.]\s*[?$][\w]+\s+$/.test(leading) || /^\s*[?$]\w+\s+$/.test(leading) ? "property" : null;
}

function hintOf(yasqe, term, setInserted) {
  const text = term.short ?? `<${term.iri}>`;
  return {
    text,
    render: (item) => item.append(
      el("span", { className: `hint-kind hint-${term.kind}` }, t(`kind.${term.kind}`)),
      el("span", { className: "hint-label" }, term.label || text), term.label ? el("code", {}, text) : ""),
    hint: () => { setInserted(text); put(yasqe, term, text); },
  };
}

function put(yasqe, term, text) {
  const typed = typedWord(yasqe);
  if (!typed) return;
  // A bracket that is already closed is not closed twice.
  const after = yasqe.getDoc().getLine(typed.to.line).slice(typed.to.ch);
  const to = typed.text.startsWith("<") && after.startsWith(">") ? { line: typed.to.line, ch: typed.to.ch + 1 } : typed.to;
  yasqe.getDoc().replaceRange(text, typed.from, to, "complete");
  if (term.short) addPrefix(yasqe, term.short.split(":")[0]);
}

/** Declare one of our prefixes at the head of the query, unless declared. */
export function addPrefix(yasqe, prefix) {
  const declared = new RegExp(`\\bPREFIX\\s+${prefix}:`, "i");
  if (!prefixes[prefix] || declared.test(yasqe.getValue())) return;
  const lines = yasqe.getValue().split("\n");
  const last = lines.findLastIndex((line) => /^\s*PREFIX\b/i.test(line));
  const at = last >= 0 ? last + 1 : lines.findIndex((line) => !line.startsWith("#"));
  yasqe.getDoc().replaceRange(`PREFIX ${prefix}: <${prefixes[prefix]}>\n`, { line: Math.max(at, 0), ch: 0 }, undefined, "complete");
}

/** Declare our prefixes as soon as they are typed with their colon. */
export function declareWhileTyping(yasqe) {
  yasqe.on("change", (_, change) => {
    if (change.origin !== "+input" || change.text.join("") !== ":") return;
    const typed = typedWord(yasqe);
    const prefix = /^([\p{L}][\p{L}\p{N}_-]*):$/u.exec(typed?.text ?? "")?.[1];
    if (prefix) addPrefix(yasqe, prefix);
  });
}
