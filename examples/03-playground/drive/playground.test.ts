import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";

import type { Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";

import { drafters } from "../src/drafters.ts";
import { samples } from "../src/samples.ts";
import { generateMany, memoryBytes } from "./memory.ts";
import { type OpenPage, openPage } from "./open-page.ts";
import { type PageTasks, watchTasks } from "./page-tasks.ts";
import { scriptBytes } from "./page-size.ts";
import { writeInNode } from "./write-in-node.ts";

const example = new URL("../", import.meta.url);
const named = (name: string) => samples.find((sample) => sample.name === name)!.prompt;

let open: OpenPage;
let page: Page;
beforeAll(async () => {
  open = await openPage(fileURLToPath(example));
  page = open.page;
  await idle("Ready.");
});
afterAll(() => open?.close());

/** Waits until the page says that it is done. */
async function idle(status = "Done."): Promise<void> {
  await page.getByText(status, { exact: true }).waitFor();
  await page.locator("#generate:enabled").waitFor();
}

interface Wanted {
  readonly prompt: string;
  readonly drafter?: string;
  readonly temperature?: number;
  readonly maxTokens?: number;
}

async function fill({ prompt, drafter = "none", temperature = 0, maxTokens = 48 }: Wanted) {
  await page.fill("#prompt", prompt);
  await page.selectOption("#drafter", drafter);
  await page.fill("#temperature", String(temperature));
  await page.fill("#maxTokens", String(maxTokens));
  await page.uncheck("#oneLine");
}

/** Generates, and gives what was written after the prompt. */
async function write(wanted: Wanted): Promise<string> {
  await fill(wanted);
  await page.click("#generate");
  await idle();
  const text = await page.locator(".run .text").textContent();
  expect(text?.startsWith(wanted.prompt)).toBe(true);
  return text!.slice(wanted.prompt.length);
}

test("the page's own JavaScript is small", () => {
  expect(scriptBytes(new URL("dist/", example))).toBeLessThan(60_000);
});

test("the page has threads and the text is that of Node", async () => {
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  const prompts = ["Story", "Chat", "Passkey", "JSON"].map(named);
  const folder = new URL("../../models/frugal-tiny/", example);
  const expected = await writeInNode(folder, prompts, 48);
  for (const [i, prompt] of prompts.entries()) {
    expect(await write({ prompt, drafter: i % 2 === 0 ? "none" : "model" })).toBe(expected[i]);
  }
});

test.for(Object.keys(drafters).filter((name) => name !== "none"))(
  "with %s drafts the text is equal",
  async (drafter) => {
    for (const temperature of [0, 0.8]) {
      await fill({ prompt: named("Story"), drafter, temperature });
      await page.click("#compare");
      await idle();
      expect(await page.locator("#verdict:visible").innerText()).toMatch(/^equal text: \d+ target/);
      const [plain, drafted] = await page.locator(".run .text").allTextContents();
      expect(drafted).toBe(plain);
      expect(await page.locator("[data-figure=perStep]").first().textContent()).toBe("1.00");
    }
  },
);

test("stop stops", async () => {
  await fill({ prompt: named("Prose"), maxTokens: 900 });
  await page.click("#generate");
  await page.locator(".run .written").waitFor();
  await page.click("#stop");
  await idle("Stopped.");
  const tokens = Number(await page.locator("[data-figure=tokens]").textContent());
  expect(tokens).toBeGreaterThan(0);
  expect(tokens).toBeLessThan(900);
  expect(await page.locator("[data-figure=reason]").textContent()).toBe("you");
});

test("what goes wrong is shown in a line", async () => {
  await fill({ prompt: "so it goes ".repeat(1000) });
  await page.click("#generate");
  const error = page.locator("#error");
  await error.waitFor();
  expect(await error.textContent()).toMatch(/^ids: expected at most 1024 tokens.*$/);
  await write({ prompt: named("Story") });
  expect(await error.isVisible()).toBe(false);
});

test("no task of the page takes 50 ms while the model writes", async () => {
  // Each attempt begins with a fresh page: the draft model's worker starts while the page writes.
  const attempts: PageTasks[] = [];
  do {
    await page.reload();
    await idle("Ready.");
    const wanted = { prompt: named("Prose"), drafter: "model", temperature: 0.8, maxTokens: 256 };
    attempts.push(await watchTasks(page, () => write(wanted)));
  } while (attempts.at(-1)!.long.length > 0 && attempts.length < 3);
  // By the clock a task is long also if it waits for a processor: one attempt of three must be
  // clean, unless more wants to run than there are cores. The processor's time counts always.
  const isBusy = loadavg()[0]! > availableParallelism();
  expect(attempts.map(({ busiestMs }) => busiestMs < 50)).not.toContain(false);
  expect(isBusy || attempts.some(({ long }) => long.length === 0)).toBe(true);
});

test("memory stays flat over two hundred generations", async () => {
  await fill({ prompt: named("Story"), drafter: "model", maxTokens: 4 });
  // Engines compile what runs often, and keep what they learned of it.
  await generateMany(page, 100);
  const before = await memoryBytes(page);
  await generateMany(page, 200);
  // Five kilobytes each; the cache of one generation alone has half a megabyte.
  expect(await memoryBytes(page)).toBeLessThan(before + 1e6);
});

test("nothing complained", () => expect(open.complaints).toEqual([]));
