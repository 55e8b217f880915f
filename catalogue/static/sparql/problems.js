// An error of the endpoint as people can use it: what it is, what to do, and a button that does it.
import { addPrefix } from "./completion.js";
import { el, t } from "./page.js";

/** The notice for a Problem. `again` runs the query anew; `yasqe` is mended where the endpoint says how. */
export function drawProblem(problem, yasqe, again) {
  const { told, kind } = problem;
  const mend = repairOf(told);
  const title = sentence(`error.${kind}`) ?? told.title ?? t("error.query");
  return el("div", { className: "notice notice-error", role: "alert" },
    el("p", {}, el("strong", {}, title)),
    ...(mend ? [el("p", {}, t("problem.prefix", { prefix: mend.prefix })), el("pre", {}, mend.line)] : explained(kind, told)),
    el("p", { className: "actions" }, ...actionsFor(problem, mend, yasqe, again)));
}

function actionsFor({ told, kind, status }, mend, yasqe, again) {
  const isLater = [429, 503].includes(status) || kind === "network";
  return [
    mend && el("button", { type: "button", onclick: () => { mend.apply(yasqe); again(); } }, t("problem.mend", { prefix: mend.prefix })),
    told.line && el("button", { type: "button", className: "quiet", onclick: () => show(yasqe, told) }, t("problem.place", { line: told.line })),
    isLater && el("button", { type: "button", className: "quiet", onclick: again }, t("problem.again")),
    told.type?.startsWith("http") && el("a", { href: new URL(told.type).pathname }, t("problem.help")),
  ].filter(Boolean);
}

/** What to do in the reader's language, and the endpoint's own words, which are English. Of a fault in the text only these tell. */
function explained(kind, told) {
  if (kind === "syntax" && told.remedy) {
    return [told.detail, told.remedy].filter(Boolean).map((text) => el("p", { lang: "en" }, text));
  }
  const remedy = sentence(`remedy.${kind}`) ?? told.remedy;
  return [remedy && el("p", {}, remedy), told.detail && told.detail !== remedy && el("p", { className: "meta", lang: "en" }, told.detail)].filter(Boolean);
}

/** The sentence for a key, or null where there is none. */
function sentence(key) {
  const found = t(key);
  return found === key ? null : found;
}

function repairOf(told) {
  const [, prefix, iri] = /^Begin the query with: PREFIX\s+([\w-]*):\s*<([^>…]+)>/.exec(told.repair ?? told.remedy ?? "") ?? [];
  if (!iri) return null;
  const line = `PREFIX ${prefix}: <${iri}>`;
  return {
    prefix,
    line,
    apply: (yasqe) => {
      const before = yasqe.getValue();
      addPrefix(yasqe, prefix);
      if (yasqe.getValue() === before) yasqe.setValue(`${line}\n${before}`);
    },
  };
}

function show(yasqe, { line, column }) {
  yasqe.focus();
  yasqe.getDoc().setCursor({ line: line - 1, ch: Math.max((column ?? 1) - 1, 0) });
  yasqe.scrollIntoView(null, 60);
}
