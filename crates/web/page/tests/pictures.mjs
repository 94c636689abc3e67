// The pictures of the README: `node tests/pictures.mjs FOLDER`.

import { createHash } from "node:crypto";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { leave, row, scene, torrent, tracker, visit } from "./world.mjs";

const folder = process.argv[2] ?? ".";
const PIECE = 1 << 20;

/** A torrent whose file lies there already: it is nothing but zeros. */
async function whole(daemon, name, pieces) {
  const path = join(daemon.downloads, name);
  writeFileSync(path, "");
  truncateSync(path, pieces * PIECE);
  const hash = createHash("sha1").update(Buffer.alloc(PIECE)).digest();
  const text = (it) => Buffer.concat([Buffer.from(`${Buffer.byteLength(it)}:`), Buffer.from(it)]);
  const info = Buffer.concat([
    Buffer.from(`d6:lengthi${pieces * PIECE}e4:name`),
    text(name),
    Buffer.from(`12:piece lengthi${PIECE}e6:pieces`),
    text(Buffer.concat(Array(pieces).fill(hash))),
    Buffer.from("e"),
  ]);
  const file = Buffer.concat([Buffer.from("d4:info"), info, Buffer.from("e")]);
  await daemon.ask("POST", "/torrents", { torrent: file.toString("base64") });
}

const refusing = await tracker("You have exceeded your hourly quota.");
const daemon = await scene(["--seed", 120_000_000, "--rate", 1_400_000]);
const paused = ["Lectures on glaciers, autumn term.tar", "Road atlas of the High Atlas.pdf"];
for (const name of paused) {
  await daemon.ask("POST", "/torrents", { torrent: torrent(name, { length: 9e8 }), wish: "paused" });
}
const complete = [
  ["Field recordings, Imlil valley.tar", 190],
  ["Survey of 1923, maps and plates.zip", 84],
  ["Alpine flora, second edition.epub", 23],
  ["debian-13.2.0-amd64-netinst.iso", 240],
];
for (const [name, pieces] of complete) await whole(daemon, name, pieces);
const refused = torrent("Photographs of the south face.tar", { announce: refusing.url, length: 3e8 });
await daemon.ask("POST", "/torrents", { torrent: refused });
await daemon.ask("POST", "/torrents", { link: daemon.magnet });

const { page } = await visit(daemon.address, { viewport: { width: 1200, height: 640 } });
await row(page, "The climb").locator(".speed", { hasText: /MB\/s/ }).waitFor();
await page.waitForTimeout(40_000);
await row(page, "The climb").click();
await page.getByText(/of \d[\d,]* pieces/).waitFor();
await page.mouse.move(600, 620);
await page.waitForTimeout(1500);
await page.screenshot({ path: join(folder, "page-list.png") });

const phone = await visit(daemon.address, {
  viewport: { width: 390, height: 760 },
  colorScheme: "dark",
  hasTouch: true,
  isMobile: true,
});
await row(phone.page, "The climb").locator(".speed", { hasText: /MB\/s/ }).waitFor();
await phone.page.waitForTimeout(3000);
await phone.page.screenshot({ path: join(folder, "page-dark-phone.png") });

await leave();
refusing.stop();
await daemon.stop();
