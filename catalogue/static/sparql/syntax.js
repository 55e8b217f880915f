// Yasqe's own mark of a fault writes English into the page with style attributes, which our policy forbids; this is ours.
import { el, t } from "./page.js";

const SHOWN = 6;

/** Let every editor mark the first line that can't be read, and tell its number (0 where there is none). */
export function markSyntax(Yasqe, tell) {
  Yasqe.prototype.checkSyntax = function () {
    const doc = this.getDoc();
    this.queryValid = true;
    this.clearGutter("gutterErrorBar");
    let faulty = 0;
    for (let i = 0; i < doc.lineCount() && !faulty; i += 1) {
      const { state } = this.getTokenAt({ line: i, ch: doc.getLine(i).length }, true);
      this.setOption("queryType", state.queryType);
      if (state.OK === false) {
        faulty = i + 1;
        this.queryValid = false;
        const expected = (state.possibleCurrent ?? []).slice(0, SHOWN).join(", ");
        const told = expected ? t("syntax.expected", { line: faulty, expected }) : t("syntax.line", { line: faulty });
        this.setGutterMarker(i, "gutterErrorBar", el("span", { className: "syntax-mark", title: told, role: "img", "aria-label": told }, "!"));
      }
    }
    tell(doc.getValue().trim() ? faulty : 0);
  };
}
