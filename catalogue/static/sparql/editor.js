// The editor page: Yasqe in place of the text box, tabs, examples, results in several views.
import { explain, formOf, Problem, runQuery } from "./query.js";
import { drawChart } from "./chart.js";
import { languages } from "./code.js";
import { addPrefix, allTerms, completer, declareWhileTyping, labels } from "./completion.js";
import { describeIn } from "./describe.js";
import { drawMap } from "./map.js";
import { copy, el, language, library, number, permalink, shorten, t, words } from "./page.js";
import { drawProblem } from "./problems.js";
import { chartOf, mapOf } from "./columns.js";
import { markSyntax } from "./syntax.js";
import { drawTable } from "./table.js";
import { Tabs } from "./tabs.js";
import { drawExplanation } from "./explanation.js";

const form = document.querySelector("form[data-sparql]");
const text = form.querySelector("textarea");
const resultSection = document.querySelector("[data-result]");
const views = {
  table: { fits: (result) => result.kind === "table", draw: (container, result) => drawTable(container, result, labels) },
  chart: { fits: (result) => chartOf(result) !== null, draw: drawChart },
  map: { fits: (result) => mapOf(result) !== null, draw: drawMap },
};

let running = null, result = null, executedQuery = "", disposeView = null;
const status = el("p", { className: "meta editor-status", role: "status" });
const exported = await library("/static/vendor/yasqe.min.js", "Yasqe");
const yasqe = makeEditor(exported.Yasqe ?? exported);
const list = el("ul", { className: "tabs" });
const tabs = new Tabs(list, { query: text.value }, showTab);
arrangePage();
start();

function makeEditor(Yasqe) {
  markSyntax(Yasqe, (line) => { status.textContent = line ? t("syntax.line", { line }) : ""; });
  Yasqe.registerAutocompleter(completer(Yasqe), false);
  const container = el("div", { className: "editor" });
  text.after(container);
  text.hidden = true;
  const editor = new Yasqe(container, {
    value: text.value, persistenceId: null, consumeShareLink: null, createShareableLink: null, showQueryButton: false,
    resizeable: false, editorHeight: "auto", autocompleters: ["vaven", "variables"], syntaxErrorCheck: false, lineWrapping: true,
    inputStyle: "contenteditable", screenReaderLabel: t("box.label"), viewportMargin: Infinity,
  });
  editor.setOption("extraKeys", {
    ...editor.getOption("extraKeys"), "Ctrl-Enter": run, "Cmd-Enter": run, "Ctrl-S": false, Esc: letGo,
    "Shift-Ctrl-F": () => editor.autoformat(),
  });
  declareWhileTyping(editor);
  editor.on("autocompletionShown", (_, widget) => {
    widget.hints.setAttribute("aria-label", t("box.hints"));
    widget.hints.tabIndex = 0;
  });
  const field = container.querySelector(".CodeMirror-code");
  field.setAttribute("role", "textbox");
  field.setAttribute("aria-multiline", "true");
  editor.on("change", () => { text.value = editor.getValue(); });
  form.querySelector("label").addEventListener("click", () => editor.focus());
  return editor;
}

/** Let Tab move the focus after Escape, as elsewhere (WCAG 2.1.2); otherwise it indents. */
function letGo(cm) {
  cm.setOption("extraKeys", { ...cm.getOption("extraKeys"), Tab: false, "Shift-Tab": false });
  status.textContent = t("box.free");
  const back = () => {
    const { Tab, "Shift-Tab": shift, ...otherKeys } = cm.getOption("extraKeys");
    cm.setOption("extraKeys", otherKeys);
    cm.off("blur", back);
    status.textContent = "";
  };
  cm.on("blur", back);
}

function arrangePage() {
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
  arrangePage.stop = stop;
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

/** List the endpoint's example queries; the page's own list is the fallback. */
async function listExamples() {
  const container = document.querySelector("[data-examples]");
  const { examples } = await allTerms();
  const inLanguage = (query) => query.replaceAll('= "sv"', `= "${language}"`);
  const items = examples?.length ? examples.map((each) => ({ title: words(each.titles), query: inLanguage(each.query) }))
    : [...container.querySelectorAll("a")].map((link) => ({ title: link.textContent, query: new URL(link.href).searchParams.get("query") }));
  const filter = el("input", { type: "search", id: "example-filter" });
  const draw = () => {
    const needle = filter.value.toLocaleLowerCase();
    container.replaceChildren(...items.filter((each) => each.title.toLocaleLowerCase().includes(needle) || each.query.toLocaleLowerCase().includes(needle))
      .map((each) => el("li", {}, el("a", { href: permalink(each.query), onclick: (event) => openExample(event, each) }, each.title))));
  };
  tabs.setTitles(items);
  filter.addEventListener("input", draw);
  container.before(el("p", { className: "view-line" }, el("label", { for: "example-filter" }, t("examples.filter")), filter));
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
  result = null;
  clear();
}

/** Set the query. On a narrow screen the prologue is folded to show the query itself. */
function setQuery(query) {
  yasqe.setValue(query);
  setTimeout(() => {
    yasqe.refresh();
    if (matchMedia("(max-width: 40rem)").matches) yasqe.collapsePrefixes(true);
  });
}

function start() {
  const params = new URLSearchParams(location.search);
  const query = params.get("query");
  if (query !== null) tabs.open({ query, view: params.get("view") ?? undefined });
  else { tabs.draw(); setQuery(tabs.current.query); }
  const isExplained = params.get("explain") === "empty";
  if (query?.trim()) run().then(() => { if (isExplained && resultSection.querySelector(".notice")) empty.explain?.(); });
  addEventListener("popstate", () => {
    const before = new URLSearchParams(location.search).get("query");
    if (before) { tabs.open({ query: before }); run({ isBack: true }); }
  });
}

function clear(...children) {
  disposeView?.();
  disposeView = null;
  resultSection.replaceChildren(...children);
}

async function run({ isBack = false } = {}) {
  executedQuery = yasqe.getValue();
  tabs.saveTab(executedQuery, tabs.current.view);
  running?.abort();
  const controller = (running = new AbortController());
  arrangePage.stop.hidden = false;
  form.setAttribute("aria-busy", "true");
  clear(el("p", { className: "meta", role: "status" }, t("run.busy")));
  if (!isBack && permalink(executedQuery).length < 30_000) history[location.search ? "pushState" : "replaceState"](null, "", permalink(executedQuery, tabs.current.view));
  try {
    if (!executedQuery.trim()) throw new Problem("empty");
    result = await runQuery(executedQuery, controller.signal);
    drawResult();
  } catch (error) {
    if (controller !== running) return;
    result = null;
    if (error.name === "AbortError") clear(el("p", { className: "notice", role: "status" }, t("run.stopped")));
    else if (error instanceof Problem) clear(drawProblem(error, yasqe, run));
    else throw error;
  } finally {
    if (controller === running) {
      running = null;
      arrangePage.stop.hidden = true;
      form.removeAttribute("aria-busy");
    }
  }
}

function drawResult() {
  const isEmpty = result.kind === "table" && !result.rows.length;
  const hasNothing = isEmpty || (result.kind === "boolean" ? !result.value : result.kind === "graph" && !result.text.trim());
  const chosen = views[tabs.current.view]?.fits(result) ? tabs.current.view : "table";
  const container = el("div", { className: "view" });
  const heading = el("h2", { id: "result-h" }, t("result.title"));
  clear(heading, facts(), isEmpty ? "" : buttons(chosen, container), isEmpty ? "" : container, hasNothing ? empty(isEmpty) : "", downloads());
  if (!isEmpty) drawView(container, chosen);
}

function facts() {
  const { kind, rows, isCut, seconds, bytes, isCached } = result;
  const texts = [
    kind === "table" && t(isCut ? "result.cut" : "result.rows", { count: rows.length }),
    t("result.seconds", { seconds: number(seconds, seconds < 1 ? 3 : 1) }),
    bytes > 100 && t("result.size", { size: number(bytes / 1000, bytes < 100_000 ? 1 : 0) }),
    isCached && t("result.cached"),
  ];
  return el("p", { className: "result-facts", role: "status" }, ...texts.filter(Boolean).map((each) => el("span", {}, each)));
}

function buttons(chosen, container) {
  if (result.kind !== "table") return "";
  const editor = Object.keys(views).map((name) => el("button", {
    type: "button", "aria-pressed": String(name === chosen), disabled: !views[name].fits(result),
    title: views[name].fits(result) ? "" : t(`view.${name}.none`),
    onclick: () => {
      editor.forEach((button, i) => button.setAttribute("aria-pressed", String(Object.keys(views)[i] === name)));
      tabs.saveTab(tabs.current.query, name);
      history.replaceState(null, "", permalink(executedQuery, name));
      drawView(container, name);
    },
  }, t(`view.${name}`)));
  return el("div", { className: "views", role: "group", "aria-label": t("view.label") }, ...editor);
}

async function drawView(container, name) {
  disposeView?.();
  disposeView = null;
  container.replaceChildren();
  if (result.kind === "boolean") container.append(el("p", { className: "notice" }, el("strong", {}, t(result.value ? "result.yes" : "result.no"))));
  else if (result.kind === "graph") container.append(el("pre", { className: "table-box", tabIndex: 0 }, result.text.slice(0, 500_000)));
  else disposeView = (await views[name].draw(container, result)) ?? null;
}

function downloads() {
  const forms = result.kind === "graph" ? ["ttl", "jsonld", "nt", "rdf"] : result.kind === "boolean" ? ["json", "xml"] : ["csv", "tsv", "json", "xml"];
  const link = (name) => el("a", { href: `${location.pathname}?${new URLSearchParams({ query: executedQuery, format: name })}`, download: `sparql.${name}` }, name.toUpperCase());
  return el("p", { className: "data-links" }, t("result.as"), " ", ...forms.map(link));
}

/** Return the notice for an empty result, with a button that explains it. */
function empty(hasTitle) {
  const container = el("div", { role: "status" });
  const why = el("button", { type: "button", className: "quiet", onclick: () => explainResult(container, why) }, t("empty.why"));
  empty.explain = () => explainResult(container, why);
  return el("div", { className: "notice" }, hasTitle ? el("p", {}, t("empty.title")) : "", el("p", { className: "actions" }, why), container);
}

async function explainResult(container, button) {
  const query = executedQuery;
  button.disabled = true;
  container.replaceChildren(t("why.busy"));
  try {
    const explanation = await explain(query);
    // Positions refer to the executed query.
    if (yasqe.getValue() === query) container.replaceChildren(drawExplanation(explanation, yasqe, run));
    else container.replaceChildren(explanation.message);
    button.hidden = true;
  } catch (error) {
    container.replaceChildren(error instanceof Problem ? drawProblem(error, yasqe, run) : t("error.query"));
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
  const copyStatus = el("span", { className: "meta", role: "status" });
  const pick = (name) => { code.textContent = texts[name](yasqe.getValue()); choices.forEach((input) => { input.checked = input.value === name; }); copyStatus.textContent = ""; };
  const choices = Object.keys(texts).map((name) => el("input", { type: "radio", name: "code", id: `code-${name}`, value: name, onchange: () => pick(name) }));
  const dialog = el("dialog", { className: "code-dialog", "aria-labelledby": "code-h" },
    el("h2", { id: "code-h" }, t("share.title")),
    el("p", { className: "view-line" }, ...choices.map((input) => el("span", {}, input, el("label", { for: input.id }, t(`share.${input.value}`))))),
    el("pre", { className: "table-box", tabIndex: 0 }, code),
    el("p", { className: "actions" },
      el("button", { type: "button", onclick: async () => { copyStatus.textContent = t((await copy(code.textContent)) ? "share.copied" : "share.failed"); } }, t("share.copy")),
      el("button", { type: "button", className: "quiet", onclick: () => dialog.close() }, t("share.close")), copyStatus));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  pick(first);
  dialog.showModal();
}
