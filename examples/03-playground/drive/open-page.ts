import { chromium, type Browser, type Page } from "playwright";
import { preview, type PreviewServer } from "vite";

/** The built page in a browser, with what it complained about. */
export interface OpenPage {
  readonly page: Page;
  /** Messages of the console above "info", and errors that nothing caught. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

const args = [
  "--headless=new",
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  // Memory is measured when asked for, after a collection, and not some time later.
  "--enable-blink-features=ForceEagerMeasureMemory",
];

/** Serves `dist` and opens it in Chromium, which `CHROMIUM` can name. */
export async function openPage(root: string): Promise<OpenPage> {
  const server = await preview({
    root,
    logLevel: "error",
    preview: { port: 0, host: "127.0.0.1" },
  });
  const executablePath = process.env["CHROMIUM"];
  const browser = await chromium.launch({ args, ...(executablePath && { executablePath }) });
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(server.resolvedUrls!.local[0]!);
  return { page, complaints, close: () => close(browser, server) };
}

async function close(browser: Browser, server: PreviewServer): Promise<void> {
  await browser.close();
  await server.close();
}
