// What the page says of itself: words in the reader's language, prefixes, and a way to make elements.
const told = JSON.parse(document.getElementById("sparql-data").textContent);

export const { language, base, endpoint, prefixes } = told;

/** The sentence for a key, its {names} filled in; where `count` is 1, the key's form for one. */
export function t(key, given = {}) {
  const text = (given.count === 1 && told.words[`editor.${key}.one`]) || told.words[`editor.${key}`] || key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in given ? show(given[name]) : whole));
}

const show = (value) => (typeof value === "number" ? number(value) : value);

/** A number as people of the language write it. */
export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language === "sv" ? "sv-SE" : "en-GB", { maximumFractionDigits: digits }).format(value);

/** The label of a term in the reader's language, else in any. */
export const words = (texts) => texts[language] ?? texts[""] ?? Object.values(texts)[0] ?? "";

/** An element with its properties (those with a hyphen as attributes, those with "on" as listeners) and children. */
export function el(name, given = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role" || key === "for") made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** An IRI as prefix:name where a prefix of ours fits and the rest is a plain name, else null. */
export function shorten(iri) {
  let best = null;
  for (const [prefix, namespace] of Object.entries(prefixes)) {
    if (iri.startsWith(namespace) && (!best || namespace.length > prefixes[best].length)) best = prefix;
  }
  if (!best) return null;
  const local = iri.slice(prefixes[best].length);
  return /^[\p{L}\p{N}_]([\p{L}\p{N}_.-]*[\p{L}\p{N}_-])?$/u.test(local) ? `${best}:${local}` : null;
}

/** Where a query is shown and run: the address of this page with it. */
export function permalink(query, view = "table") {
  const given = new URLSearchParams({ query });
  if (view !== "table") given.set("view", view);
  return `${location.pathname}?${given}`;
}

/** Put text on the clipboard; where the browser keeps that from us, say so by false. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Load a library of ours once; it leaves its name on the window. */
const loading = {};
export function library(path, name) {
  loading[name] ??= new Promise((done, fail) => {
    document.head.append(el("script", { src: path, onload: () => done(window[name]), onerror: () => fail(new Error(path)) }));
  });
  return loading[name];
}
