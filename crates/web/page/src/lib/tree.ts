// Files as folders hold them.

import type { FileView } from "./types";

export interface Leaf {
  index: number;
  path: string;
  size: number;
  /** `undefined`: not known here. */
  have?: number;
  priority: number;
}

export interface Node {
  name: string;
  /** The file, when it is one. */
  leaf: Leaf | null;
  nodes: Node[];
  size: number;
  have: number;
  /** All files in it. */
  leaves: Leaf[];
}

/** A folder with everything in it; folders stand before files, both by name. */
export function tree(files: readonly (Leaf | FileView)[]): Node {
  const top = node("");
  for (const file of files) {
    let here = top;
    const parts = file.path.split("/");
    parts.forEach((part, at) => {
      count(here, file);
      const last = at === parts.length - 1;
      let next = here.nodes.find((it) => it.name === part && (it.leaf === null) !== last);
      if (!next) here.nodes.push((next = node(part)));
      here = next;
    });
    here.leaf = file;
    count(here, file);
  }
  sort(top);
  return top;
}

function node(name: string): Node {
  return { name, leaf: null, nodes: [], size: 0, have: 0, leaves: [] };
}

function count(folder: Node, file: Leaf) {
  folder.size += file.size;
  folder.have += file.have ?? 0;
  folder.leaves.push(file);
}

const collator = new Intl.Collator(undefined, { numeric: true });

function sort(folder: Node) {
  const rank = (it: Node) => (it.leaf ? 1 : 0);
  folder.nodes.sort((a, b) => rank(a) - rank(b) || collator.compare(a.name, b.name));
  folder.nodes.forEach(sort);
}
