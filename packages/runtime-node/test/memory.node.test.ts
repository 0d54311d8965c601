import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { expect, test } from "vitest";

import { tinyFolder } from "./tiny-models.ts";

/**
 * Runs a script in a process of its own, where nothing else allocates, and returns by how many
 * megabytes the memory it occupies grew between its two calls of `mark`.
 */
async function growth(script: string): Promise<number> {
  const source = new URL("../src/index.ts", import.meta.url).href;
  const whole = `
    import { loadModel } from ${JSON.stringify(source)};
    const folder = ${JSON.stringify(fileURLToPath(tinyFolder("frugal-tiny-draft")))};
    const marks = [];
    const mark = () => {
      gc();
      marks.push(process.memoryUsage().rss / 2 ** 20);
    };
    ${script}
    console.log(JSON.stringify(marks));
  `;
  const args = ["--expose-gc", "--conditions=@frugal/source", "--input-type=module", "-e", whole];
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, timeout: 60_000 });
  const [before, after] = JSON.parse(stdout) as [number, number];
  if (process.env["MEASURE"] !== undefined) console.log(stdout.trim());
  return after - before;
}

test("2,000 steps in a bounded cache do not grow the process", { timeout: 60_000 }, async () => {
  const grown = await growth(`
    const model = await loadModel(folder, { inline: true });
    const sequence = await model.createSequence();
    const kept = Uint32Array.from({ length: 64 }, (_, i) => (i < 4 ? i : i + 1));
    for (let i = 0; i < 2300; i++) {
      if (i === 300) mark();
      const tokens = Uint32Array.of(i % 4000);
      await sequence.step({ tokens }, { logits: i % 2 === 0 ? "last" : { top: 8 } });
      if (sequence.length === 65) await sequence.keep(kept);
    }
    mark();
  `);
  expect(grown).toBeLessThan(30);
});

test(
  "20 cycles of loading and disposing do not grow the process",
  { timeout: 60_000 },
  async () => {
    const grown = await growth(`
    for (let i = 0; i < 25; i++) {
      if (i === 5) mark();
      const model = await loadModel(folder, { inline: true });
      const sequence = await model.createSequence();
      await sequence.step({ tokens: Uint32Array.of(1, 2, 3) }, { logits: "last" });
      await model.dispose();
    }
    mark();
  `);
    // A model that is not freed costs its weights and its session each time: 20 times 5 MB and more.
    expect(grown).toBeLessThan(30);
  },
);
