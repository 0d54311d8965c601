import { existsSync, readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

import { root } from "./install.js";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const applications = [
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/**
 * The Chromium that is found without any dependency: `$CHROMIUM`, then the usual names on PATH.
 *
 * @returns {string | null}
 */
export function systemChromium() {
  const chosen = process.env["CHROMIUM"];
  if (chosen) return existsSync(chosen) ? chosen : null;
  const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  const onPath = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...onPath, ...applications].find((file) => existsSync(file)) ?? null;
}

/**
 * Whether Playwright has downloaded some Chromium, answered before Playwright itself is installed.
 *
 * @returns {boolean}
 */
export function hasPlaywrightDownloads() {
  const home = homedir();
  const caches = [
    process.env["XDG_CACHE_HOME"] ?? join(home, ".cache"),
    join(home, "Library/Caches"),
    process.env["LOCALAPPDATA"] ?? join(home, "AppData/Local"),
  ].map((cache) => join(cache, "ms-playwright"));
  return [process.env["PLAYWRIGHT_BROWSERS_PATH"] ?? "", ...caches]
    .filter((folder) => existsSync(folder))
    .some((folder) => readdirSync(folder).some((name) => name.startsWith("chromium-")));
}

/**
 * The Chromium of the installed Playwright, if it is on disk.
 *
 * @returns {string | null}
 */
export function playwrightChromium() {
  const require = createRequire(join(root, "package.json"));
  const file = require("playwright").chromium.executablePath();
  return existsSync(file) ? file : null;
}

/**
 * One line that says how to get a Chromium.
 *
 * @returns {string}
 */
export function chromiumAdvice() {
  const chosen = process.env["CHROMIUM"];
  if (chosen) return `CHROMIUM names a file that does not exist: ${chosen}`;
  const catalog = readFileSync(join(root, "pnpm-workspace.yaml"), "utf8");
  const version = /^ {2}playwright: (\S+)$/m.exec(catalog)?.[1] ?? "latest";
  return `No Chromium found: run "apt-get install chromium" (Debian) or "npx playwright@${version} install chromium", or set CHROMIUM to the path of one.`;
}
