// An error of the endpoint for people: the error, its remedy, and a button that applies it.
import { addPrefix } from "./completion.js";
import { el, t } from "./page.js";

/** Return the notice for a Problem. `rerun` runs the query again, after a repair from the endpoint was applied in `yasqe`. */
export function drawProblem(problem, yasqe, rerun) {
  const { details, kind } = problem;
  const repair = repairOf(details);
  const title = sentence(`error.${kind}`) ?? details.title ?? t("error.query");
  return el("div", { className: "notice notice-error", role: "alert" },
    el("p", {}, el("strong", {}, title)),
    ...(repair ? [el("p", {}, t("problem.prefix", { prefix: repair.prefix })), el("pre", {}, repair.line)] : messages(kind, details)),
    el("p", { className: "actions" }, ...actionsFor(problem, repair, yasqe, rerun)));
}

function actionsFor({ details, kind, status }, repair, yasqe, rerun) {
  const isLater = [429, 503].includes(status) || kind === "network";
  return [
    repair && el("button", { type: "button", onclick: () => { repair.apply(yasqe); rerun(); } }, t("problem.mend", { prefix: repair.prefix })),
    details.line && el("button", { type: "button", className: "quiet", onclick: () => show(yasqe, details) }, t("problem.place", { line: details.line })),
    isLater && el("button", { type: "button", className: "quiet", onclick: rerun }, t("problem.again")),
    details.type?.startsWith("http") && el("a", { href: new URL(details.type).pathname }, t("problem.help")),
  ].filter(Boolean);
}

/** Return the endpoint's messages in the page's language; without any, our own for this kind of error. */
function messages(kind, details) {
  return [details.detail, details.remedy ?? sentence(`remedy.${kind}`)].filter(Boolean).map((text) => el("p", {}, text));
}

/** Return the message for a key, or null. */
function sentence(key) {
  const text = t(key);
  return text === key ? null : text;
}

function repairOf(details) {
  const [line, prefix] = /^PREFIX ([^:]*): <[^>]+>$/.exec(details.repair ?? "") ?? [];
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
