// The daemon stops answering, dies, comes back: the page says so, and goes on by itself.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { leave, row, scene, torrent, visit } from "./world.mjs";

describe("a connection that is lost", { concurrency: false }, () => {
  let daemon;
  let page;
  const bar = () => page.getByText(/^Not connected, last seen \d+:\d+.*; trying again$/);
  const soon = { timeout: 15_000 };

  before(async () => {
    daemon = await scene();
    await daemon.ask("POST", "/torrents", { torrent: torrent("a map"), wish: "paused" });
    ({ page } = await visit(daemon.address));
    await row(page, "a map").waitFor();
  });

  after(async () => {
    await leave();
    await daemon.stop();
  });

  it("is told in a quiet bar while the daemon is silent, and forgotten when it speaks", async () => {
    daemon.child.kill("SIGSTOP");
    await bar().waitFor(soon);
    assert.equal(await page.getByRole("dialog").count(), 0);
    await row(page, "a map").waitFor();
    daemon.child.kill("SIGCONT");
    await bar().waitFor({ state: "detached", ...soon });
  });

  it("is made anew after the daemon was killed and started again", async () => {
    const port = new URL(daemon.address).port;
    await daemon.kill();
    await bar().waitFor(soon);
    daemon = await scene(["--http", port], daemon.folder);
    await bar().waitFor({ state: "detached", ...soon });
    await daemon.ask("POST", "/torrents", { torrent: torrent("another map"), wish: "paused" });
    await row(page, "another map").waitFor(soon);
  });

  it("a page that is hidden hears nothing, and goes on from where it was", async () => {
    const streams = [];
    page.on("request", (it) => it.url().includes("/events") && streams.push(it.url()));
    const show = (state) =>
      page.evaluate((state) => {
        Object.defineProperty(document, "visibilityState", { get: () => state, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
      }, state);
    const ended = page.waitForEvent("requestfailed", (it) => it.url().includes("/events"));
    await show("hidden");
    await ended;
    await daemon.ask("POST", "/torrents", { torrent: torrent("a third map"), wish: "paused" });
    const news = page.waitForResponse((it) => it.url().includes("/events"));
    await show("visible");
    await news;
    await row(page, "a third map").waitFor(soon);
    assert.equal(streams.length, 1);
    assert.match(streams[0], /since=[0-9a-f]+-[0-9a-f]+$/);
  });
});
