// Marking of syntax errors. Yasqe's own writes English text with style attributes, which our CSP forbids.
import { el, t } from "./page.js";

const MAX_TERMS = 6;

/** Let every editor mark the first line with a syntax error, and report its number (0 if there is none). */
export function markSyntax(Yasqe, report) {
  Yasqe.prototype.checkSyntax = function () {
    const doc = this.getDoc();
    this.queryValid = true;
    this.clearGutter("gutterErrorBar");
    let errorLine = 0;
    for (let i = 0; i < doc.lineCount() && !errorLine; i += 1) {
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
