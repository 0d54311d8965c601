import { Command } from "commander";

import { measureProfiles } from "./attention-profiles.ts";
import { measureDecoding } from "./decoding.ts";
import { measureGuesses } from "./guesses.ts";
import { measureSelection } from "./kv-selection.ts";
import { measurePrefill } from "./prefill.ts";
import { type Table, writeResults } from "./results.ts";
import { measureScanners } from "./scanners.ts";
import { type Effort, measureStepCost } from "./step-cost.ts";
import { measureTokenize } from "./tokenize.ts";
import { measureVisionEncoder } from "./vision-encoder.ts";
import { measureWeb } from "./web/measure-web.ts";
import { measureSelectors } from "./vision-selectors.ts";
import { measureVisionDecoder } from "./vision-decoder.ts";

/** Suites by name, in the order in which they run. */
const suites: Readonly<Record<string, (effort: Effort) => Promise<Table[]>>> = {
  "step-cost": measureStepCost,
  "attention-profiles": measureProfiles,
  decoding: measureDecoding,
  guesses: measureGuesses,
  prefill: measurePrefill,
  "kv-selection": measureSelection,
  "vision-decoder": measureVisionDecoder,
  tokenize: measureTokenize,
  scanners: measureScanners,
  "vision-encoder": measureVisionEncoder,
  web: measureWeb,
  "vision-selectors": measureSelectors,
};

const command = new Command("bench")
  .description("Measures the built packages and writes tables to bench/results.")
  .argument("[suites...]", `any of ${Object.keys(suites).join(", ")}; default: all`)
  .option("--smoke", "one repetition of the small parts, nothing written", false)
  .action(main);
await command.parseAsync();

async function main(given: string[], { smoke }: { smoke: boolean }): Promise<void> {
  for (const name of given) {
    if (!(name in suites)) command.error(`bench: no suite "${name}"`);
  }
  for (const [name, measure] of Object.entries(suites)) {
    if (given.length > 0 && !given.includes(name)) continue;
    // The large model alone takes minutes to prepare.
    if (smoke && name === "attention-profiles") continue;
    const tables = await measure({ repetitions: smoke ? 1 : 30, large: !smoke });
    if (smoke)
      console.log(`${name}: ${tables.map(({ rows }) => `${rows.length} rows`).join(", ")}`);
    else console.log(await writeResults(name, `npm run bench -- ${name}`, tables));
  }
}
