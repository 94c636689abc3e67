// What the API gives, as far as the page uses it. `/api/v1/openapi.json` is the whole of it.

export type Phase =
  | "error"
  | "moving"
  | "finding"
  | "checking"
  | "downloading"
  | "seeding"
  | "queued"
  | "done"
  | "paused";

export type Wish = "paused" | "queued" | "forced";
export type Goal = "global" | "none" | { own: number };

/** A torrent with all its fields. Bytes, bytes a second, seconds; times since 1970. */
export interface View {
  id: number;
  hash: string;
  name: string;
  phase: Phase;
  wish: Wish;
  why: string;
  error: string | null;
  size: number;
  wanted: number;
  left: number;
  progress: number;
  down_rate: number;
  up_rate: number;
  downloaded: number;
  uploaded: number;
  wasted: number;
  ratio: number;
  eta: number | null;
  peers: number;
  seeds: number;
  sending: number;
  receiving: number;
  swarm_seeds: number | null;
  swarm_peers: number | null;
  added: number;
  done: number | null;
  active: number | null;
  downloading_time: number;
  seeding_time: number;
  dir: string;
  path: string;
  category: string;
  tags: string[];
  place: number;
  goals: { ratio: Goal; seeding: Goal; idle: Goal };
  reached: boolean;
  down: number | null;
  up: number | null;
  sequential: boolean;
  private: boolean;
  files: number;
  pieces: number;
  have: number;
  piece_length: number;
}

export interface FileView {
  index: number;
  path: string;
  size: number;
  have: number;
  priority: number;
}

export interface PeerView {
  address: string;
  client: string;
  source: string;
  progress: number;
  down_rate: number;
  up_rate: number;
  downloaded: number;
  uploaded: number;
  choking_us: boolean;
  choked: boolean;
  interested: boolean;
}

export interface TrackerView {
  url: string;
  tier: number;
  state: string;
  message: string;
  peers: number;
  seeds: number | null;
  leeches: number | null;
  next: number | null;
}

export interface Pieces {
  count: number;
  have: string;
}

export interface Settings {
  downloads: string;
  down: number | null;
  up: number | null;
  alternative: { on: boolean; down: number | null; up: number | null };
  queue: { downloads: number | null; seeds: number | null; active: number | null };
  ratio: number | null;
  seeding: number | null;
  idle: number | null;
  add_paused: boolean;
  categories: Record<string, string | null>;
  tags: string[];
}

export interface Stats {
  free: number | null;
  dht_nodes: number;
}

/** A list, or what changed in it. */
export interface Changes {
  cursor?: string;
  full?: boolean;
  torrents: (Partial<View> & { id: number })[];
  removed?: number[];
}
