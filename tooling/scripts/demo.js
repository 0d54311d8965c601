// Installs and builds what is missing, then runs the first example with the arguments given.
// Standard output carries the example's output and nothing else.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";

import { buildFor, environment, install, node, root } from "./install.js";

const example = "examples/01-generate-node";
const entry = join(root, example, "src/main.ts");

if (!existsSync(entry)) {
  console.error(`${example}/src/main.ts is missing from this checkout`);
  process.exit(1);
}
if (!install() || !buildFor(example)) process.exit(1);

const child = spawn(node, [entry, ...process.argv.slice(2)], {
  cwd: root,
  env: environment(),
  stdio: "inherit",
});
// Ctrl-C reaches both processes; the example decides what it means.
process.on("SIGINT", () => {});
child.on("error", (error) => {
  console.error(`${node}: ${error.message}`);
  process.exitCode = 1;
});
child.on("exit", (code, signal) => {
  process.exitCode = code ?? 128 + (signal ? constants.signals[signal] : 0);
});
