// What the endpoint holds: its classes with their number of things, and the properties that these have.
import { addNames, allTerms, labels } from "./completion.js";
import { el, number, shorten, t } from "./page.js";

const TRIES = 20;

/** Fill a <details> when it is opened first. `run` shows a query in a tab of its own; `insert` writes at the cursor. */
export function describeIn(details, place, { run, insert }) {
  details.addEventListener("toggle", async () => {
    if (!details.open || place.childElementCount) return;
    place.replaceChildren(el("p", { className: "meta", role: "status" }, t("describe.loading")));
    await allTerms();
    const classes = await fetchClasses();
    if (!classes?.length) { place.replaceChildren(el("p", { className: "notice" }, t("describe.failed"))); return; }
    addNames(classes);
    place.replaceChildren(
      el("p", { className: "meta" }, t("describe.help")),
      el("ul", { className: "plain describe" }, ...classes.map((found) => el("li", {}, classOf(found, { run, insert })))));
  });
}

async function fetchClasses() {
  for (let i = 0; i < TRIES; i += 1) {
    const answer = await fetch("/sparql/classes.json").catch(() => null);
    if (answer?.ok) return (await answer.json()).classes;
    if (answer?.status !== 503) return null;
    await new Promise((done) => setTimeout(done, 1000));
  }
  return null;
}

function classOf(found, { run, insert }) {
  const name = shorten(found.iri) ?? found.iri;
  return el("details", {},
    el("summary", {}, el("strong", {}, labels.get(found.iri) || name), " ", labels.get(found.iri) ? el("code", {}, name) : "", el("span", { className: "count" }, number(found.things))),
    el("ul", { className: "plain" }, ...found.properties.map((iri) => el("li", {},
      el("button", { type: "button", className: "term", title: iri, onclick: () => insert(iri) }, el("code", {}, shorten(iri) ?? `<${iri}>`)),
      labels.get(iri) ? ` ${labels.get(iri)}` : ""))),
    el("p", {}, el("button", { type: "button", className: "quiet", onclick: () => run(sample(found), t("describe.tab", { name })) }, t("describe.show"))));
}

/** Some things of a class with what they have. */
function sample(found) {
  const name = shorten(found.iri) ?? `<${found.iri}>`;
  return `SELECT ?thing ?property ?value WHERE {\n  { SELECT ?thing WHERE { ?thing a ${name} } LIMIT 10 }\n  ?thing ?property ?value .\n}\n`;
}
