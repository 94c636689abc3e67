// How the page is built: into dist, with names that change with the content, and each file a second
// time as gzip, so that nobody has to compress while it is asked for.
import { gzipSync } from "node:zlib";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig, type Plugin } from "vite";

const DIST = join(import.meta.dirname, "dist");

/** Empties the folder but for what git keeps there; compresses what was built. */
function packed(): Plugin {
  return {
    name: "packed",
    apply: "build",
    buildStart() {
      for (const name of readdirSync(DIST)) {
        if (name !== ".gitignore") rmSync(join(DIST, name), { recursive: true });
      }
    },
    closeBundle() {
      for (const name of readdirSync(DIST, { recursive: true, encoding: "utf8" })) {
        const path = join(DIST, name);
        if (!/\.(html|js|css|svg)$/.test(name) || !statSync(path).isFile()) continue;
        const bytes = readFileSync(path);
        const small = gzipSync(bytes, { level: 9 });
        if (small.length < bytes.length * 0.9) writeFileSync(path + ".gz", small);
      }
    },
  };
}

export default defineConfig({
  plugins: [svelte(), packed()],
  build: {
    emptyOutDir: false,
    target: "es2022",
    // The policy of the page allows nothing inline, data addresses neither.
    assetsInlineLimit: 0,
    modulePreload: false,
  },
});
