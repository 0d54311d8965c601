// Installs what is missing and runs every check of the project, or those named as arguments
// (`npm test -- lint types`). The last line is "N passed, N failed".
import {
  chromiumAdvice,
  hasPlaywrightDownloads,
  playwrightChromium,
  systemChromium,
} from "./chromium.js";
import { install } from "./install.js";
import { allSteps, runSteps } from "./steps.js";

/** @returns {Promise<import("./steps.js").Tally>} */
async function main() {
  const failure = { passed: 0, failed: 1, skipped: 0 };
  const chosen = process.argv.slice(2);

  // Before anything long: a machine without a browser cannot finish.
  let chromium = systemChromium();
  if (chromium === null && !hasPlaywrightDownloads()) {
    console.error(chromiumAdvice());
    return failure;
  }
  if (!install()) return failure;
  chromium ??= playwrightChromium();
  if (chromium === null) {
    console.error(chromiumAdvice());
    return failure;
  }

  const steps = allSteps(chromium);
  const unknown = chosen.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    const names = steps.map((step) => step.name).join(", ");
    console.error(`steps: expected some of ${names}, got ${unknown.join(", ")}`);
    return failure;
  }
  return runSteps(steps.filter(({ name }) => chosen.length === 0 || chosen.includes(name)));
}

const { passed, failed, skipped } = await main();
const counts = [`${passed} passed`, `${failed} failed`];
if (skipped > 0) counts.push(`${skipped} skipped`);
console.log(`\n${counts.join(", ")}`);
process.exitCode = failed === 0 ? 0 : 1;
