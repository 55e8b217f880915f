// Several queries side by side, kept in this browser.
import { el, t } from "./page.js";

const KEY = "vaven-sparql-tabs";
const MOST = 20;

export class Tabs {
  /** `show(tab)` is called with the tab to show. A tab is {id, title, query, view}. */
  constructor(place, first, show) {
    this.place = place;
    this.show = show;
    const kept = read();
    this.tabs = kept.tabs.length ? kept.tabs : [this.make(first)];
    this.current = this.tabs.find((tab) => tab.id === kept.current) ?? this.tabs[0];
  }

  make({ query, title = "", view = "table" }) {
    return { id: `t${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`, title, query, view };
  }

  /** Show a query: in the tab that has it, else in a new one. */
  open(given) {
    let tab = this.tabs.find((each) => each.query.trim() === given.query.trim());
    if (!tab) {
      tab = this.make(given);
      this.tabs.push(tab);
      if (this.tabs.length > MOST) this.tabs.shift();
    }
    if (given.view) tab.view = given.view;
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
    this.place.querySelector("[aria-current]")?.focus();
  }

  /** Keep what is written in the current tab. */
  keep(query, view) {
    Object.assign(this.current, { query, view });
    this.draw();
  }

  /** Tabs that hold one of these {title, query} are called as it is. */
  entitle(known) {
    const titles = new Map(known.map(({ title, query }) => [query.trim(), title]));
    for (const tab of this.tabs) tab.title ||= titles.get(tab.query.trim()) ?? "";
    this.draw();
  }

  draw() {
    this.place.replaceChildren(...this.tabs.map((tab, i) => {
      const name = titleOf(tab, i);
      const isCurrent = tab === this.current;
      return el("li", { className: isCurrent ? "is-current" : "" },
        el("button", { type: "button", className: "tab", "aria-current": isCurrent ? "true" : null, title: name, onclick: () => this.pick(tab) }, name),
        this.tabs.length > 1 && el("button", { type: "button", className: "tab-close", "aria-label": t("tabs.close", { name }), onclick: () => this.close(tab) }, "×"));
    }), el("li", {}, el("button", { type: "button", className: "tab tab-new", "aria-label": t("tabs.new"), title: t("tabs.new"), onclick: () => this.pick(this.add()) }, "+")));
    const current = this.place.querySelector(".is-current");
    this.place.scrollLeft += Math.max(current.getBoundingClientRect().right - this.place.getBoundingClientRect().right, 0);
    write({ tabs: this.tabs, current: this.current.id });
  }

  add() {
    const tab = this.make({ query: "" });
    this.tabs.push(tab);
    return tab;
  }
}

/** A query's own first comment is its title. */
function titleOf(tab, i) {
  const comment = /^\s*#+\s*(.+)/.exec(tab.query)?.[1];
  return comment || tab.title || t("tabs.name", { number: String(i + 1) });
}

function read() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY)) ?? {};
    return { tabs: Array.isArray(kept.tabs) ? kept.tabs.filter((tab) => typeof tab?.query === "string") : [], current: kept.current };
  } catch {
    return { tabs: [], current: "" };
  }
}

function write(kept) {
  try { localStorage.setItem(KEY, JSON.stringify(kept)); } catch { /* Full, or forbidden: then nothing is kept. */ }
}
