// Server-Sent Events, read from a response as it comes. `EventSource` does not tell when nothing
// comes at all; here that is seen within seconds.

/** The daemon says each second that it is there; after this much silence it is not. */
const SILENCE = 2500;
const AGAIN = 1000;

export interface Listener {
  /** Where to go on; `null`: from the beginning. */
  since(): string | null;
  event(id: string, data: string): void;
  alive(): void;
  lost(status: number): void;
}

/** Listens until it is told to end, and begins again whenever the connection is lost. */
export function listen(path: string, listener: Listener): () => void {
  let ended = false;
  let abort = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE);
  };
  const once = async (): Promise<number> => {
    abort = new AbortController();
    watch();
    const since = listener.since();
    const from = since === null ? "" : `&since=${encodeURIComponent(since)}`;
    const response = await fetch(path + from, { signal: abort.signal });
    if (!response.ok || !response.body) return response.status;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let parts: string[] = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done || ended) return 0;
      watch();
      listener.alive();
      parts = take(parts, value, listener);
    }
  };
  const run = async () => {
    while (!ended) {
      const status = await once().catch(() => 0);
      clearTimeout(timer);
      if (ended) return;
      listener.lost(status);
      if (status === 401) return;
      await new Promise((wake) => setTimeout(wake, AGAIN));
    }
  };
  void run();
  return () => {
    ended = true;
    clearTimeout(timer);
    abort.abort();
  };
}

/** Takes a chunk; gives back what is not whole yet. */
function take(parts: string[], chunk: string, listener: Listener): string[] {
  const last = parts.at(-1) ?? "";
  // A long event comes in many chunks: they are joined once, at its end.
  if (!chunk.includes("\n\n") && !(last.endsWith("\n") && chunk.startsWith("\n"))) {
    return chunk === "" ? parts : [...parts, chunk];
  }
  const blocks = (parts.join("") + chunk).split("\n\n");
  const rest = blocks.pop() ?? "";
  for (const block of blocks) {
    let id = "";
    const data: string[] = [];
    for (const line of block.split("\n")) {
      if (line.startsWith("id: ")) id = line.slice(4);
      if (line.startsWith("data: ")) data.push(line.slice(6));
    }
    if (data.length > 0) listener.event(id, data.join("\n"));
  }
  return rest === "" ? [] : [rest];
}
