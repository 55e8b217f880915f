// Marking of syntax errors. Yasqe's own writes English text with style attributes, which our CSP forbids.
import { el, t } from "./page.js";

const MAX_TERMS = 6;
// Yasqe knows no codepoint escapes outside of strings and IRIs (SPARQL 1.1, section 19.2); the endpoint judges them.
const ESCAPE = /\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}/;

/** Let every editor mark the first line with a syntax error, and report its number (0 if there is none). */
export function markSyntax(Yasqe, report) {
  Yasqe.prototype.checkSyntax = function () {
    const doc = this.getDoc();
    this.queryValid = true;
    this.clearGutter("gutterErrorBar");
    let errorLine = 0;
    const lines = ESCAPE.test(doc.getValue()) ? 0 : doc.lineCount();
    for (let i = 0; i < lines && !errorLine; i += 1) {
      const { state } = this.getTokenAt({ line: i, ch: doc.getLine(i).length }, true);
      this.setOption("queryType", state.queryType);
      if (state.OK === false) {
        errorLine = i + 1;
        this.queryValid = false;
        const expected = (state.possibleCurrent ?? []).slice(0, MAX_TERMS).join(", ");
        const message = expected ? t("syntax.expected", { line: errorLine, expected }) : t("syntax.line", { line: errorLine });
        this.setGutterMarker(i, "gutterErrorBar", el("span", { className: "syntax-mark", title: message, role: "img", "aria-label": message }, "!"));
      }
    }
    report(doc.getValue().trim() ? errorLine : 0);
  };
}
