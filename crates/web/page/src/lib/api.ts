// Asking the daemon. What goes wrong is a `Problem` with words for people.

const BASE = "/api/v1";

/** What went wrong; status 0: nobody answered. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    detail: string,
  ) {
    super(detail);
  }
}

/** Who is told that one has to log in. */
export const door = { closed: () => {} };

export async function ask<T>(
  method: string,
  path: string,
  body?: unknown,
  more?: RequestInit,
): Promise<T> {
  const init: RequestInit = { method, ...more };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "content-type": "application/json" };
  }
  let response: Response;
  try {
    response = await fetch(BASE + path, init);
  } catch {
    throw new Problem(0, "The daemon does not answer.");
  }
  if (response.ok) {
    return response.status === 204 ? (undefined as T) : await response.json();
  }
  const problem = await response.json().catch(() => ({}));
  if (response.status === 401 && path !== "/session") door.closed();
  throw new Problem(response.status, sentence(problem.detail ?? `It says ${response.status}.`));
}

export const get = <T>(path: string) => ask<T>("GET", path);
export const post = <T>(path: string, body: unknown = {}) => ask<T>("POST", path, body);
export const patch = (path: string, body: unknown) => ask<void>("PATCH", path, body);

/** Begins with a capital and ends with a full stop. */
export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}

/** The words of whatever was thrown. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
