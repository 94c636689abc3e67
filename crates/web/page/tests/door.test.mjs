// Who may come in, what others may not do, and what names from strangers may not.

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { leave, row, scene, torrent, tracker, visit } from "./world.mjs";

/** A daemon for one test. */
async function started(test, args) {
  const daemon = await scene(args);
  test.after(() => daemon.stop());
  return daemon;
}

describe("the door", { concurrency: false }, () => {
  after(leave);

  it("whoever has a password logs in, and stays so over a reload", async (test) => {
    const daemon = await started(test, ["--password", "steep and stony"]);
    const { page, faults } = await visit(daemon.address);
    await page.getByLabel("Name").fill("me");
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("Name or password is wrong.").waitFor();
    assert.equal(await page.getByRole("listbox").count(), 0);
    await page.getByLabel("Password").fill("steep and stony");
    await page.keyboard.press("Enter");
    await page.getByText("Drop a .torrent here").waitFor();
    await page.reload();
    await page.getByText("Drop a .torrent here").waitFor();
    await page.context().clearCookies();
    await page.reload();
    await page.getByLabel("Password").waitFor();
    assert.deepEqual(faults, []);
  });

  it("names and a tracker's words are text, whatever stands in them", async (test) => {
    const hostile = '<img src=x onerror="document.title=1"><b>{@html 3}';
    const refusing = await tracker(hostile);
    test.after(() => refusing.stop());
    const daemon = await started(test);
    const given = torrent(hostile, { announce: refusing.url });
    const { id } = await daemon.ask("POST", "/torrents", { torrent: given });
    await daemon.ask("PATCH", `/torrents/${id}`, { name: hostile });
    const { page, faults, asked } = await visit(daemon.address);
    await row(page, "onerror").click();
    await page.getByRole("heading", { name: hostile }).waitFor();
    await page.getByRole("tab", { name: "Trackers" }).click();
    await page.locator(".trackers").getByText("onerror").waitFor();
    assert.equal(await page.locator("img, b, body script").count(), 0);
    assert.ok(!asked.some((it) => it.endsWith("/x")));
    assert.match(await page.title(), /^<img/);
    assert.deepEqual(faults, []);
  });

  it("the page comes with a strict policy, is kept for ever by name and never by address", async (test) => {
    const daemon = await started(test);
    const index = await fetch(`${daemon.address}/torrent/1`);
    const policy = index.headers.get("content-security-policy");
    assert.match(policy, /default-src 'self'/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.ok(!policy.includes("unsafe"));
    assert.equal(index.headers.get("x-content-type-options"), "nosniff");
    assert.equal(index.headers.get("referrer-policy"), "no-referrer");
    assert.equal(index.headers.get("cache-control"), "no-cache");
    const text = await index.text();
    assert.ok(!/<script>|<style|style=/.test(text), "nothing inline");
    const [, script] = /src="(\/assets\/[^"]+)"/.exec(text);
    const file = await fetch(daemon.address + script, { headers: { "accept-encoding": "gzip" } });
    assert.match(file.headers.get("cache-control"), /immutable/);
    assert.equal(file.headers.get("content-encoding"), "gzip");
    const again = { "if-none-match": file.headers.get("etag") };
    assert.equal((await fetch(daemon.address + script, { headers: again })).status, 304);
    assert.equal((await fetch(`${daemon.address}/../../etc/passwd.txt`)).status, 404);
  });
});
