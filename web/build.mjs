/* Builds the component into dist/: one file whose name holds version and content, and manifest.json that names it. */

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

const here = (path) => new URL(path, import.meta.url);
// What a clinic's page is asked to load, gzipped.
const BUDGET = 25_000;

const css = {
  name: "css",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target: TARGET });
      return { contents: code, loader: "text" };
    });
  },
};
// Of a template, the indentation would be sent to every patient; in code it says nothing.
const flat = {
  name: "flat",
  setup({ onLoad }) {
    onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => ({ contents: (await readFile(path, "utf8")).replace(/\n\s+/g, "\n").replaceAll(">\n<", "><"), loader: "ts" }));
  },
};
const TARGET = ["chrome111", "firefox121", "safari16.4"];

const { version } = JSON.parse(await readFile(here("package.json"), "utf8"));
const { outputFiles } = await build({
  entryPoints: [new URL("src/plateau-chat.ts", import.meta.url).pathname],
  bundle: true,
  minify: true,
  format: "iife",
  target: TARGET,
  legalComments: "none",
  banner: { js: `/* Plateau ${version}, Apache-2.0. Holds Lit, BSD-3-Clause, (c) Google LLC. */` },
  charset: "utf8",
  plugins: [css, flat],
  write: false,
});
const code = outputFiles[0].contents;
const gzip = gzipSync(code, { level: 9 }).length;
if (gzip > BUDGET) throw new Error(`The component has ${gzip} bytes gzipped; allowed: ${BUDGET}.`);

const file = `plateau-chat-${version}-${createHash("sha256").update(code).digest("hex").slice(0, 8)}.js`;
const integrity = `sha384-${createHash("sha384").update(code).digest("base64")}`;
await mkdir(here("dist/"), { recursive: true });
for (const old of await readdir(here("dist/"))) await rm(here(`dist/${old}`));
await writeFile(here(`dist/${file}`), code);
// Last, so that a manifest never names a file that is not there.
await writeFile(here("dist/manifest.json"), `${JSON.stringify({ version, file, integrity, bytes: code.length, gzip }, null, 2)}\n`);
console.log(`${file}: ${code.length} bytes, ${gzip} gzipped`);
