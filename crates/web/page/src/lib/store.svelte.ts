// All torrents, as the daemon last told them: a small row for each, kept up to date by its events.

import { ask, door, get } from "./api";
import { listen } from "./stream";
import { Rates } from "./rates";
import type { Changes, Phase, Settings, View, Wish } from "./types";

/** What the list shows of a torrent; all that is kept of those that nobody looks at. */
export interface Row {
  id: number;
  name: string;
  phase: Phase;
  wish: Wish;
  why: string;
  error: string | null;
  size: number;
  wanted: number;
  progress: number;
  down: number;
  up: number;
  added: number;
  category: string;
  tags: readonly string[];
}

const FIELDS =
  "name,phase,wish,why,error,size,wanted,progress,down_rate,up_rate,added,category,tags";
const NO_TAGS: readonly string[] = [];
/** Torrents that are asked for before all others, so that there is something to see. */
const FIRST = 100;

class Store {
  /** By number. Not reactive: `version` is. */
  readonly rows = new Map<number, Row>();
  readonly rates = new Rates();
  /** Counts changes of anything that is shown. */
  version = $state(0);
  /** Every torrent is known. */
  whole = $state(false);
  /** Something was heard once. */
  begun = $state(false);
  /** When the connection was lost, in milliseconds since 1970. */
  lost = $state<number | null>(null);
  /** One has to log in. */
  closed = $state(false);
  settings = $state.raw<Settings | null>(null);
  /** Torrents that are being taken out, and not shown any more. */
  leaving = $state.raw<ReadonlySet<number>>(new Set());

  #cursor: string | null = null;
  #heard = Date.now();
  #stop: (() => void) | null = null;
  #texts = new Map<string, string>();

  constructor() {
    door.closed = () => this.#shut();
  }

  async start() {
    document.addEventListener("visibilitychange", () => this.#look());
    await this.enter();
  }

  /** Asks for the first rows, then listens. */
  async enter() {
    this.closed = false;
    try {
      const first = await get<Changes>(`/torrents?limit=${FIRST}&fields=${FIELDS}`);
      this.#take(first);
      this.#cursor = first.full ? (first.cursor ?? null) : null;
    } catch {
      if (this.closed) return;
      this.lost = this.#heard;
    }
    void this.loadSettings();
    this.#look();
  }

  async loadSettings() {
    this.settings = await get<Settings>("/settings").catch(() => this.settings);
  }

  /** Hidden pages hear nothing, and catch up when they are seen again. */
  #look() {
    const wanted = document.visibilityState === "visible" && !this.closed;
    if (wanted === (this.#stop !== null)) return;
    if (!wanted) {
      this.#stop?.();
      this.#stop = null;
      return;
    }
    this.#stop = listen(`/api/v1/events?fields=${FIELDS}`, {
      since: () => this.#cursor,
      event: (id, data) => {
        this.#take(JSON.parse(data) as Changes);
        this.#cursor = id;
      },
      alive: () => {
        this.#heard = Date.now();
        if (this.lost !== null) {
          this.lost = null;
          void this.loadSettings();
        }
      },
      lost: (status) => (status === 401 ? this.#shut() : (this.lost ??= this.#heard)),
    });
  }

  #shut() {
    this.closed = true;
    this.rows.clear();
    this.#cursor = null;
    this.whole = this.begun = false;
    this.version += 1;
    this.#look();
  }

  #take(changes: Changes) {
    if (changes.full) {
      const there = new Set(changes.torrents.map((it) => it.id));
      for (const id of this.rows.keys()) if (!there.has(id)) this.#forget(id);
      this.whole = true;
    }
    for (const id of changes.removed ?? []) this.#forget(id);
    for (const news of changes.torrents) {
      const row = this.rows.get(news.id);
      if (row) this.#merge(row, news);
      else this.rows.set(news.id, this.#row(news));
    }
    this.begun = true;
    this.rates.beat(this.rows.values());
    this.version += 1;
  }

  #forget(id: number) {
    this.rows.delete(id);
    this.rates.forget(id);
  }

  /** One string for the many that say the same. */
  #same(text: string): string {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (this.#texts.size < 1000) this.#texts.set(text, text);
    return text;
  }

  #row(news: Partial<View> & { id: number }): Row {
    const row: Row = {
      id: news.id,
      name: news.name ?? "",
      phase: "paused",
      wish: "paused",
      why: "",
      error: null,
      size: 0,
      wanted: 0,
      progress: 0,
      down: 0,
      up: 0,
      added: 0,
      category: "",
      tags: NO_TAGS,
    };
    this.#merge(row, news);
    return row;
  }

  #merge(row: Row, news: Partial<View>) {
    if (news.name !== undefined) row.name = news.name;
    if (news.phase !== undefined) row.phase = this.#same(news.phase) as Phase;
    if (news.wish !== undefined) row.wish = this.#same(news.wish) as Wish;
    if (news.why !== undefined) row.why = this.#same(news.why);
    if (news.error !== undefined) row.error = news.error;
    if (news.size !== undefined) row.size = news.size;
    if (news.wanted !== undefined) row.wanted = news.wanted;
    if (news.progress !== undefined) row.progress = news.progress;
    if (news.down_rate !== undefined) row.down = news.down_rate;
    if (news.up_rate !== undefined) row.up = news.up_rate;
    if (news.added !== undefined) row.added = news.added;
    if (news.category !== undefined) row.category = this.#same(news.category);
    if (news.tags !== undefined) row.tags = news.tags.length ? news.tags : NO_TAGS;
  }

  /** Takes torrents out of the list here; `false`: brings them back. */
  leave(ids: readonly number[], leaving = true) {
    const all = new Set(this.leaving);
    for (const id of ids) leaving ? all.add(id) : all.delete(id);
    this.leaving = all;
    this.version += 1;
  }

  /** Has torrents changed, all alike. */
  edit(ids: readonly number[], edit: object): Promise<void> {
    return ask<void>("POST", "/bulk", { ids, edit });
  }
}

export const store = new Store();
