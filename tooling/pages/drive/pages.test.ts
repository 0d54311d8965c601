import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { generate } from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-node";
import { type Browser, chromium } from "playwright";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";

import { serveSite, type Site } from "./serve-pages.ts";

const root = new URL("../../../", import.meta.url);
const app = new URL("../app/", import.meta.url);
const model = new URL("models/frugal-tiny-draft/", root);

let browser: Browser;
let output: string;
beforeAll(async () => {
  const executablePath = process.env["CHROMIUM"];
  const args = ["--headless=new", "--no-sandbox", "--disable-quic", "--no-first-run"];
  browser = await chromium.launch({ args, ...(executablePath && { executablePath }) });
  output = await mkdtemp(join(tmpdir(), "frugal-pages-"));
});
afterAll(async () => {
  await browser?.close();
  await rm(output, { recursive: true, force: true });
});

/** What the page writes: the ids of its runs, and what the browser complained about. */
async function visit(site: Site): Promise<{ ids: unknown; complaints: string[] }> {
  const server = await serveSite(site);
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  try {
    await page.goto(server.url);
    await page.locator("body[data-ids]").waitFor({ state: "attached", timeout: 60_000 });
    const text = (await page.locator("body").getAttribute("data-ids"))!;
    return { ids: text.startsWith("[") ? JSON.parse(text) : text, complaints };
  } finally {
    await page.close();
    await server.close();
  }
}

/** Runs webpack; resolves to what it calls errors. */
function pack(options: webpack.Configuration): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    webpack(options, (error, stats) => {
      if (error !== null) reject(error);
      else resolve(stats!.compilation.errors.map(({ message }) => message));
    });
  });
}

/** The same in Node. */
async function idsInNode(): Promise<number[]> {
  const inNode = await loadModel(model, { inline: true });
  const sequence = await inNode.createSequence();
  const ids: number[] = [];
  for await (const event of generate(sequence, Uint32Array.of(1, 2, 3), { maxTokens: 8 })) {
    if (event.type === "token-accepted") ids.push(event.token);
  }
  await inNode.dispose();
  return ids;
}

describe("a page under a content security policy without unsafe-eval generates", () => {
  let expected: { ids: number[][]; complaints: string[] };
  beforeAll(async () => {
    const ids = await idsInNode();
    expected = { ids: [ids, ids], complaints: [] };
  });

  test("from what Vite builds without a configuration", async () => {
    const outDir = join(output, "vite");
    await build({
      root: fileURLToPath(app),
      configFile: false,
      logLevel: "error",
      build: { outDir },
    });
    const dist = pathToFileURL(`${outDir}/`);
    const html = await readFile(new URL("index.html", dist), "utf8");
    expect(await visit({ html, folders: { "/model/": model, "/": dist } })).toEqual(expected);
  });

  test("from what webpack builds without a configuration", async () => {
    const path = join(output, "webpack");
    expect(await pack({ context: fileURLToPath(app), output: { path } })).toEqual([]);
    const html = '<!doctype html><body><script src="/main.js"></script></body>';
    const folders = { "/model/": model, "/": pathToFileURL(`${path}/`) };
    expect(await visit({ html, folders })).toEqual(expected);
  });

  test("without a bundler, from an import map", async () => {
    const imports = {
      "@frugal/core": "/frugal/core/dist/index.js",
      "@frugal/runtime": "/frugal/runtime/dist/index.js",
      "@frugal/runtime-web": "/frugal/runtime-web/dist/index.js",
      "@frugal/decoding": "/frugal/decoding/dist/index.js",
      "@huggingface/jinja": "/jinja/dist/index.js",
      "@noble/hashes/": "/noble/",
      "onnxruntime-web/wasm": "/ort/ort.wasm.bundle.min.mjs",
    };
    const html = `<!doctype html>
      <script type="importmap">${JSON.stringify({ imports })}</script>
      <script type="module" src="/app/plain.js"></script>`;
    const packages = new URL("packages/", root);
    const folders = {
      "/app/": new URL("src/", app),
      "/frugal/": packages,
      "/jinja/": new URL("runtime/node_modules/@huggingface/jinja/", packages),
      "/noble/": new URL("runtime-web/node_modules/@noble/hashes/", packages),
      "/ort/": new URL("runtime-web/node_modules/onnxruntime-web/dist/", packages),
      "/model/": model,
    };
    expect(await visit({ html, folders })).toEqual(expected);
  });
});

test("the package can be imported where there is no browser, and does nothing then", async () => {
  const script = `
    for (const name of ["navigator", "fetch", "Worker", "location"]) delete globalThis[name];
    const names = () => JSON.stringify(Object.getOwnPropertyNames(globalThis).sort());
    const before = names();
    const { loadModel, openFiles } = await import("@frugal/runtime-web");
    if (names() !== before) throw new Error("globals: " + names());
    if (typeof loadModel !== "function" || typeof openFiles !== "function") throw new Error("exports");
    console.log("imported");
  `;
  const args = ["--input-type=module", "--eval", script];
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { cwd });
  expect({ stdout, stderr }).toEqual({ stdout: "imported\n", stderr: "" });
});
