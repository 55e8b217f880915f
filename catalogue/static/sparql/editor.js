// Puts the editor into the page: Yasqe in place of the text box, tabs, examples, answers in several views.
import { ask, explain, formOf, Problem } from "./answer.js";
import { drawChart } from "./chart.js";
import { languages } from "./code.js";
import { addPrefix, allTerms, completer, declareWhileTyping, labels } from "./completion.js";
import { describeIn } from "./describe.js";
import { drawMap } from "./map.js";
import { copy, el, language, library, number, permalink, shorten, t, words } from "./page.js";
import { drawProblem } from "./problems.js";
import { chartOf, mapOf } from "./shape.js";
import { markSyntax } from "./syntax.js";
import { drawTable } from "./table.js";
import { Tabs } from "./tabs.js";
import { drawReasons } from "./why.js";

const form = document.querySelector("form[data-sparql]");
const text = form.querySelector("textarea");
const result = document.querySelector("[data-result]");
const views = {
  table: { fits: (answer) => answer.kind === "table", draw: (place, answer) => drawTable(place, answer, labels) },
  chart: { fits: (answer) => chartOf(answer) !== null, draw: drawChart },
  map: { fits: (answer) => mapOf(answer) !== null, draw: drawMap },
};

let running = null, answer = null, asked = "", undraw = null;
const status = el("p", { className: "meta editor-status", role: "status" });
const exported = await library("/static/vendor/yasqe.min.js", "Yasqe");
const yasqe = makeEditor(exported.Yasqe ?? exported);
const list = el("ul", { className: "tabs" });
const tabs = new Tabs(list, { query: text.value }, showTab);
arrange();
start();

function makeEditor(Yasqe) {
  markSyntax(Yasqe, (line) => { status.textContent = line ? t("syntax.line", { line }) : ""; });
  Yasqe.registerAutocompleter(completer(Yasqe), false);
  const place = el("div", { className: "editor" });
  text.after(place);
  text.hidden = true;
  const made = new Yasqe(place, {
    value: text.value, persistenceId: null, consumeShareLink: null, createShareableLink: null, showQueryButton: false,
    resizeable: false, editorHeight: "auto", autocompleters: ["vaven", "variables"], syntaxErrorCheck: false, lineWrapping: true,
    inputStyle: "contenteditable", screenReaderLabel: t("box.label"), viewportMargin: Infinity,
  });
  made.setOption("extraKeys", {
    ...made.getOption("extraKeys"), "Ctrl-Enter": run, "Cmd-Enter": run, "Ctrl-S": false, Esc: letGo,
    "Shift-Ctrl-F": () => made.autoformat(),
  });
  declareWhileTyping(made);
  made.on("autocompletionShown", (_, widget) => {
    widget.hints.setAttribute("aria-label", t("box.hints"));
    widget.hints.tabIndex = 0;
  });
  const field = place.querySelector(".CodeMirror-code");
  field.setAttribute("role", "textbox");
  field.setAttribute("aria-multiline", "true");
  made.on("change", () => { text.value = made.getValue(); });
  form.querySelector("label").addEventListener("click", () => made.focus());
  return made;
}

/** Tab indents; after Escape it goes on to the next control, as everywhere else (WCAG 2.1.2). */
function letGo(cm) {
  cm.setOption("extraKeys", { ...cm.getOption("extraKeys"), Tab: false, "Shift-Tab": false });
  status.textContent = t("box.free");
  const back = () => {
    const { Tab, "Shift-Tab": shift, ...kept } = cm.getOption("extraKeys");
    cm.setOption("extraKeys", kept);
    cm.off("blur", back);
    status.textContent = "";
  };
  cm.on("blur", back);
}

function arrange() {
  const nav = el("nav", { "aria-label": t("tabs.label") }, list);
  form.prepend(nav);
  const go = form.querySelector("button[data-run]");
  go.title = "Ctrl+Enter";
  const stop = el("button", { type: "button", className: "quiet", hidden: true, onclick: () => running?.abort() }, t("run.stop"));
  form.querySelector("[data-actions]").append(stop,
    el("button", { type: "button", className: "quiet", onclick: copyLink }, t("share.link")),
    el("button", { type: "button", className: "quiet", onclick: () => showCode() }, t("share.code")),
    el("button", { type: "button", className: "quiet", onclick: () => { yasqe.autoformat(); yasqe.focus(); } }, t("box.format")));
  form.querySelector("[data-actions]").after(status, el("p", { className: "meta" }, t("box.help")));
  form.addEventListener("submit", (event) => { event.preventDefault(); run(); });
  arrange.stop = stop;
  listExamples();
  describeIn(document.querySelector("[data-describe]"), document.querySelector("[data-describe-place]"), {
    run: (query, title) => { tabs.open({ query, title }); declareAll(); run(); },
    insert: (iri) => {
      const short = shorten(iri);
      yasqe.replaceSelection(`${short ?? `<${iri}>`} `);
      if (short) addPrefix(yasqe, short.split(":")[0]);
      yasqe.focus();
    },
  });
  document.querySelector("[data-describe]").hidden = false;
}

function declareAll() {
  for (const [, prefix] of yasqe.getValue().matchAll(/(?<![<\w-])([\p{L}][\p{L}\p{N}-]*):[\p{L}\p{N}_]/gu)) addPrefix(yasqe, prefix);
}

/** The examples are those that the endpoint holds; the page's own list is what there is without it. */
async function listExamples() {
  const place = document.querySelector("[data-examples]");
  const { examples } = await allTerms();
  const inLanguage = (query) => query.replaceAll('= "sv"', `= "${language}"`);
  const given = examples?.length ? examples.map((each) => ({ title: words(each.titles), query: inLanguage(each.query) }))
    : [...place.querySelectorAll("a")].map((link) => ({ title: link.textContent, query: new URL(link.href).searchParams.get("query") }));
  const filter = el("input", { type: "search", id: "example-filter" });
  const draw = () => {
    const wanted = filter.value.toLocaleLowerCase();
    place.replaceChildren(...given.filter((each) => each.title.toLocaleLowerCase().includes(wanted) || each.query.toLocaleLowerCase().includes(wanted))
      .map((each) => el("li", {}, el("a", { href: permalink(each.query), onclick: (event) => openExample(event, each) }, each.title))));
  };
  tabs.entitle(given);
  filter.addEventListener("input", draw);
  place.before(el("p", { className: "view-line" }, el("label", { for: "example-filter" }, t("examples.filter")), filter));
  draw();
}

function openExample(event, { title, query }) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  tabs.open({ title, query });
  run();
}

function showTab(tab) {
  running?.abort();
  setQuery(tab.query);
  answer = null;
  clear();
}

/** On a narrow screen the prologue is folded, so that the query itself is seen. */
function setQuery(query) {
  yasqe.setValue(query);
  setTimeout(() => {
    yasqe.refresh();
    if (matchMedia("(max-width: 40rem)").matches) yasqe.collapsePrefixes(true);
  });
}

function start() {
  const given = new URLSearchParams(location.search);
  const query = given.get("query");
  if (query !== null) tabs.open({ query, view: given.get("view") ?? undefined });
  else { tabs.draw(); setQuery(tabs.current.query); }
  const isExplained = given.get("explain") === "empty";
  if (query?.trim()) run().then(() => { if (isExplained && result.querySelector(".notice")) empty.tell?.(); });
  addEventListener("popstate", () => {
    const before = new URLSearchParams(location.search).get("query");
    if (before) { tabs.open({ query: before }); run({ isBack: true }); }
  });
}

function clear(...children) {
  undraw?.();
  undraw = null;
  result.replaceChildren(...children);
}

async function run({ isBack = false } = {}) {
  asked = yasqe.getValue();
  tabs.keep(asked, tabs.current.view);
  running?.abort();
  const mine = (running = new AbortController());
  arrange.stop.hidden = false;
  form.setAttribute("aria-busy", "true");
  clear(el("p", { className: "meta", role: "status" }, t("run.busy")));
  if (!isBack && permalink(asked).length < 30_000) history[location.search ? "pushState" : "replaceState"](null, "", permalink(asked, tabs.current.view));
  try {
    if (!asked.trim()) throw new Problem("empty");
    answer = await ask(asked, mine.signal);
    drawAnswer();
  } catch (error) {
    if (mine !== running) return;
    answer = null;
    if (error.name === "AbortError") clear(el("p", { className: "notice", role: "status" }, t("run.stopped")));
    else if (error instanceof Problem) clear(drawProblem(error, yasqe, run));
    else throw error;
  } finally {
    if (mine === running) {
      running = null;
      arrange.stop.hidden = true;
      form.removeAttribute("aria-busy");
    }
  }
}

function drawAnswer() {
  const isEmpty = answer.kind === "table" && !answer.rows.length;
  const hasNothing = isEmpty || (answer.kind === "boolean" ? !answer.value : answer.kind === "graph" && !answer.text.trim());
  const chosen = views[tabs.current.view]?.fits(answer) ? tabs.current.view : "table";
  const place = el("div", { className: "view" });
  const heading = el("h2", { id: "result-h" }, t("result.title"));
  clear(heading, facts(), isEmpty ? "" : buttons(chosen, place), isEmpty ? "" : place, hasNothing ? empty(isEmpty) : "", downloads());
  if (!isEmpty) drawView(place, chosen);
}

function facts() {
  const { kind, rows, isCut, seconds, bytes, isCached } = answer;
  const told = [
    kind === "table" && t(isCut ? "result.cut" : "result.rows", { count: rows.length }),
    t("result.seconds", { seconds: number(seconds, seconds < 1 ? 3 : 1) }),
    bytes > 100 && t("result.size", { size: number(bytes / 1000, bytes < 100_000 ? 1 : 0) }),
    isCached && t("result.cached"),
  ];
  return el("p", { className: "result-facts", role: "status" }, ...told.filter(Boolean).map((each) => el("span", {}, each)));
}

function buttons(chosen, place) {
  if (answer.kind !== "table") return "";
  const made = Object.keys(views).map((name) => el("button", {
    type: "button", "aria-pressed": String(name === chosen), disabled: !views[name].fits(answer),
    title: views[name].fits(answer) ? "" : t(`view.${name}.none`),
    onclick: () => {
      made.forEach((button, i) => button.setAttribute("aria-pressed", String(Object.keys(views)[i] === name)));
      tabs.keep(tabs.current.query, name);
      history.replaceState(null, "", permalink(asked, name));
      drawView(place, name);
    },
  }, t(`view.${name}`)));
  return el("div", { className: "views", role: "group", "aria-label": t("view.label") }, ...made);
}

async function drawView(place, name) {
  undraw?.();
  undraw = null;
  place.replaceChildren();
  if (answer.kind === "boolean") place.append(el("p", { className: "notice" }, el("strong", {}, t(answer.value ? "result.yes" : "result.no"))));
  else if (answer.kind === "graph") place.append(el("pre", { className: "table-box", tabIndex: 0 }, answer.text.slice(0, 500_000)));
  else undraw = (await views[name].draw(place, answer)) ?? null;
}

function downloads() {
  const forms = answer.kind === "graph" ? ["ttl", "jsonld", "nt", "rdf"] : answer.kind === "boolean" ? ["json", "xml"] : ["csv", "tsv", "json", "xml"];
  const link = (name) => el("a", { href: `${location.pathname}?${new URLSearchParams({ query: asked, format: name })}`, download: `sparql.${name}` }, name.toUpperCase());
  return el("p", { className: "data-links" }, t("result.as"), " ", ...forms.map(link));
}

/** What stands where there are no rows: a button that tells why. */
function empty(isTold) {
  const place = el("div", { role: "status" });
  const why = el("button", { type: "button", className: "quiet", onclick: () => tellWhy(place, why) }, t("empty.why"));
  empty.tell = () => tellWhy(place, why);
  return el("div", { className: "notice" }, isTold ? el("p", {}, t("empty.title")) : "", el("p", { className: "actions" }, why), place);
}

async function tellWhy(place, button) {
  const query = asked;
  button.disabled = true;
  place.replaceChildren(t("why.busy"));
  try {
    const told = await explain(query);
    // Places are those of the query that was asked.
    if (yasqe.getValue() === query) place.replaceChildren(drawReasons(told, yasqe, run));
    else place.replaceChildren(told.message);
    button.hidden = true;
  } catch (error) {
    place.replaceChildren(error instanceof Problem ? drawProblem(error, yasqe, run) : t("error.query"));
  }
  button.disabled = false;
}

async function copyLink() {
  const address = new URL(permalink(yasqe.getValue(), tabs.current.view), location.href).href;
  if (await copy(address)) status.textContent = t("share.copied");
  else showCode("address", address);
}

function showCode(first = "curl", address = "") {
  const texts = { address: () => address || new URL(permalink(yasqe.getValue()), location.href).href, ...languages };
  const code = el("code");
  const said = el("span", { className: "meta", role: "status" });
  const pick = (name) => { code.textContent = texts[name](yasqe.getValue()); choices.forEach((input) => { input.checked = input.value === name; }); said.textContent = ""; };
  const choices = Object.keys(texts).map((name) => el("input", { type: "radio", name: "code", id: `code-${name}`, value: name, onchange: () => pick(name) }));
  const dialog = el("dialog", { className: "code-dialog", "aria-labelledby": "code-h" },
    el("h2", { id: "code-h" }, t("share.title")),
    el("p", { className: "view-line" }, ...choices.map((input) => el("span", {}, input, el("label", { for: input.id }, t(`share.${input.value}`))))),
    el("pre", { className: "table-box", tabIndex: 0 }, code),
    el("p", { className: "actions" },
      el("button", { type: "button", onclick: async () => { said.textContent = t((await copy(code.textContent)) ? "share.copied" : "share.failed"); } }, t("share.copy")),
      el("button", { type: "button", className: "quiet", onclick: () => dialog.close() }, t("share.close")), said));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  pick(first);
  dialog.showModal();
}
