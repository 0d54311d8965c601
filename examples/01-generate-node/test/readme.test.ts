import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));

test("the composed example of the README runs", { timeout: 60_000 }, async () => {
  const readme = readFileSync(join(root, "README.md"), "utf8");
  const [, code] = /```ts\n([\s\S]*?)```/.exec(readme)!;
  // Beside this file, so that the packages resolve as they do for the example.
  const folder = await mkdtemp(join(here, "readme-"));
  try {
    const file = join(folder, "example.ts");
    await writeFile(file, code!);
    const node = ["--conditions=@frugal/source", "--disable-warning=ExperimentalWarning", file];
    const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: root });
    expect(stdout).toContain(" Lily");
    expect(stdout.length).toBeGreaterThan(100);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
