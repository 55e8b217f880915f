// The endpoint's explanation of an empty result beside the query, with its positions marked in the editor.
import { el, t } from "./page.js";

const MAX_CHARS = 80;

/** Return the explanation as an element; positions are marked in `yasqe`, `rerun` runs a query fixed by a button. */
export function drawExplanation(explanation, yasqe, rerun) {
  markPositions(yasqe, explanation.findings.filter((finding) => finding.places.length).map((finding) => finding.places[0]));
  return el("div", { className: "why" },
    el("h3", {}, t("why.title")),
    explanation.message === t("empty.title") ? "" : el("p", {}, explanation.message),
    ...explanation.findings.map((finding) => drawFinding(finding, yasqe, rerun)));
}

function drawFinding({ message, places, remedies }, yasqe, rerun) {
  const first = places[0];
  return el("div", { className: "why-finding" },
    el("p", {}, el("strong", {}, message)),
    remedies.length ? el("ul", {}, ...remedies.map((remedy) => el("li", {}, remedy.message, ...replacementButton(remedy, yasqe, rerun)))) : "",
    first ? el("p", { className: "actions" }, el("button", { type: "button", className: "quiet", onclick: () => show(yasqe, first) }, t("problem.place", { line: String(first.line) }))) : "");
}

function replacementButton({ replace }, yasqe, rerun) {
  if (!replace || replace.by.length > MAX_CHARS) return [];
  const applyReplacement = () => {
    const [from, to] = ends(replace);
    // Later edits are kept.
    if (yasqe.getDoc().getRange(from, to) !== replace.text) return;
    yasqe.getDoc().replaceRange(replace.by, from, to);
    rerun();
  };
  return [" ", el("button", { type: "button", className: "quiet", onclick: applyReplacement }, t("why.replace", { by: replace.by }))];
}

const ends = (position) => [
  { line: position.line - 1, ch: position.column - 1 },
  { line: position.endLine - 1, ch: position.endColumn - 1 },
];

/** Mark positions until the query is changed. */
function markPositions(yasqe, places) {
  const doc = yasqe.getDoc();
  const marks = places.map((position) => doc.markText(...ends(position), { className: "why-mark" }));
  const lines = places.flatMap((position) => Array.from({ length: position.endLine - position.line + 1 }, (_, i) => yasqe.addLineClass(position.line - 1 + i, "wrap", "why-line")));
  const clear = () => {
    marks.forEach((mark) => mark.clear());
    lines.forEach((line) => yasqe.removeLineClass(line, "wrap", "why-line"));
    yasqe.off("change", clear);
  };
  yasqe.on("change", clear);
}

function show(yasqe, position) {
  yasqe.focus();
  yasqe.getDoc().setCursor(ends(position)[0]);
  yasqe.scrollIntoView(null, 60);
}
