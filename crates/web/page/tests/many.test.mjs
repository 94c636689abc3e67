// Ten thousand torrents: what is asked for and drawn stays small, whatever the machine. Times are
// printed, and no reason to fail.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { leave, scene, tell, visit } from "./world.mjs";

const COUNT = Number(process.env.TORRENTS ?? 10_000);

/** The middle of some figures, and all of them. */
function middle(figures, unit) {
  const sorted = [...figures].sort((a, b) => a - b);
  const round = (it) => Math.round(it * 10) / 10;
  return `${round(sorted[sorted.length >> 1])} ${unit} (${sorted.map(round).join(", ")})`;
}

/** The time from going there to the first row on the screen. */
async function first(address) {
  const { page, context } = await visit(null);
  await context.addInitScript(() => {
    const look = () => {
      if (document.querySelector("[role=option]")) {
        requestAnimationFrame(() => setTimeout(() => (window.seen = performance.now())));
      } else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.goto(address);
  await page.waitForFunction(() => window.seen);
  const time = await page.evaluate(() => window.seen);
  await context.close();
  return time;
}

/** Bytes as they came over the wire, by request. */
async function traffic(page) {
  const wire = await page.context().newCDPSession(page);
  await wire.send("Network.enable");
  const bytes = new Map();
  const add = (id, count) => bytes.set(id, (bytes.get(id) ?? 0) + count);
  wire.on("Network.dataReceived", (it) => add(it.requestId, it.encodedDataLength));
  wire.on("Network.loadingFinished", (it) => bytes.set(it.requestId, it.encodedDataLength));
  return { bytes, sum: () => [...bytes.values()].reduce((a, b) => a + b, 0), wire };
}

describe(`${COUNT} torrents`, { concurrency: false }, () => {
  let daemon;
  let page;
  let seen;

  before(async () => {
    daemon = await scene(["--paused", COUNT]);
  });

  after(async () => {
    await leave();
    await daemon.stop();
  });

  it("the first rows come before all others are known", async () => {
    const times = [];
    for (let at = 0; at < 5; at += 1) times.push(await first(daemon.address));
    tell(`first row at ${COUNT}`, middle(times, "ms"));
    seen = await visit(null);
    page = seen.page;
    await page.goto(daemon.address);
    await page.getByText(`All ${COUNT.toLocaleString("en")}`).waitFor();
    const urls = seen.asked.map((it) => it.slice(daemon.address.length));
    assert.ok(urls.some((it) => it.includes("limit=100")), urls.join());
    assert.ok(urls.length <= 8, urls.join());
  });

  it("few elements are drawn, and the heap is small", async () => {
    const nodes = await page.evaluate(() => document.querySelectorAll("*").length);
    tell("elements", nodes);
    assert.ok(nodes <= 1500, `${nodes}`);
    const wire = await page.context().newCDPSession(page);
    for (let at = 0; at < 3; at += 1) await wire.send("HeapProfiler.collectGarbage");
    const { usedSize } = await wire.send("Runtime.getHeapUsage");
    tell("heap after collection", `${(usedSize / 1e6).toFixed(1)} MB`);
    assert.ok(usedSize < 10e6, `${usedSize}`);
  });

  it("scrolling draws rows wherever one looks", async () => {
    const frames = await page.evaluate(async () => {
      const list = document.getElementById("list");
      const frames = [];
      const gaps = [];
      const begin = performance.now();
      let last = begin;
      let asked = 0;
      await new Promise((done) => {
        const frame = (now) => {
          frames.push(now - last);
          last = now;
          if (now - begin > 5000) return done();
          list.scrollTop += 90;
          // What lies under the last pixel is a row.
          if ((asked += 1) % 30 === 0) {
            const box = list.getBoundingClientRect();
            for (const y of [box.top + 5, box.top + box.height / 2, box.bottom - 5]) {
              if (!document.elementFromPoint(box.left + 200, y)?.closest(".row")) gaps.push(now);
            }
          }
          requestAnimationFrame(frame);
        };
        requestAnimationFrame(frame);
      });
      return { frames: frames.slice(2).sort((a, b) => a - b), gaps: gaps.length };
    });
    const at = (part) => frames.frames[Math.floor(frames.frames.length * part)].toFixed(1);
    const worst = frames.frames.at(-1).toFixed(1);
    tell("frames of 5 s", `${frames.frames.length}, p95 ${at(0.95)} ms, worst ${worst} ms`);
    assert.equal(frames.gaps, 0);
  });

  it("search, filters and order answer, and a reload keeps them", async () => {
    const time = (act) =>
      page.evaluate(async (act) => {
        const begin = performance.now();
        new Function(act)();
        await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
        return performance.now() - begin;
      }, act);
    const type = (text) => `
      const field = document.getElementById("search");
      field.value = ${JSON.stringify(text)};
      field.dispatchEvent(new Event("input", { bubbles: true }));`;
    const times = [];
    for (const text of ["s", "su", "sur", "surv", "surve", "survey"]) {
      times.push(await time(type(text)));
    }
    tell("a keystroke in the search", middle(times, "ms"));
    const shown = Math.ceil((COUNT - 3) / 6);
    const size = () => page.locator("[role=option]").first().getAttribute("aria-setsize");
    assert.equal(await size(), String(shown));
    const sort = `
      const choice = document.querySelector(".sort select");
      choice.value = "name";
      choice.dispatchEvent(new Event("change", { bubbles: true }));`;
    tell("another order", `${(await time(sort)).toFixed(1)} ms`);
    await page.reload();
    await page.getByText(`All ${COUNT.toLocaleString("en")}`).waitFor();
    assert.equal(await size(), String(shown));
    assert.equal(await page.locator(".sort select").inputValue(), "name");
    const top = page.locator("[role=option][aria-posinset='1'] .name");
    assert.equal(await top.textContent(), "survey 00003 of the high valleys, second series.tar");
  });

  it("at rest almost nothing is said", async () => {
    await page.goto(daemon.address);
    const { page: other, context } = await visit(null);
    const { sum, wire } = await traffic(other);
    await other.goto(daemon.address);
    await other.getByText(`All ${COUNT.toLocaleString("en")}`).waitFor();
    await other.waitForTimeout(3000);
    const before = sum();
    await wire.send("Performance.enable");
    const busy = async () => {
      const { metrics } = await wire.send("Performance.getMetrics");
      return metrics.find((it) => it.name === "TaskDuration").value;
    };
    const from = await busy();
    await other.waitForTimeout(20_000);
    const bytes = (sum() - before) * 3;
    tell("traffic at rest", `${bytes} bytes a minute`);
    tell("main thread at rest", `${((((await busy()) - from) / 20) * 100).toFixed(2)} % busy`);
    assert.ok(bytes <= 1000, `${bytes}`);
    await context.close();
  });
});

describe("five torrents", { concurrency: false }, () => {
  after(leave);

  it("the first load is small, and so is a minute of downloading", async (test) => {
    const daemon = await scene(["--seed", 60_000_000, "--rate", 400_000]);
    test.after(() => daemon.stop());
    await daemon.ask("POST", "/torrents", { link: daemon.magnet });
    const times = [];
    for (let at = 0; at < 5; at += 1) times.push(await first(daemon.address));
    tell("first row at 1", middle(times, "ms"));
    const { page, asked } = await visit(null);
    const { sum } = await traffic(page);
    await page.goto(daemon.address);
    await page.getByRole("option").filter({ hasText: "The climb" }).locator(".speed", { hasText: /B\/s/ }).waitFor();
    const load = sum();
    tell("first load", `${(load / 1000).toFixed(1)} KB in ${asked.length} requests`);
    assert.ok(load <= 90_000, `${load}`);
    assert.ok(asked.length <= 8, asked.join());
    const before = sum();
    await page.evaluate(() => {
      window.shifts = [];
      const place = (it) => `${it.node?.textContent} ${it.previousRect.x} to ${it.currentRect.x}`;
      const watch = new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifts.push(...entry.sources.map(place));
      });
      watch.observe({ type: "layout-shift" });
    });
    await page.waitForTimeout(40_000);
    const bytes = (sum() - before) * 1.5;
    tell("traffic of a download", `${bytes} bytes a minute`);
    assert.ok(bytes <= 10_000, `${bytes}`);
    assert.deepEqual(await page.evaluate(() => window.shifts), []);
  });
});
