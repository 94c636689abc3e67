// What is being done: which torrents are chosen, which dialog is open, what is said at the foot.

import { ask, post, words } from "./api";
import { store } from "./store.svelte";

/** For how long one can take back what was removed. */
const UNDO = 10_000;

interface Note {
  text: string;
  undo?: () => void;
}

class Work {
  chosen = $state.raw<ReadonlySet<number>>(new Set());
  dialog = $state<"add" | "remove" | "limit" | "keys" | null>(null);
  note = $state.raw<Note | null>(null);
  /** What was dropped or pasted, for the dialog that adds. */
  given = $state.raw<{ files: File[]; text: string }>({ files: [], text: "" });
  /** The torrents that a dialog is about. */
  about = $state.raw<readonly number[]>([]);

  #timer: ReturnType<typeof setTimeout> | undefined;
  #going: readonly number[] = [];

  constructor() {
    // What was to be removed is removed, also when the page goes before its time.
    addEventListener("pagehide", () => this.#goNow({ keepalive: true }));
  }

  choose(ids: Iterable<number>) {
    this.chosen = new Set(ids);
  }

  toggle(id: number) {
    const all = new Set(this.chosen);
    if (!all.delete(id)) all.add(id);
    this.chosen = all;
  }

  open(dialog: "remove" | "limit", about: Iterable<number>) {
    this.about = [...about];
    if (this.about.length > 0) this.dialog = dialog;
  }

  add(files: File[] = [], text = "") {
    this.given = { files, text };
    this.dialog = "add";
  }

  say(text: string, undo?: () => void) {
    clearTimeout(this.#timer);
    this.note = undo ? { text, undo } : { text };
    this.#timer = setTimeout(() => (this.note = null), UNDO);
  }

  /** Does something, and says when it did not work. */
  async attempt(act: Promise<unknown>) {
    await act.catch((error: unknown) => this.say(words(error)));
  }

  wish(ids: Iterable<number>, wish: "paused" | "queued" | "forced") {
    void this.attempt(store.edit([...ids], { wish }));
  }

  announce(ids: Iterable<number>) {
    void this.attempt(post("/bulk", { ids: [...ids], announce: true }));
  }

  check(ids: Iterable<number>) {
    void this.attempt(post("/bulk", { ids: [...ids], check: true }));
  }

  /** Takes torrents out of the list; for a while that can be taken back. */
  remove(ids: readonly number[], text: string) {
    this.#goNow();
    this.#going = ids;
    store.leave(ids);
    const left = new Set(this.chosen);
    ids.forEach((id) => left.delete(id));
    this.chosen = left;
    const timer = setTimeout(() => this.#goNow(), UNDO);
    this.say(text, () => {
      clearTimeout(timer);
      this.#going = [];
      store.leave(ids, false);
      this.note = null;
    });
  }

  #goNow(more?: RequestInit) {
    const ids = this.#going;
    if (ids.length === 0) return;
    this.#going = [];
    const gone = ask("POST", "/bulk", { ids, remove: true }, more);
    // What could not be removed is shown again.
    void this.attempt(gone).then(() => store.leave(ids, false));
  }
}

export const work = new Work();
