// Everybody can use it: by keyboard alone, on a phone, in light and dark, with a screen reader.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { drop, escape, leave, row, scene, torrent, tracker, visit } from "./world.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Rules that the page breaks, and where. */
async function broken(page) {
  // Colours that are on their way to others are no colours yet.
  await page.evaluate(() =>
    Promise.allSettled(document.getAnimations().map((it) => it.finished)),
  );
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  return violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" | ")}`);
}

describe("everybody", { concurrency: false }, () => {
  let daemon;
  let refusing;

  before(async () => {
    refusing = await tracker("You have exceeded your hourly quota.");
    daemon = await scene(["--seed", 12_000_000, "--rate", 200_000, "--paused", 30]);
    const refused = torrent("a survey that is refused", { announce: refusing.url });
    await daemon.ask("POST", "/torrents", { torrent: refused });
    await daemon.ask("POST", "/torrents", { torrent: torrent("a map that nobody has") });
    await daemon.ask("POST", "/torrents", { link: daemon.magnet });
    await daemon.ask("POST", "/categories", { name: "maps" });
  });

  after(async () => {
    await leave();
    refusing.stop();
    await daemon.stop();
  });

  for (const colorScheme of ["light", "dark"]) {
    it(`no rule of accessibility is broken in ${colorScheme}`, async () => {
      const options = { colorScheme, bypassCSP: true };
      const { page, faults } = await visit(daemon.address, options);
      await row(page, "The climb").locator(".speed", { hasText: /B\/s/ }).waitFor();
      assert.deepEqual(await broken(page), [], "list");
      await row(page, "The climb").locator(".pick").click();
      assert.deepEqual(await broken(page), [], "actions");
      await row(page, "The climb").click();
      for (const tab of ["Overview", "Files", "Peers", "Trackers", "All facts"]) {
        await page.getByRole("tab", { name: tab }).click();
        await page.locator("#panel > *").first().waitFor();
        assert.deepEqual(await broken(page), [], tab);
      }
      await row(page, "a survey that is refused").click();
      await page.getByRole("tab", { name: "Trackers" }).click();
      await page.locator(".trackers").getByText("hourly quota").waitFor();
      assert.deepEqual(await broken(page), [], "a tracker that refuses");
      const base64 = readFileSync(daemon.torrent).toString("base64");
      await drop(page, [{ name: "seed.torrent", base64 }]);
      await page.getByText("notes.txt").last().waitFor();
      await page.getByText("More").last().click();
      assert.deepEqual(await broken(page), [], "add");
      await escape(page);
      await page.locator(".details").getByRole("button", { name: "Remove" }).click();
      assert.deepEqual(await broken(page), [], "remove");
      await escape(page);
      await page.goto(`${daemon.address}/settings`);
      await page.getByLabel("Downloads go to").waitFor();
      assert.deepEqual(await broken(page), [], "settings");
      assert.deepEqual(faults, []);
      await page.context().close();
    });
  }

  it("the first picture is dark where the system is, and light where it is light", async () => {
    for (const [colorScheme, dark] of [["dark", true], ["light", false]]) {
      const { page } = await visit(daemon.address, { colorScheme });
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      const [red] = ground.match(/\d+/g).map(Number);
      assert.equal(red < 60, dark, ground);
      await page.context().close();
    }
  });

  it("nothing moves for those who do not want it", async () => {
    const { page } = await visit(daemon.address, { reducedMotion: "reduce" });
    await row(page, "The climb").waitFor();
    const times = await page.evaluate(() =>
      [...document.querySelectorAll("*")].map((it) => getComputedStyle(it).transitionDuration),
    );
    assert.deepEqual([...new Set(times)], ["0s"]);
    await page.context().close();
  });

  it("a mouse is not needed: add, choose files, pause, limit, find, remove", async () => {
    const { page, faults } = await visit(daemon.address);
    const keys = page.keyboard;
    const focused = () => page.evaluate(() => document.activeElement.id);
    await row(page, "The climb").waitFor();
    await keys.press("?");
    await page.getByRole("dialog", { name: "Keys" }).waitFor();
    await keys.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await keys.press("a");
    await page.getByRole("dialog", { name: "Add torrents" }).waitFor();
    assert.equal(await focused(), "what");
    await keys.type(`magnet:?xt=urn:btih:${"12".repeat(20)}&dn=typed`);
    await keys.press("Enter");
    await row(page, "typed").waitFor();
    await keys.press("/");
    assert.equal(await focused(), "search");
    await keys.type("climb");
    await row(page, "typed").waitFor({ state: "detached" });
    assert.match(page.url(), /q=climb/);
    await keys.press("Enter");
    assert.equal(await focused(), "list");
    await keys.press("ArrowDown");
    await keys.press("Enter");
    await page.getByRole("heading", { name: "The climb" }).waitFor();
    await page.getByRole("tab", { name: "Overview" }).focus();
    await keys.press("ArrowRight");
    assert.equal(await focused(), "tab-files");
    await page.getByLabel("Want notes.txt").focus();
    await keys.press("3");
    await page.waitForFunction(() => {
      return document.querySelector("select[aria-label='Priority of notes.txt']").value === "3";
    });
    await keys.press("Escape");
    assert.equal(await focused(), "list");
    await keys.press("l");
    await page.getByRole("dialog", { name: /^Limit/ }).waitFor();
    await page.getByLabel("Upload, at most").focus();
    await keys.type("50 kB/s");
    await keys.press("Enter");
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await keys.press("p");
    await row(page, "The climb").getByText("Paused").waitFor();
    const torrents = (await daemon.ask("GET", "/torrents")).torrents;
    assert.equal(torrents.find((it) => it.name === "The climb").up, 50_000);
    await keys.press("p");
    await page.evaluate(() => document.activeElement.blur());
    await keys.press("/");
    await keys.press("Control+a");
    await keys.type("typed");
    await keys.press("Enter");
    await keys.press("ArrowDown");
    await keys.press("Delete");
    await page.getByRole("dialog", { name: "Remove from the list?" }).waitFor();
    await page.getByRole("button", { name: "Remove from list" }).focus();
    await keys.press("Enter");
    await row(page, "typed").waitFor({ state: "detached" });
    assert.deepEqual(faults, []);
    await page.context().close();
  });

  it("the list is one stop of Tab, and Esc comes back to the same place in it", async () => {
    const options = { viewport: { width: 900, height: 500 } };
    const { page } = await visit(daemon.address, options);
    await row(page, "The climb").waitFor();
    await page.getByLabel("Search torrents").focus();
    const stops = [];
    for (let at = 0; at < 14 && stops.at(-1) !== "list"; at += 1) {
      await page.keyboard.press("Tab");
      stops.push(await page.evaluate(() => document.activeElement.id));
      const ring = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
      assert.equal(ring, "solid", `stop ${at}`);
    }
    assert.equal(stops.filter((it) => it === "list").length, 1, stops.join());
    await page.keyboard.press("End");
    for (let at = 0; at < 5; at += 1) await page.keyboard.press("ArrowUp");
    const where = () =>
      page.evaluate(() => {
        const list = document.getElementById("list");
        return [list.scrollTop, list.getAttribute("aria-activedescendant")].join();
      });
    const before = await where();
    await page.keyboard.press("Enter");
    await page.getByRole("tab", { name: "Files" }).waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("tab", { name: "Files" }).waitFor({ state: "detached" });
    assert.equal(await where(), before);
    assert.equal(await page.evaluate(() => document.activeElement.id), "list");
    await page.context().close();
  });

  it("a phone shows enough, nothing slides, and back goes back", async () => {
    const options = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
    const { page, faults } = await visit(daemon.address, options);
    await row(page, "The climb").waitFor();
    const slides = () => page.evaluate(() => document.documentElement.scrollWidth);
    const whole = await page.evaluate(() => {
      const inside = (box) => box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
      const rows = [...document.querySelectorAll("[role=option]")];
      return rows.filter((row) => {
        const parts = [row, ...row.querySelectorAll(".name, .why, .percent, .speed")];
        return parts.every((it) => inside(it.getBoundingClientRect()));
      }).length;
    });
    assert.ok(whole >= 7, `${whole} rows`);
    /** Touch targets that are too small. */
    const small = () =>
      page.evaluate(() => {
        const all = document.querySelectorAll("button, select, input:not([type=checkbox]), .row");
        const boxes = [...all].filter((it) => it.checkVisibility() && !it.closest("[inert]"));
        const least = (it) => (it.matches(".link, .tree *, .choose input") ? 24 : 44);
        return boxes
          .filter((it) => it.getBoundingClientRect().height < least(it))
          .map((it) => it.outerHTML.slice(0, 80));
      });
    assert.deepEqual(await small(), []);
    assert.equal(await slides(), 390);
    await row(page, "The climb").tap();
    await page.getByRole("heading", { name: "The climb" }).waitFor();
    for (const tab of ["Files", "Peers", "Trackers", "All facts", "Overview"]) {
      await page.getByRole("tab", { name: tab }).tap();
      await page.locator("#panel > *").first().waitFor();
      assert.equal(await slides(), 390, tab);
      const panel = await page.locator(".about").evaluate((it) => it.scrollWidth - it.clientWidth);
      assert.equal(panel, 0, tab);
    }
    assert.deepEqual(await small(), []);
    await page.goBack();
    await page.getByRole("heading", { name: "The climb" }).waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Settings" }).tap();
    await page.getByLabel("Downloads go to").waitFor();
    assert.equal(await slides(), 390, "settings");
    assert.deepEqual(await small(), []);
    await page.getByRole("button", { name: "← Back" }).tap();
    await page.getByRole("button", { name: "Add" }).tap();
    await page.getByRole("dialog").waitFor();
    assert.equal(await slides(), 390, "add");
    const [sheet, inside] = await page.evaluate(() => {
      const box = document.querySelector("dialog").getBoundingClientRect();
      return [Math.round(box.bottom), box.top > 0];
    });
    assert.deepEqual([sheet, inside], [844, true], "a sheet at the foot");
    assert.deepEqual(faults, []);
    await page.context().close();
  });

  it("settings are saved, and what makes no sense is told beside its field", async () => {
    const { page, faults } = await visit(`${daemon.address}/settings`);
    const limit = page.getByRole("group", { name: "Limits", exact: true });
    await limit.getByLabel("Upload, at most").fill("fast");
    await page.getByRole("button", { name: "Save" }).click();
    await limit.getByText("Write it with its unit").waitFor();
    await limit.getByLabel("Upload, at most").fill("3 MB/s");
    await page.getByLabel("a ratio of").fill("1.5");
    await page.getByLabel("hours of seeding").fill("24");
    await page.getByLabel("Downloads at once").fill("5");
    await page.getByLabel("They hold now").check();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Saved.").waitFor();
    const settings = await daemon.ask("GET", "/settings");
    assert.equal(settings.up, 3_000_000);
    assert.equal(settings.ratio, 1500);
    assert.equal(settings.seeding, 86_400);
    assert.equal(settings.queue.downloads, 5);
    assert.equal(settings.alternative.on, true);
    await page.locator(".settings").getByLabel("Name").fill("films");
    await page.getByRole("button", { name: "Make a category" }).click();
    await page.getByRole("button", { name: "Forget category films" }).click();
    await page.getByRole("button", { name: "Forget category films" }).waitFor({ state: "detached" });
    await page.keyboard.press("Escape");
    await page.getByText("The alternative limits hold.").waitFor();
    assert.deepEqual(faults, []);
    await page.context().close();
  });
});
