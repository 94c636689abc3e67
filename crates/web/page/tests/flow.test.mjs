// What one does every day: add, watch, choose files, pause, remove; with a real peer.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { drop, escape, leave, paste, row, scene, torrent, visit } from "./world.mjs";

let daemon;
let seen;
let page;

describe("with a peer that has everything", { concurrency: false }, () => {
  before(async () => {
    daemon = await scene(["--seed", 12_000_000, "--rate", 1_500_000]);
    seen = await visit(daemon.address);
    page = seen.page;
  });

  after(async () => {
    await leave();
    await daemon.stop();
  });

  it("an empty list says how to begin, and its field has the focus", async () => {
    const field = page.getByLabel("Drop a .torrent here, or paste a magnet link.");
    await field.waitFor();
    assert.equal(await field.evaluate((it) => it === document.activeElement), true);
    await page.getByText(/Files go to .*free/).waitFor();
  });

  it("a broken file and a broken link are told beside the field, and nothing is added", async () => {
    await drop(page, [{ name: "broken.torrent", base64: btoa("hello") }]);
    await page.getByText("broken.torrent: This is not a torrent file.").waitFor();
    const what = page.getByLabel("Link or info-hash");
    await what.fill("magnet:?xt=nothing");
    await page.getByRole("button", { name: "Add", exact: true }).last().click();
    await page.locator("#what-said .bad").waitFor();
    assert.equal(await what.getAttribute("aria-invalid"), "true");
    await escape(page);
    assert.equal((await daemon.ask("GET", "/torrents")).torrents.length, 0);
  });

  it("a folder that is not allowed is told beside the folder", async () => {
    await paste(page, daemon.magnet);
    await page.getByLabel("Folder").fill("/etc");
    await page.getByRole("button", { name: "Add", exact: true }).last().click();
    await page.locator("#where-said.bad").filter({ hasText: "/etc" }).waitFor();
    await escape(page);
    assert.equal((await daemon.ask("GET", "/torrents")).torrents.length, 0);
  });

  it("a dropped file shows its files, and only those that are wanted are fetched", async () => {
    const base64 = readFileSync(daemon.torrent).toString("base64");
    await drop(page, [{ name: "seed.torrent", base64 }]);
    const dialog = page.getByRole("dialog");
    // Two fields, and the files: nothing else is in sight.
    const inputs = dialog.locator("input:visible:not([type=checkbox]):not([type=file])");
    assert.equal(await inputs.count(), 2);
    await dialog.getByText("12 MB, ").waitFor();
    await dialog.getByLabel("Want film/the climb.mkv").uncheck();
    await dialog.getByText("3.6 MB, ").waitFor();
    await escape(page);
  });

  it("a pasted link is added in one more step, and its peer is downloaded from", async () => {
    await paste(page, daemon.magnet);
    await page.getByRole("button", { name: "Add", exact: true }).last().click();
    await row(page, "The climb").waitFor();
    await row(page, "The climb").locator(".speed", { hasText: /MB\/s|kB\/s/ }).waitFor();
    const first = (await row(page, "The climb").locator(".percent").innerText()).trim();
    assert.match(first, /^\d{1,2} %$/);
    const percent = row(page, "The climb").locator(".percent");
    const later = async () => parseInt(await percent.innerText(), 10);
    await page.waitForFunction(
      (first) => parseInt(document.querySelector(".percent").innerText, 10) > first,
      parseInt(first, 10),
    );
    assert.ok((await later()) > parseInt(first, 10));
  });

  it("adding what is there already says so, and leads to it", async () => {
    await paste(page, daemon.magnet);
    await page.getByRole("button", { name: "Add", exact: true }).last().click();
    await page.getByText("It is in the list already.").waitFor();
    await page.getByRole("button", { name: "Show it" }).click();
    await page.getByRole("heading", { name: "The climb" }).waitFor();
    assert.match(page.url(), /\/torrent\/\d+$/);
  });

  it("details show the peer in words, the pieces and the speed", async () => {
    await page.getByRole("tab", { name: "Peers" }).click();
    await page.getByText("given with the link").waitFor();
    await page.getByRole("tab", { name: "Overview" }).click();
    await page.getByText(/\d+ of 184 pieces/).waitFor();
    await page.getByRole("img", { name: /Speed of the last 10 min, at most/ }).waitFor();
  });

  it("files are picked in the details, and the daemon knows", async () => {
    await page.getByRole("tab", { name: "Files" }).click();
    await page.getByLabel("Priority of notes.txt").selectOption("High");
    await page.getByLabel("Want film/the climb.mkv").uncheck();
    const priorities = async () => {
      const [torrent] = (await daemon.ask("GET", "/torrents")).torrents;
      const files = await daemon.ask("GET", `/torrents/${torrent.id}/files`);
      return files.map((file) => `${file.path}=${file.priority}`).sort().join(" ");
    };
    const wanted = "film/the climb.mkv=0 maps/north face.img=2 notes.txt=3";
    for (let at = 0; at < 50 && (await priorities()) !== wanted; at += 1) {
      await page.waitForTimeout(100);
    }
    assert.equal(await priorities(), wanted);
  });

  it("it is paused and resumed where one looks at it", async () => {
    await page.getByRole("button", { name: "Pause" }).click();
    await row(page, "The climb").getByText("Paused").waitFor();
    await page.locator(".explain").getByRole("button", { name: "Resume" }).click();
    await row(page, "The climb").getByText("Paused").waitFor({ state: "detached" });
    await row(page, "The climb").getByText("✓").waitFor({ timeout: 60_000 });
  });

  it("removing asks with figures, can be taken back, and leaves the files", async () => {
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByText(/Its files stay where they are: [\d.]+ MB\./).waitFor();
    await page.getByRole("button", { name: "Remove from list" }).click();
    await row(page, "The climb").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Undo" }).click();
    await row(page, "The climb").waitFor();
    assert.equal((await daemon.ask("GET", "/torrents")).torrents.length, 1);
    await page.getByRole("button", { name: "Remove" }).click();
    await page.getByRole("button", { name: "Remove from list" }).click();
    await page.getByText("Drop a .torrent here").waitFor({ timeout: 20_000 });
    assert.equal((await daemon.ask("GET", "/torrents")).torrents.length, 0);
    const notes = readFileSync(`${daemon.downloads}/The climb/notes.txt`);
    assert.equal(notes.length, 1_200_000);
  });

  it("several are chosen and changed at once, and nothing is offered without an object", async () => {
    for (const name of ["one", "two", "three"]) {
      await daemon.ask("POST", "/torrents", { torrent: torrent(name), wish: "paused" });
    }
    await row(page, "three").waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.getByRole("toolbar").count(), 0);
    await row(page, "one").locator(".pick").click();
    await row(page, "two").locator(".pick").click();
    await page.getByText("2 torrents").waitFor();
    assert.equal(await page.getByRole("button", { name: "Pause" }).isDisabled(), true);
    await page.getByRole("button", { name: "Limit" }).click();
    await page.getByLabel("Download, at most").fill("200");
    await page.getByRole("dialog").getByRole("button", { name: "Limit" }).click();
    await page.getByText("A limit is written with its unit").waitFor();
    await page.getByLabel("Download, at most").fill("200 kB/s");
    await page.getByRole("dialog").getByRole("button", { name: "Limit" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    const limits = (await daemon.ask("GET", "/torrents")).torrents.map((it) => it.down);
    assert.deepEqual(limits.sort(), [200_000, 200_000, null]);
  });

  it("the page made no fault, and asked nobody else", () => {
    assert.deepEqual(seen.faults, []);
    assert.deepEqual([...new Set(seen.asked.map((it) => new URL(it).origin))], [daemon.address]);
  });
});
