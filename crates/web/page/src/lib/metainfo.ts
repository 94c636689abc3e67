// What a torrent file holds, read before it is sent, so that its files can be chosen. The daemon
// reads it again, and more strictly.

import type { Leaf } from "./tree";

export interface Metainfo {
  name: string;
  size: number;
  /** Without padding; each with its index, padding counted. */
  files: Leaf[];
  /** Padding counted. */
  count: number;
}

/** The largest file that is read. */
const BYTES_MAX = 64 << 20;
const DEPTH_MAX = 100;

type Value = number | Uint8Array | Value[] | Map<string, Value>;

/** @throws in words, when it is none. */
export function parse(bytes: Uint8Array): Metainfo {
  if (bytes.length > BYTES_MAX) throw new Error("This is too large for a torrent file.");
  const top = decode(bytes);
  const info = top instanceof Map ? top.get("info") : undefined;
  if (!(info instanceof Map)) throw new Error("This is not a torrent file.");
  const name = text(info.get("name"));
  const found: { parts: string[]; size: number; pad: boolean }[] = [];
  const files = info.get("files");
  if (Array.isArray(files)) {
    for (const file of files) {
      if (!(file instanceof Map)) throw new Error("This torrent file is broken.");
      const path = file.get("path");
      const pad = text(file.get("attr")).includes("p");
      const parts = Array.isArray(path) ? path.map(text) : [];
      found.push({ parts, size: number(file.get("length")), pad });
    }
  } else if (info.has("length")) {
    found.push({ parts: [name], size: number(info.get("length")), pad: false });
  } else {
    throw new Error("This torrent file holds no files.");
  }
  const leaves = found.map(({ parts, size }, index) => {
    return { index, path: parts.join("/"), size, priority: 2 };
  });
  const kept = leaves.filter((leaf) => !found[leaf.index]!.pad);
  const size = kept.reduce((sum, leaf) => sum + leaf.size, 0);
  return { name, size, files: kept, count: found.length };
}

const letters = new TextDecoder();
const text = (value: Value | undefined) =>
  value instanceof Uint8Array ? letters.decode(value) : "";
const number = (value: Value | undefined) => (typeof value === "number" ? value : 0);

/** Bencode (BEP 3). */
function decode(bytes: Uint8Array): Value {
  let at = 0;
  const fail = (): never => {
    throw new Error("This is not a torrent file.");
  };
  const until = (end: number): number => {
    const from = at;
    while (at < bytes.length && bytes[at] !== end && at - from < 20) at += 1;
    if (bytes[at] !== end) fail();
    const digits = letters.decode(bytes.subarray(from, at));
    at += 1;
    return /^-?\d+$/.test(digits) ? Number(digits) : fail();
  };
  const string = (): Uint8Array => {
    const length = until(0x3a);
    if (length < 0 || at + length > bytes.length) fail();
    at += length;
    return bytes.subarray(at - length, at);
  };
  const value = (depth: number): Value => {
    const kind = bytes[at];
    if (kind === undefined || depth > DEPTH_MAX) return fail();
    if (kind >= 0x30 && kind <= 0x39) return string();
    at += 1;
    if (kind === 0x69) return until(0x65);
    if (kind === 0x6c) {
      const list: Value[] = [];
      while (bytes[at] !== 0x65) list.push(value(depth + 1));
      at += 1;
      return list;
    }
    if (kind !== 0x64) return fail();
    const map = new Map<string, Value>();
    while (bytes[at] !== 0x65) map.set(letters.decode(string()), value(depth + 1));
    at += 1;
    return map;
  };
  return value(0);
}
