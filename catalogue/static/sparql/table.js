// An answer as a table: sorted by its headings, filtered as one types, shown a part at a time.
import { el, number, shorten, t, base } from "./page.js";

const STEP = 200;
const SHOWN_CHARS = 300;
const SHORT = 34;
const BRIEF = 12;
const collator = new Intl.Collator(["sv", "en"], { numeric: true });

export function drawTable(place, answer, labels) {
  let order = null, isDown = false, wanted = "", shown = STEP;
  const body = el("tbody");
  const count = el("span", { className: "meta", role: "status" });
  const more = el("button", { type: "button", className: "quiet", onclick: () => { shown += STEP; draw(); } }, t("table.more"));
  const headings = answer.header.map((name, i) => {
    const button = el("button", { type: "button", onclick: () => sortBy(i) }, name);
    return el("th", { scope: "col", className: isNumeric(answer, i) ? "num" : "" }, button);
  });
  const filter = el("input", { type: "search", id: "table-filter", oninput: () => { wanted = filter.value.toLocaleLowerCase(); shown = STEP; draw(); } });
  const draw = () => {
    const rows = arranged(answer, order, isDown, wanted);
    body.replaceChildren(...rows.slice(0, shown).map((row) => el("tr", {}, ...row.map((term) => cell(term, labels)))));
    more.hidden = rows.length <= shown;
    count.textContent = rows.length === answer.rows.length && rows.length <= shown ? "" : t("table.shown", { shown: Math.min(shown, rows.length), count: rows.length });
  };
  const sortBy = (i) => {
    isDown = order === i && !isDown;
    order = i;
    headings.forEach((heading, j) => heading.setAttribute("aria-sort", j !== i ? "none" : isDown ? "descending" : "ascending"));
    draw();
  };
  const box = el("div", { className: "table-box", tabIndex: 0, role: "region", "aria-label": t("table.region") },
    el("table", {}, el("thead", {}, el("tr", {}, ...headings)), body));
  place.append(
    answer.rows.length > 10 && el("p", { className: "view-line" }, el("label", { for: "table-filter" }, t("table.filter")), filter, count),
    box, more);
  draw();
}

/** Whether every value of a column is a number. */
export function isNumeric(answer, i) {
  const given = answer.rows.map((row) => row[i]).filter((term) => term.type !== "none");
  return given.length > 0 && given.every((term) => term.number !== undefined);
}

function arranged(answer, order, isDown, wanted) {
  const rows = wanted
    ? answer.rows.filter((row) => row.some((term) => term.value.toLocaleLowerCase().includes(wanted)))
    : [...answer.rows];
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
    return el("td", { className: text.length < SHORT ? "short" : "" }, isLink ? el("a", { href: term.value, title, rel: isOurs ? "" : "noopener noreferrer" }, text) : text);
  }
  if (term.number !== undefined) {
    const text = number(term.number, 4);
    return el("td", { className: "num", title: term.value }, text);
  }
  const text = term.value.length > SHOWN_CHARS ? `${term.value.slice(0, SHOWN_CHARS)} …` : term.value;
  return el("td", { className: text.length < BRIEF ? "short" : "", lang: term.language || "", title: term.datatype ?? "" }, text);
}
