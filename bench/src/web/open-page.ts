import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium, type Page } from "playwright";
import { build } from "vite";

import { scratch } from "../models.ts";
import type { BenchPage, PageFacts } from "./page/main.ts";
import { serveFolders } from "./serve-folders.ts";

const args = [
  "--headless=new",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  // Without a graphics card: Chromium's software adapter. WEBGPU=hardware uses a real one.
  ...(process.env["WEBGPU"] === "hardware"
    ? []
    : ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]),
];

/** The suite's page in a browser. */
export interface OpenPage {
  readonly page: BenchPage;
  readonly facts: PageFacts;
  close(): Promise<void>;
}

/**
 * Builds the page as an application is built, and opens it in Chromium, which `CHROMIUM` can name.
 * Folders of models are served beside it.
 */
export async function openPage(folders: Readonly<Record<string, string>>): Promise<OpenPage> {
  const outDir = join(scratch, "web-page");
  await build({
    root: fileURLToPath(new URL("page/", import.meta.url)),
    logLevel: "error",
    build: { outDir, emptyOutDir: true, target: "es2022", reportCompressedSize: false },
    worker: { format: "es" },
  });
  const ort = join(createRequire(import.meta.url).resolve("onnxruntime-web"), "..");
  const server = await serveFolders({ "": outDir, ort, ...folders });
  const executablePath = process.env["CHROMIUM"];
  const browser = await chromium.launch({ args, ...(executablePath && { executablePath }) });
  const page = await browser.newPage();
  page.setDefaultTimeout(0);
  page.on("pageerror", ({ message }) => console.error(`page: ${message}`));
  await page.goto(`${server.url}index.html`);
  await page.waitForFunction("globalThis.bench !== undefined");
  const bench = proxyOf(page);
  const facts = await bench.facts();
  return {
    page: bench,
    facts: { ...facts, browser: `Chromium ${browser.version()}` },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** The page's own object, called from here. */
function proxyOf(page: Page): BenchPage {
  const call = <T>(method: keyof BenchPage, ...given: readonly unknown[]): Promise<T> =>
    page.evaluate(
      ([name, values]) =>
        (globalThis as unknown as { bench: Record<string, (...all: unknown[]) => Promise<T>> })
          .bench[name]!(...values),
      [method, given] as const,
    );
  return {
    open: (name, setting) => call("open", name, setting),
    generate: (name, prompt, count) => call("generate", name, prompt, count),
    close: () => call("close"),
    facts: () => call("facts"),
  };
}
