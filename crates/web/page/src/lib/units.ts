// Sizes, rates and times for people: the same words as the command line's. Sizes are decimal, with
// three significant digits.

const STEPS = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

/** Three significant digits, and their unit. */
function scaled(bytes: number): [string, string] {
  if (bytes < 1000) return [String(Math.max(0, Math.round(bytes))), "B"];
  let step = 0;
  let value = bytes;
  // 999.5 would be rounded to four digits.
  while (value >= 999.5 && step < STEPS.length - 1) {
    value /= 1000;
    step += 1;
  }
  const decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return [value.toFixed(decimals), STEPS[step] ?? ""];
}

/** A size for a sentence: `400 MB`, `1.5 kB`. */
export function size(bytes: number): string {
  const [number, unit] = scaled(bytes);
  const trimmed = number.includes(".") ? number.replace(/\.?0+$/, "") : number;
  return `${trimmed} ${unit}`;
}

/** A size for a column: always three digits from 1 kB on, so that figures do not dance. */
export function steady(bytes: number): string {
  return scaled(bytes).join(" ");
}

/** A rate for a column; nothing moves, nothing is shown. */
export function rate(bytes: number): string {
  return bytes > 0 ? `${steady(bytes)}/s` : "";
}

/** A part of the whole, never rounded up to a whole that it is not. */
export function percent(part: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, part)) * 100 + 1e-9)} %`;
}

/** The same for a column: as wide with one digit as with two. */
export function steadyPercent(part: number): string {
  return percent(part).padStart(4, "\u2007");
}

/** About how long: one unit, rounded; nothing when it is so long that it is no answer. */
export function span(seconds: number): string {
  if (seconds < 55) return `${(Math.floor(seconds / 5) + 1) * 5} s`;
  if (seconds < 3570) return `${Math.round(seconds / 60)} min`;
  if (seconds < 170_000) return `${Math.round(seconds / 3600)} h`;
  if (seconds < 8_640_000) return `${Math.round(seconds / 86_400)} days`;
  return "";
}

/** How long ago, in words. */
export function ago(at: number, now = Date.now() / 1000): string {
  const passed = now - at;
  if (passed < 60) return "just now";
  return passed < 8_640_000 ? `${span(passed)} ago` : new Date(at * 1000).toLocaleDateString();
}

/** A moment, exactly. */
export function moment(at: number): string {
  return new Date(at * 1000).toLocaleString(undefined, {
    dateStyle: "medium",
    timeStyle: "medium",
  });
}

/** A number and what it counts. */
export function count(number: number, one: string, many: string): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** A size that somebody typed, with its unit: `2 MB`, `500k`, `1.5 MiB/s`. Empty: `null`. What is
 * none: `undefined`. */
export function parseSize(text: string): number | null | undefined {
  const match = /^(?:(\d+(?:\.\d+)?)\s*([kmgt])(i?)b?(?:\/s)?)?$/i.exec(text.trim());
  if (!match) return undefined;
  if (match[1] === undefined) return null;
  const power = "kmgt".indexOf(match[2]!.toLowerCase()) + 1;
  return Math.round(Number(match[1]) * (match[3] ? 1024 : 1000) ** power);
}

/** A rate as one types it. */
export function typedRate(bytes: number | null): string {
  return bytes === null ? "" : `${size(bytes)}/s`;
}
