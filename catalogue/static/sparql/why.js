// Why an answer is empty: the endpoint's explanation beside the query, and its places marked in the editor.
import { el, t } from "./page.js";

const LONGEST = 80;

/** The explanation as an element; `yasqe` shows its places, `again` runs what a button has mended. */
export function drawReasons(told, yasqe, again) {
  markPlaces(yasqe, told.findings.filter((finding) => finding.places.length).map((finding) => finding.places[0]));
  return el("div", { className: "why" },
    el("h3", {}, t("why.title")),
    told.message === t("empty.title") ? "" : el("p", {}, told.message),
    ...told.findings.map((finding) => drawFinding(finding, yasqe, again)));
}

function drawFinding({ message, places, remedies }, yasqe, again) {
  const first = places[0];
  return el("div", { className: "why-finding" },
    el("p", {}, el("strong", {}, message)),
    remedies.length ? el("ul", {}, ...remedies.map((remedy) => el("li", {}, remedy.message, ...mending(remedy, yasqe, again)))) : "",
    first ? el("p", { className: "actions" }, el("button", { type: "button", className: "quiet", onclick: () => show(yasqe, first) }, t("problem.place", { line: String(first.line) }))) : "");
}

function mending({ replace }, yasqe, again) {
  if (!replace || replace.by.length > LONGEST) return [];
  const mend = () => {
    const [from, to] = ends(replace);
    // What was written since stays as it is.
    if (yasqe.getDoc().getRange(from, to) !== replace.text) return;
    yasqe.getDoc().replaceRange(replace.by, from, to);
    again();
  };
  return [" ", el("button", { type: "button", className: "quiet", onclick: mend }, t("why.replace", { by: replace.by }))];
}

const ends = (place) => [
  { line: place.line - 1, ch: place.column - 1 },
  { line: place.endLine - 1, ch: place.endColumn - 1 },
];

/** Mark places until the query is changed. */
function markPlaces(yasqe, places) {
  const doc = yasqe.getDoc();
  const marks = places.map((place) => doc.markText(...ends(place), { className: "why-mark" }));
  const lines = places.flatMap((place) => Array.from({ length: place.endLine - place.line + 1 }, (_, i) => yasqe.addLineClass(place.line - 1 + i, "wrap", "why-line")));
  const clear = () => {
    marks.forEach((mark) => mark.clear());
    lines.forEach((line) => yasqe.removeLineClass(line, "wrap", "why-line"));
    yasqe.off("change", clear);
  };
  yasqe.on("change", clear);
}

function show(yasqe, place) {
  yasqe.focus();
  yasqe.getDoc().setCursor(ends(place)[0]);
  yasqe.scrollIntoView(null, 60);
}
