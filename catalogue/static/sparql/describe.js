// Description of the data: classes with their number of instances, and the properties of these.
import { addNames, allTerms, labels } from "./completion.js";
import { el, number, shorten, t } from "./page.js";

const TRIES = 20;

/** Fill a <details> when it is first opened. `run` runs a query in a new tab; `insert` inserts at the cursor. */
export function describeIn(details, container, { run, insert }) {
  details.addEventListener("toggle", async () => {
    if (!details.open || container.childElementCount) return;
    container.replaceChildren(el("p", { className: "meta", role: "status" }, t("describe.loading")));
    await allTerms();
    const classes = await fetchClasses();
    if (!classes?.length) { container.replaceChildren(el("p", { className: "notice" }, t("describe.failed"))); return; }
    addNames(classes);
    container.replaceChildren(
      el("p", { className: "meta" }, t("describe.help")),
      el("ul", { className: "plain describe" }, ...classes.map((classInfo) => el("li", {}, classDetails(classInfo, { run, insert })))));
  });
}

async function fetchClasses() {
  for (let i = 0; i < TRIES; i += 1) {
    const response = await fetch("/sparql/classes.json").catch(() => null);
    if (response?.ok) return (await response.json()).classes;
    if (response?.status !== 503) return null;
    await new Promise((done) => setTimeout(done, 1000));
  }
  return null;
}

function classDetails(classInfo, { run, insert }) {
  const name = shorten(classInfo.iri) ?? classInfo.iri;
  return el("details", {},
    el("summary", {}, el("strong", {}, labels.get(classInfo.iri) || name), " ", labels.get(classInfo.iri) ? el("code", {}, name) : "", el("span", { className: "count" }, number(classInfo.things))),
    el("ul", { className: "plain" }, ...classInfo.properties.map((iri) => el("li", {},
      el("button", { type: "button", className: "term", title: iri, onclick: () => insert(iri) }, el("code", {}, shorten(iri) ?? `<${iri}>`)),
      labels.get(iri) ? ` ${labels.get(iri)}` : ""))),
    el("p", {}, el("button", { type: "button", className: "quiet", onclick: () => run(sample(classInfo), t("describe.tab", { name })) }, t("describe.show"))));
}

/** Return a query for some instances of a class with their properties. */
function sample(classInfo) {
  const name = shorten(classInfo.iri) ?? `<${classInfo.iri}>`;
  return `SELECT ?thing ?property ?value WHERE {\n  { SELECT ?thing WHERE { ?thing a ${name} } LIMIT 10 }\n  ?thing ?property ?value .\n}\n`;
}
