// How fast it went lately: gathered here, second by second, for the graphs.

import type { Row } from "./store.svelte";

/** Seconds that are kept. */
export const KEPT = 600;
/** Torrents of which they are kept, those that moved something last. */
const TORRENTS = 100;

/** Bytes a second, one value a second; the last one is that of `end`. */
export class Line {
  readonly down = new Float32Array(KEPT);
  readonly up = new Float32Array(KEPT);
  #end = second();

  put(down: number, up: number) {
    this.#go();
    this.down[this.#end % KEPT] = down;
    this.up[this.#end % KEPT] = up;
  }

  /** The last values, oldest first. */
  last(seconds: number, of: "down" | "up"): number[] {
    this.#go();
    const from = this.#end - seconds + 1;
    return Array.from({ length: seconds }, (_, at) => this[of][(from + at) % KEPT] ?? 0);
  }

  /** What nobody told was as before. */
  #go() {
    const now = second();
    const [down, up] = [this.down[this.#end % KEPT]!, this.up[this.#end % KEPT]!];
    for (let at = Math.max(this.#end + 1, now - KEPT + 1); at <= now; at += 1) {
      this.down[at % KEPT] = down;
      this.up[at % KEPT] = up;
    }
    this.#end = Math.max(now, this.#end);
  }
}

const second = () => Math.floor(Date.now() / 1000);

export class Rates {
  readonly total = new Line();
  readonly #lines = new Map<number, Line>();
  down = 0;
  up = 0;

  /** Takes over how fast all torrents are now. */
  beat(rows: Iterable<Row>) {
    let [down, up] = [0, 0];
    for (const row of rows) {
      down += row.down;
      up += row.up;
      const moves = row.down + row.up > 0;
      if (moves || this.#lines.has(row.id)) this.#put(row, moves);
    }
    this.total.put(down, up);
    [this.down, this.up] = [down, up];
  }

  of(id: number): Line | undefined {
    return this.#lines.get(id);
  }

  forget(id: number) {
    this.#lines.delete(id);
  }

  #put(row: Row, moves: boolean) {
    let line = this.#lines.get(row.id);
    if (!line) {
      const oldest = this.#lines.keys().next();
      if (this.#lines.size >= TORRENTS && !oldest.done) this.#lines.delete(oldest.value);
      line = new Line();
    } else if (moves) {
      this.#lines.delete(row.id);
    }
    if (!this.#lines.has(row.id)) this.#lines.set(row.id, line);
    line.put(row.down, row.up);
  }
}
