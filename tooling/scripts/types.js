// Type-checks every folder that has a tsconfig.json, a few at a time.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";

import { childrenOf, environment, node, root } from "./install.js";

const tsc = join(root, "node_modules/typescript/bin/tsc");

/** Folders with a tsconfig.json, relative to the root. */
function projects() {
  const parents = ["packages", "examples", "tooling"].flatMap(childrenOf);
  return [".", "bench", ...parents.flatMap((folder) => [folder, join(folder, "test")])].filter(
    (folder) => existsSync(join(root, folder, "tsconfig.json")),
  );
}

/**
 * @param {string} folder
 * @returns {Promise<boolean>} whether it type-checks.
 */
function check(folder) {
  return new Promise((resolve) => {
    const args = [tsc, "--noEmit", "--pretty", "false", "-p", folder];
    const child = spawn(node, args, { cwd: root, env: environment() });
    /** @type {string[]} */
    const output = [];
    child.stdout.on("data", (text) => output.push(String(text)));
    child.stderr.on("data", (text) => output.push(String(text)));
    child.on("close", (code) => {
      console.log(`${code === 0 ? "ok  " : "FAIL"} ${folder}\n${output.join("")}`.trimEnd());
      resolve(code === 0);
    });
  });
}

const queue = projects();
let succeeded = true;

async function worker() {
  for (let folder = queue.shift(); folder !== undefined; folder = queue.shift()) {
    succeeded = (await check(folder)) && succeeded;
  }
}

await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
process.exitCode = succeeded ? 0 : 1;
