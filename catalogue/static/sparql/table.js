// A result as a table: sorted by its headings, filtered while typing, shown in steps.
import { el, number, shorten, t, base } from "./page.js";

const STEP = 200;
const MAX_CHARS = 300;
const SHORT_CHARS = 34;
const BRIEF_CHARS = 12;
const collator = new Intl.Collator(["sv", "en"], { numeric: true });

export function drawTable(container, result, labels) {
  let order = null, isDown = false, needle = "", rowLimit = STEP;
  const body = el("tbody");
  const count = el("span", { className: "meta", role: "status" });
  const more = el("button", { type: "button", className: "quiet", onclick: () => { rowLimit += STEP; draw(); } }, t("table.more"));
  const headings = result.header.map((name, i) => {
    const button = el("button", { type: "button", onclick: () => sortBy(i) }, name);
    return el("th", { scope: "col", className: isNumeric(result, i) ? "num" : "" }, button);
  });
  const filter = el("input", { type: "search", id: "table-filter", oninput: () => { needle = filter.value.toLocaleLowerCase(); rowLimit = STEP; draw(); } });
  const draw = () => {
    const rows = arrangeRows(result, order, isDown, needle);
    body.replaceChildren(...rows.slice(0, rowLimit).map((row) => el("tr", {}, ...row.map((term) => cell(term, labels)))));
    more.hidden = rows.length <= rowLimit;
    count.textContent = rows.length === result.rows.length && rows.length <= rowLimit ? "" : t("table.shown", { shown: Math.min(rowLimit, rows.length), count: rows.length });
  };
  const sortBy = (i) => {
    isDown = order === i && !isDown;
    order = i;
    headings.forEach((heading, j) => heading.setAttribute("aria-sort", j !== i ? "none" : isDown ? "descending" : "ascending"));
    draw();
  };
  const box = el("div", { className: "table-box", tabIndex: 0, role: "region", "aria-label": t("table.region") },
    el("table", {}, el("thead", {}, el("tr", {}, ...headings)), body));
  container.append(
    result.rows.length > 10 && el("p", { className: "view-line" }, el("label", { for: "table-filter" }, t("table.filter")), filter, count),
    box, more);
  draw();
}

/** Return whether every value of a column is a number. */
export function isNumeric(result, i) {
  const terms = result.rows.map((row) => row[i]).filter((term) => term.type !== "none");
  return terms.length > 0 && terms.every((term) => term.number !== undefined);
}

function arrangeRows(result, order, isDown, needle) {
  const rows = needle
    ? result.rows.filter((row) => row.some((term) => term.value.toLocaleLowerCase().includes(needle)))
    : [...result.rows];
  if (order === null) return rows;
  rows.sort((a, b) => compare(a[order], b[order]));
  return isDown ? rows.reverse() : rows;
}

function compare(a, b) {
  if (a.number !== undefined && b.number !== undefined) return a.number - b.number;
  return collator.compare(a.value, b.value);
}

function cell(term, labels) {
  if (term.type === "iri") {
    const isOurs = term.value.startsWith(base);
    const text = shorten(term.value) ?? (isOurs ? term.value.slice(base.length).replace(/^id\//, "") : term.value);
    const isLink = /^https?:/.test(term.value);
    const title = labels.get(term.value) ? `${labels.get(term.value)} – ${term.value}` : term.value;
    return el("td", { className: text.length < SHORT_CHARS ? "short" : "" }, isLink ? el("a", { href: term.value, title, rel: isOurs ? "" : "noopener noreferrer" }, text) : text);
  }
  if (term.number !== undefined) {
    const text = number(term.number, 4);
    return el("td", { className: "num", title: term.value }, text);
  }
  const text = term.value.length > MAX_CHARS ? `${term.value.slice(0, MAX_CHARS)} …` : term.value;
  return el("td", { className: text.length < BRIEF_CHARS ? "short" : "", lang: term.language || "", title: term.datatype ?? "" }, text);
}
