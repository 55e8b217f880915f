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

/** What the endpoint says, in the reader's language; where it said nothing of use, what we know of such errors. */
function explained(kind, told) {
  return [told.detail, told.remedy ?? sentence(`remedy.${kind}`)].filter(Boolean).map((text) => el("p", {}, text));
}

/** The sentence for a key, or null where there is none. */
function sentence(key) {
  const found = t(key);
  return found === key ? null : found;
}

function repairOf(told) {
  const [line, prefix] = /^PREFIX ([^:]*): <[^>]+>$/.exec(told.repair ?? "") ?? [];
  if (!line) return null;
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
