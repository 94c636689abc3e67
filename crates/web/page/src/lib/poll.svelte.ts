// What is asked again and again while somebody looks at it, and not longer.

import { get } from "./api";

/** The newest answer of `path`, asked for every `every` ms as long as the component is there. */
export function poll<T>(path: () => string, every: number): { value: T | null; now(): void } {
  let value = $state.raw<T | null>(null);
  let again: () => void = () => {};
  $effect(() => {
    const from = path();
    let ended = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const once = async () => {
      clearTimeout(timer);
      if (document.visibilityState === "visible") {
        const news = await get<T>(from).catch(() => null);
        if (ended) return;
        value = news ?? value;
      }
      timer = setTimeout(once, every);
    };
    again = () => void once();
    void once();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  });
  return {
    get value() {
      return value;
    },
    now: () => again(),
  };
}
