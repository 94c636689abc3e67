// Where one is: everything that makes up a view stands in the address, so that it can be kept,
// sent, and gone back to.

import { FILTERS, SORTS, type Asked, type Filter, type Sort } from "./order";

export const TABS = ["overview", "files", "peers", "trackers", "facts"] as const;
export type Tab = (typeof TABS)[number];

class Place {
  #url = $state.raw(new URL(location.href));
  /** How far one has gone in this page: whether there is something to go back to. */
  #depth = 0;

  constructor() {
    addEventListener("popstate", () => {
      this.#depth = Math.max(0, this.#depth - 1);
      this.#url = new URL(location.href);
    });
  }

  /** The torrent whose details are open. */
  get torrent(): number | null {
    const found = /^\/torrent\/(\d+)$/.exec(this.#url.pathname);
    return found ? Number(found[1]) : null;
  }

  get settings(): boolean {
    return this.#url.pathname === "/settings";
  }

  get tab(): Tab {
    return among(TABS, this.#url.searchParams.get("tab"));
  }

  get asked(): Asked {
    const given = this.#url.searchParams;
    return {
      search: given.get("q") ?? "",
      filter: among(FILTERS, given.get("show")) as Filter,
      label: given.get("label") ?? "",
      sort: among(SORTS, given.get("sort")) as Sort,
      reverse: given.has("reverse"),
    };
  }

  /** Goes to a view; what the list shows stays. */
  go(path: string, tab?: Tab) {
    const url = new URL(this.#url);
    url.pathname = path;
    set(url, "tab", tab && tab !== "overview" ? tab : "");
    if (url.href === this.#url.href) return;
    // From one torrent to the next is no step to go back over.
    const beside = path.startsWith("/torrent/") && this.torrent !== null;
    this.#show(url, beside);
  }

  /** Back to the list. */
  leave() {
    if (this.#depth > 0) history.back();
    else this.go("/");
  }

  /** Shows other torrents, or in another order. */
  ask(change: Partial<Asked>) {
    const asked = { ...this.asked, ...change };
    const url = new URL(this.#url);
    set(url, "q", asked.search);
    set(url, "show", asked.filter === "all" ? "" : asked.filter);
    set(url, "label", asked.label);
    set(url, "sort", asked.sort === "needs" ? "" : asked.sort);
    set(url, "reverse", asked.reverse ? "1" : "");
    this.#show(url, true);
  }

  #show(url: URL, replace: boolean) {
    if (!replace) this.#depth += 1;
    history[replace ? "replaceState" : "pushState"](null, "", url);
    this.#url = url;
  }
}

function among<T extends string>(known: readonly T[], value: string | null): T {
  return known.find((it) => it === value) ?? known[0]!;
}

function set(url: URL, name: string, value: string) {
  if (value) url.searchParams.set(name, value);
  else url.searchParams.delete(name);
}

export const place = new Place();
