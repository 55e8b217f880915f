// Completion from the data: type a word of a KPI's, area's, class's or property's name and its IRI is put in.
import { el, language, prefixes, shorten, t, words } from "./page.js";

const SHOWN = 30;
const LEAST = 2;
const WORD = /[\p{L}\p{N}_.:/#<-]*$/u;

let terms = null;
const known = new Map();

/** All terms but the areas, asked of the endpoint once. */
export function allTerms() {
  terms ??= fetch("/sparql/completions.json").then(async (answer) => {
    if (!answer.ok) throw new Error(answer.statusText);
    const told = await answer.json();
    for (const term of told.terms) known.set(term.iri, words(term.labels));
    return { ...told, terms: told.terms.map(prepared) };
  }).catch(() => { terms = null; return { terms: [], examples: [] }; });
  return terms;
}

/** Labels by IRI, of the terms seen so far. */
export const labels = known;

/** Classes and properties that the data use beside our own have no label here; their names are what can be searched. */
export function addNames(classes) {
  return allTerms().then((told) => {
    const seen = new Set(told.terms.map((term) => term.iri));
    const add = (iri, kind) => { if (!seen.has(iri)) { seen.add(iri); told.terms.push(prepared({ iri, kind, labels: {} })); } };
    for (const found of classes) { add(found.iri, "class"); found.properties.forEach((iri) => add(iri, "property")); }
  });
}

function prepared(term) {
  const short = shorten(term.iri);
  const text = [short ?? term.iri, ...Object.values(term.labels)].join("\n").toLocaleLowerCase();
  return { ...term, short, text, label: words(term.labels), local: term.iri.replace(/^.*[/#]/, "").toLocaleLowerCase() };
}

async function areas(wanted) {
  const answer = await fetch(`/sparql/completions.json?${new URLSearchParams({ area: wanted })}`).catch(() => null);
  const found = answer?.ok ? (await answer.json()).areas : [];
  for (const area of found) known.set(area.iri, words(area.labels));
  return found.map(prepared);
}

/** The terms for what was typed, best first. `place` is "class" or "property" where only such a one makes sense. */
export async function find(typed, place) {
  const bare = typed.replace(/^</, "").toLocaleLowerCase();
  if (bare.length < LEAST) return [];
  const isName = !/[:/#]/.test(bare);
  const [told, places] = await Promise.all([allTerms(), isName && place !== "class" && place !== "property" ? areas(bare) : []]);
  const iri = expand(bare);
  const fitting = told.terms
    .filter((term) => (iri ? term.iri.toLocaleLowerCase().startsWith(iri) : term.text.includes(bare)))
    .map((term) => ({ term, rank: rank(term, bare, place) }))
    .sort((a, b) => a.rank - b.rank || a.term.label.localeCompare(b.term.label, language));
  return [...fitting.map(({ term }) => term), ...places].slice(0, SHOWN);
}

function expand(bare) {
  if (/^https?:/.test(bare)) return bare;
  const [prefix, ...rest] = bare.split(":");
  return rest.length && prefixes[prefix] ? (prefixes[prefix] + rest.join(":")).toLocaleLowerCase() : null;
}

/** What fits the place comes first, then what begins so, then words that do, then the rest. */
function rank(term, bare, place) {
  const fits = place && term.kind === place ? 0 : 10;
  const begins = term.local.startsWith(bare) || term.text.startsWith(bare) ? 0 : term.label.toLocaleLowerCase().startsWith(bare) ? 1 : new RegExp(`(^|\\W)${bare.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}`, "mu").test(term.text) ? 2 : 3;
  return fits + begins;
}

/** The completer in Yasqe's form. */
export function completer(Yasqe) {
  let found = new Map(), taken = "";
  const take = (text) => { taken = text; };
  return {
    name: "vaven",
    bulk: false,
    autoShow: true,
    // What was just put in is wanted as it is, though more may begin so.
    isValidCompletionPosition: (yasqe) => { const typed = isTyping(yasqe); return typed !== null && typed.text !== taken; },
    get: async (yasqe) => {
      const typed = isTyping(yasqe);
      if (!typed) return [];
      // An answer that comes after a later letter's is nobody's any more.
      const mine = new Map((await find(typed.text, typed.place)).map((term) => [term.iri, term]));
      if (isTyping(yasqe)?.text !== typed.text) return [];
      found = mine;
      // Who pressed Enter while the list was on its way means the first; CodeMirror takes it where it is the only one.
      const isPicked = yasqe.state.completionActive?.widget?.picked;
      return [...mine.keys()].slice(0, isPicked ? 1 : SHOWN);
    },
    postprocessHints: (yasqe, hints) => hints.filter((hint) => found.has(hint.text)).map((hint) => hintOf(yasqe, found.get(hint.text), take)),
  };
}

/** The word before the cursor and what its place asks for; null in comments, strings, variables and prologues. */
function isTyping(yasqe) {
  const cursor = yasqe.getDoc().getCursor();
  const line = yasqe.getDoc().getLine(cursor.line);
  const before = line.slice(0, cursor.ch);
  const text = WORD.exec(before)[0];
  const lead = before.slice(0, before.length - text.length);
  const token = yasqe.getTokenAt(cursor).type ?? "";
  if (text.replace(/^</, "").length < LEAST || /[?$"'@]$/.test(lead) || /^\s*(PREFIX|BASE)\b/i.test(line)) return null;
  if (/comment|string$/.test(token) || /#/.test(lead.replace(/<[^>]*>/g, "")) || KEYWORDS.has(text.toUpperCase())) return null;
  return { text, from: { line: cursor.line, ch: cursor.ch - text.length }, to: cursor, place: placeOf(lead) };
}

const KEYWORDS = new Set("SELECT DISTINCT REDUCED WHERE FROM NAMED GRAPH OPTIONAL UNION MINUS FILTER EXISTS NOT BIND VALUES SERVICE GROUP BY ORDER HAVING LIMIT OFFSET ASC DESC AS IN COUNT SUM AVG MIN MAX SAMPLE CONSTRUCT DESCRIBE ASK PREFIX BASE LANG STR IF COALESCE BOUND REGEX".split(" "));

function placeOf(lead) {
  if (/(^|\s)(a|rdf:type)\s+$/.test(lead)) return "class";
  if (/([;{.]|^)\s*$/.test(lead) && !/[{.]\s*$/.test(lead)) return "property";
  return /[{.]\s*[?$][\w]+\s+$/.test(lead) || /^\s*[?$]\w+\s+$/.test(lead) ? "property" : null;
}

function hintOf(yasqe, term, take) {
  const text = term.short ?? `<${term.iri}>`;
  return {
    text,
    render: (item) => item.append(
      el("span", { className: `hint-kind hint-${term.kind}` }, t(`kind.${term.kind}`)),
      el("span", { className: "hint-label" }, term.label || text), term.label ? el("code", {}, text) : ""),
    hint: () => { take(text); put(yasqe, term, text); },
  };
}

function put(yasqe, term, text) {
  const typed = isTyping(yasqe);
  if (!typed) return;
  // A bracket that the editor or the writer has closed already is not closed twice.
  const after = yasqe.getDoc().getLine(typed.to.line).slice(typed.to.ch);
  const to = typed.text.startsWith("<") && after.startsWith(">") ? { line: typed.to.line, ch: typed.to.ch + 1 } : typed.to;
  yasqe.getDoc().replaceRange(text, typed.from, to, "complete");
  if (term.short) addPrefix(yasqe, term.short.split(":")[0]);
}

/** Declare a prefix of ours at the head of the query, unless it is. */
export function addPrefix(yasqe, prefix) {
  const declared = new RegExp(`\\bPREFIX\\s+${prefix}:`, "i");
  if (!prefixes[prefix] || declared.test(yasqe.getValue())) return;
  const lines = yasqe.getValue().split("\n");
  const last = lines.findLastIndex((line) => /^\s*PREFIX\b/i.test(line));
  const at = last >= 0 ? last + 1 : lines.findIndex((line) => !line.startsWith("#"));
  yasqe.getDoc().replaceRange(`PREFIX ${prefix}: <${prefixes[prefix]}>\n`, { line: Math.max(at, 0), ch: 0 }, undefined, "complete");
}

/** As soon as a prefix of ours is written with its colon, it is declared. */
export function declareWhileTyping(yasqe) {
  yasqe.on("change", (_, change) => {
    if (change.origin !== "+input" || change.text.join("") !== ":") return;
    const typed = isTyping(yasqe);
    const prefix = /^([\p{L}][\p{L}\p{N}_-]*):$/u.exec(typed?.text ?? "")?.[1];
    if (prefix) addPrefix(yasqe, prefix);
  });
}
