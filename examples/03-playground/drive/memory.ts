import type { Page } from "playwright";

/** The part of the page's `performance` that not every browser has. */
interface MemoryMeter {
  measureUserAgentSpecificMemory(): Promise<{ readonly bytes: number }>;
}

/** Bytes of the page and its workers after a collection, the memories of WebAssembly among them. */
export function memoryBytes(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const meter = performance as unknown as MemoryMeter;
    return (await meter.measureUserAgentSpecificMemory()).bytes;
  });
}

/** Presses the button again and again, each time after the page has said that it is done. */
export async function generateMany(page: Page, count: number): Promise<void> {
  await page.evaluate(async (times) => {
    const button = document.querySelector<HTMLButtonElement>("#generate")!;
    const status = document.querySelector("#status")!;
    for (let i = 0; i < times; i++) {
      button.click();
      do await new Promise((resolve) => setTimeout(resolve));
      while (button.disabled);
      if (status.textContent !== "Done.") throw new Error(`generation ${i}: ${status.textContent}`);
    }
  }, count);
}
