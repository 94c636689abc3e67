// Which torrents are shown, and in which order.

import type { Row } from "./store.svelte";

/** The filters that stand in sight, in their order. */
export const FILTERS = ["all", "moving", "needs", "unfinished", "done", "paused"] as const;
export type Filter = (typeof FILTERS)[number];

export const FILTER_WORDS: Record<Filter, string> = {
  all: "All",
  moving: "Moving",
  needs: "Needs you",
  unfinished: "Unfinished",
  done: "Done",
  paused: "Paused",
};

export const SORTS = ["needs", "name", "size", "percent", "down", "up"] as const;
export type Sort = (typeof SORTS)[number];

export const SORT_WORDS: Record<Sort, string> = {
  needs: "Newest",
  name: "Name",
  size: "Size",
  percent: "Percent",
  down: "Download speed",
  up: "Upload speed",
};

const collator = new Intl.Collator(undefined, { numeric: true });

const COMPARE: Record<Sort, (a: Row, b: Row) => number> = {
  // What needs its user first, then what is new: as the daemon sends the first rows.
  needs: (a, b) => Number(b.phase === "error") - Number(a.phase === "error") || b.id - a.id,
  name: (a, b) => collator.compare(a.name, b.name) || a.id - b.id,
  size: (a, b) => b.size - a.size || b.id - a.id,
  percent: (a, b) => a.progress - b.progress || b.id - a.id,
  down: (a, b) => b.down - a.down || b.id - a.id,
  up: (a, b) => b.up - a.up || b.id - a.id,
};

function isIn(filter: Filter, row: Row): boolean {
  const whole = row.phase === "seeding" || row.phase === "done";
  switch (filter) {
    case "all":
      return true;
    case "moving":
      return row.down + row.up > 0;
    case "needs":
      return row.phase === "error";
    case "unfinished":
      return !whole && row.phase !== "error";
    case "done":
      return whole;
    case "paused":
      return row.wish === "paused";
  }
}

/** What is asked of the list. */
export interface Asked {
  search: string;
  filter: Filter;
  /** A category or a tag; empty: any. */
  label: string;
  sort: Sort;
  reverse: boolean;
}

export interface Labels {
  categories: Map<string, number>;
  tags: Map<string, number>;
}

/** The order of all torrents; kept, so that a keystroke only filters. */
export class Order {
  #rows: Row[] = [];
  #sort = "";

  /** Sorts anew, unless `still`, and the torrents are the same. */
  refresh(all: ReadonlyMap<number, Row>, sort: Sort, reverse: boolean, still: boolean) {
    const name = `${sort} ${reverse}`;
    const same =
      this.#sort === name &&
      this.#rows.length === all.size &&
      this.#rows.every((row) => all.get(row.id) === row);
    if (same && still) return;
    if (!same) this.#rows = [...all.values()];
    const compare = COMPARE[sort];
    this.#rows.sort(reverse ? (a, b) => compare(b, a) : compare);
    this.#sort = name;
  }

  /** The numbers of those that are asked for. */
  pick(asked: Asked, leaving: ReadonlySet<number>): number[] {
    const words = asked.search.toLowerCase().split(/\s+/).filter(Boolean);
    const { filter, label } = asked;
    const found: number[] = [];
    for (const row of this.#rows) {
      if (!isIn(filter, row) || leaving.has(row.id)) continue;
      if (label !== "" && row.category !== label && !row.tags.includes(label)) continue;
      if (words.length > 0) {
        const name = row.name.toLowerCase();
        if (!words.every((word) => name.includes(word))) continue;
      }
      found.push(row.id);
    }
    return found;
  }
}

/** How many torrents each filter shows. */
export function counts(all: Iterable<Row>): Record<Filter, number> & Labels {
  const found = { all: 0, moving: 0, needs: 0, unfinished: 0, done: 0, paused: 0 };
  const [categories, tags] = [new Map<string, number>(), new Map<string, number>()];
  const one = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1);
  for (const row of all) {
    for (const filter of FILTERS) if (isIn(filter, row)) found[filter] += 1;
    if (row.category) one(categories, row.category);
    for (const tag of row.tags) one(tags, tag);
  }
  return { ...found, categories, tags };
}
