// What is said of a torrent: the words of the daemon, and where it has none, of its phase.

import { sentence } from "./api";
import type { Phase } from "./types";
import { span } from "./units";

const PHASES: Record<Phase, string> = {
  error: "Needs you",
  moving: "Moving to another folder",
  finding: "Looking for its file list",
  checking: "Checking what is on the disk",
  downloading: "Downloading",
  seeding: "Seeding",
  queued: "Waiting for its turn",
  done: "Done",
  paused: "Paused",
};

interface Told {
  phase: Phase;
  why: string;
  error: string | null;
}

/** Why it does what it does. */
export function why(torrent: Told): string {
  if (torrent.phase === "error") return sentence(torrent.error ?? (torrent.why || "needs you"));
  const words = torrent.why || PHASES[torrent.phase];
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** How much somebody should look at it: `bad` needs its user, `slow` does less than it could. */
export function tone(torrent: Told & { down: number }): "bad" | "slow" | "" {
  if (torrent.phase === "error") return "bad";
  const wants = torrent.phase === "downloading" || torrent.phase === "finding";
  return wants && torrent.down === 0 ? "slow" : "";
}

/** What would help, in one word: at most one thing. */
export function remedy(torrent: Told): { words: string; act: "resume" | "ask" } | null {
  switch (torrent.phase) {
    case "error":
      return { words: "Try again", act: "resume" };
    case "paused":
      return { words: "Resume", act: "resume" };
    case "downloading":
    case "finding":
      return { words: "Ask trackers now", act: "ask" };
    default:
      return null;
  }
}

/** About how long it takes; nothing when it does not go. */
export function left(torrent: { wanted: number; progress: number; down: number }): string {
  const bytes = torrent.wanted * (1 - torrent.progress);
  return torrent.down > 0 && bytes > 0 ? span(bytes / torrent.down) : "";
}
