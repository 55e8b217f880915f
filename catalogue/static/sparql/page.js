// Configuration of the page: messages in its language, prefixes, and functions for elements.
const config = JSON.parse(document.getElementById("sparql-data").textContent);

export const { language, base, endpoint, prefixes } = config;

/** Return the message for a key with its parameters; if `count` is 1, the key's singular form. */
export function t(key, params = {}) {
  const text = (params.count === 1 && config.words[`editor.${key}.one`]) || config.words[`editor.${key}`] || key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? show(params[name]) : whole));
}

const show = (value) => (typeof value === "number" ? number(value) : value);

/** Format a number in the page's language. */
export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language === "sv" ? "sv-SE" : "en-GB", { maximumFractionDigits: digits }).format(value);

/** Return the label of a term in the page's language, else in any. */
export const words = (texts) => texts[language] ?? texts[""] ?? Object.values(texts)[0] ?? "";

/** Create an element with properties (names with a hyphen as attributes, names with "on" as listeners) and children. */
export function el(name, params = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(params)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key.includes("-") || key === "role" || key === "for") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Return an IRI as prefix:name if one of our prefixes matches and the rest is a plain name, else null. */
export function shorten(iri) {
  let best = null;
  for (const [prefix, namespace] of Object.entries(prefixes)) {
    if (iri.startsWith(namespace) && (!best || namespace.length > prefixes[best].length)) best = prefix;
  }
  if (!best) return null;
  const local = iri.slice(prefixes[best].length);
  return /^[\p{L}\p{N}_]([\p{L}\p{N}_.-]*[\p{L}\p{N}_-])?$/u.test(local) ? `${best}:${local}` : null;
}

/** Return the URL of this page that shows and runs a query. */
export function permalink(query, view = "table") {
  const params = new URLSearchParams({ query });
  if (view !== "table") params.set("view", view);
  return `${location.pathname}?${params}`;
}

/** Copy text to the clipboard; return false if the browser refuses. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** Load one of our libraries once; it defines a global variable of this name. */
const loading = {};
export function library(path, name) {
  loading[name] ??= new Promise((done, fail) => {
    document.head.append(el("script", { src: path, onload: () => done(window[name]), onerror: () => fail(new Error(path)) }));
  });
  return loading[name];
}
