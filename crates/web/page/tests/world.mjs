// What every test needs: a live daemon with real peers behind the page, and a real browser before
// it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const SCENE = process.env.SCENE;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

if (!SCENE || !existsSync(SCENE)) throw new Error("SCENE names no program: cargo xtask page --test");
if (!existsSync(CHROMIUM)) throw new Error(`there is no ${CHROMIUM}: apt-get install chromium`);

/** Starts a daemon; `args` as `scene` in crates/web/examples takes them. */
export async function scene(args = [], folder = mkdtempSync(join(tmpdir(), "toubkal-page-"))) {
  const child = spawn(SCENE, [folder, ...args.map(String)], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await Promise.race([
    once(createInterface(child.stdout), "line"),
    once(child, "exit").then(() => Promise.reject(new Error("the scene ended"))),
  ]);
  const told = JSON.parse(line);
  const ask = async (method, path, body) => {
    const headers = { "content-type": "application/json" };
    const init = { method, headers, body: body === undefined ? undefined : JSON.stringify(body) };
    const response = await fetch(`${told.address}/api/v1${path}`, init);
    if (!response.ok) throw new Error(`${method} ${path}: ${await response.text()}`);
    return response.status === 204 ? null : response.json();
  };
  return {
    ...told,
    folder,
    child,
    ask,
    /** Ends it in order. */
    async stop(keep = false) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, "exit");
        child.kill("SIGCONT");
        child.stdin.end();
        await ended;
      }
      if (!keep) rmSync(folder, { recursive: true, force: true });
    },
    /** Ends it at once. */
    async kill() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

let running;

/** A new page, as somebody sees it who has never been here. Faults of the page fail its test. */
export async function visit(address, options = {}) {
  const root = process.getuid?.() === 0;
  running ??= await chromium.launch({
    executablePath: CHROMIUM,
    args: [...(root ? ["--no-sandbox"] : []), "--enable-precise-memory-info"],
  });
  const context = await running.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const faults = [];
  const asked = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    // What the network did is in `asked`.
    const network = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !network) faults.push(message.text());
  });
  page.on("request", (request) => asked.push(request.url()));
  if (address) await page.goto(address);
  return { page, context, faults, asked };
}

export async function leave() {
  await running?.close();
  running = undefined;
}

/** A tracker that refuses everybody. */
export async function tracker(reason) {
  const server = createServer((_, answer) => {
    answer.end(`d14:failure reason${Buffer.byteLength(reason)}:${reason}e`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/announce`, stop: () => server.close() };
}

/** A torrent file in base64, of one file that nobody has. */
export function torrent(name, { announce, length = 65_536 } = {}) {
  const pieces = "x".repeat(20 * Math.ceil(length / 16_384));
  const text = (it) => `${Buffer.byteLength(it)}:${it}`;
  const info = [
    ["length", `i${length}e`],
    ["name", text(name)],
    ["piece length", "i16384e"],
    ["pieces", text(pieces)],
  ];
  const dictionary = (pairs) => `d${pairs.map(([key, value]) => text(key) + value).join("")}e`;
  const top = announce ? [["announce", text(announce)]] : [];
  return Buffer.from(dictionary([...top, ["info", dictionary(info)]])).toString("base64");
}

/** The row of a torrent in the list. */
export const row = (page, name) => page.getByRole("option").filter({ hasText: name });

/** Lets somebody drop files on the page. */
export async function drop(page, files) {
  const data = await page.evaluateHandle((files) => {
    const data = new DataTransfer();
    for (const { name, base64 } of files) {
      const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
      data.items.add(new File([bytes], name, { type: "application/x-bittorrent" }));
    }
    return data;
  }, files);
  await page.dispatchEvent("body", "drop", { dataTransfer: data });
}

/** Lets somebody paste text on the page. */
export const paste = (page, text) =>
  page.evaluate((text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    const event = new ClipboardEvent("paste", { clipboardData, bubbles: true });
    document.activeElement.dispatchEvent(event);
  }, text);

/** Closes a dialog, as one does by key. */
export async function escape(page) {
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

/** A figure that was measured, for whoever reads. */
export const tell = (name, value) => console.log(`# ${name}: ${value}`);
