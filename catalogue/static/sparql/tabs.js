// Several queries in tabs, stored in this browser.
import { el, t } from "./page.js";

const KEY = "vaven-sparql-tabs";
const MAX_TABS = 20;

export class Tabs {
  /** Tabs in a container; `show(tab)` is called with the tab to show. A tab is {id, title, query, view}. */
  constructor(container, first, show) {
    this.container = container;
    this.show = show;
    const stored = read();
    this.tabs = stored.tabs.length ? stored.tabs : [this.make(first)];
    this.current = this.tabs.find((tab) => tab.id === stored.current) ?? this.tabs[0];
  }

  make({ query, title = "", view = "table" }) {
    return { id: `t${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`, title, query, view };
  }

  /** Show a query in the tab that contains it, else in a new one. */
  open(params) {
    let tab = this.tabs.find((each) => each.query.trim() === params.query.trim());
    if (!tab) {
      tab = this.make(params);
      this.tabs.push(tab);
      if (this.tabs.length > MAX_TABS) this.tabs.shift();
    }
    if (params.view) tab.view = params.view;
    this.pick(tab);
  }

  pick(tab) {
    this.current = tab;
    this.draw();
    this.show(tab);
  }

  close(tab) {
    const at = this.tabs.indexOf(tab);
    this.tabs.splice(at, 1);
    if (!this.tabs.length) this.tabs.push(this.make({ query: "" }));
    if (tab === this.current) this.pick(this.tabs[Math.max(at - 1, 0)]); else this.draw();
    this.container.querySelector("[aria-current]")?.focus();
  }

  /** Store the query of the current tab. */
  saveTab(query, view) {
    Object.assign(this.current, { query, view });
    this.draw();
  }

  /** Set the titles of tabs that contain one of these {title, query}. */
  setTitles(examples) {
    const titles = new Map(examples.map(({ title, query }) => [query.trim(), title]));
    for (const tab of this.tabs) tab.title ||= titles.get(tab.query.trim()) ?? "";
    this.draw();
  }

  draw() {
    this.container.replaceChildren(...this.tabs.map((tab, i) => {
      const name = titleOf(tab, i);
      const isCurrent = tab === this.current;
      return el("li", { className: isCurrent ? "is-current" : "" },
        el("button", { type: "button", className: "tab", "aria-current": isCurrent ? "true" : null, title: name, onclick: () => this.pick(tab) }, name),
        this.tabs.length > 1 && el("button", { type: "button", className: "tab-close", "aria-label": t("tabs.close", { name }), onclick: () => this.close(tab) }, "×"));
    }), el("li", {}, el("button", { type: "button", className: "tab tab-new", "aria-label": t("tabs.new"), title: t("tabs.new"), onclick: () => this.pick(this.add()) }, "+")));
    const current = this.container.querySelector(".is-current");
    this.container.scrollLeft += Math.max(current.getBoundingClientRect().right - this.container.getBoundingClientRect().right, 0);
    write({ tabs: this.tabs, current: this.current.id });
  }

  add() {
    const tab = this.make({ query: "" });
    this.tabs.push(tab);
    return tab;
  }
}

/** Return the title of a tab: the first comment of its query, if any. */
function titleOf(tab, i) {
  const comment = /^\s*#+\s*(.+)/.exec(tab.query)?.[1];
  return comment || tab.title || t("tabs.name", { number: String(i + 1) });
}

function read() {
  try {
    const stored = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return { tabs: Array.isArray(stored.tabs) ? stored.tabs.filter((tab) => typeof tab?.query === "string") : [], current: stored.current };
  } catch {
    return { tabs: [], current: "" };
  }
}

function write(stored) {
  try { localStorage.setItem(KEY, JSON.stringify(stored)); } catch { /* Storage full or forbidden: nothing is stored. */ }
}
