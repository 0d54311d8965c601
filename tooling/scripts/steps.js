import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { environment, node, root } from "./install.js";

/**
 * How many checks passed, failed and were skipped.
 *
 * @typedef {{ passed: number, failed: number, skipped: number }} Tally
 */

/**
 * One part of the check: a heading and what it runs. `tally` reads the counts of a step that is
 * many checks; every other step is one check.
 *
 * @typedef {object} Step
 * @property {string} name
 * @property {() => Promise<boolean>} run
 * @property {(succeeded: boolean) => Tally} [tally]
 */

/** Where vitest writes its counts. */
const reports = {
  tests: join(root, "node_modules/.frugal-tests.json"),
  playground: join(root, "node_modules/.frugal-playground.json"),
  pages: join(root, "node_modules/.frugal-pages.json"),
};

/**
 * Runs a program in the root folder with its output passed through.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} [extra] added to the environment.
 * @returns {Promise<boolean>} whether it succeeded.
 */
function run(command, args, extra) {
  return new Promise((resolve) => {
    const shell = process.platform === "win32" && command !== node;
    const child = spawn(command, args, {
      cwd: root,
      env: environment(extra),
      stdio: ["ignore", "inherit", "inherit"],
      shell,
    });
    child.on("error", (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(false);
    });
    child.on("close", (code) => resolve(code === 0));
  });
}

/**
 * The whole check, in order. Up to the tests everything runs from the sources, without a build.
 *
 * @param {string} chromium path of the browser.
 * @returns {Step[]}
 */
export function allSteps(chromium) {
  const quiet = "--output-logs=errors-only";
  /** @type {Step[]} */
  const steps = [
    { name: "format", run: () => run("oxfmt", ["--check"]) },
    { name: "lint", run: () => run("oxlint", ["--deny-warnings"]) },
    { name: "types", run: () => run(node, ["tooling/scripts/types.js"]) },
    {
      name: "tests",
      run: () => runTests(reports.tests, [], chromium),
      tally: (succeeded) => tallyTests(reports.tests, succeeded),
    },
    { name: "build", run: () => run("turbo", ["run", "build", quiet]) },
    // The built page in a browser: what users of the packages see.
    {
      name: "playground",
      run: () => runTests(reports.playground, ["--root", "examples/03-playground"], chromium),
      tally: (succeeded) => tallyTests(reports.playground, succeeded),
    },
    // The same in other pages: of other bundlers, and of none.
    {
      name: "pages",
      run: () => runTests(reports.pages, ["--root", "tooling/pages"], chromium),
      tally: (succeeded) => tallyTests(reports.pages, succeeded),
    },
    // On built output: also the first time that the packages run as users get them.
    {
      name: "bench",
      run: () => run(node, ["bench/src/main.ts", "--smoke"], { CHROMIUM: chromium }),
    },
    { name: "package", run: () => run("turbo", ["run", "package", quiet]) },
    { name: "size", run: () => run("size-limit", []) },
    { name: "knip", run: () => run("knip", []) },
  ];
  const base = changesetBase();
  if (base !== null) {
    steps.push({ name: "changeset", run: () => run("changeset", ["status", `--since=${base}`]) });
  }
  return steps;
}

/**
 * Runs steps in order and stops at the first that fails.
 *
 * @param {Step[]} steps
 * @returns {Promise<Tally>}
 */
export async function runSteps(steps) {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, run: runStep, tally } of steps) {
    console.log(`\n=== ${name}`);
    const start = process.hrtime.bigint();
    const succeeded = await runStep();
    const seconds = (Number(process.hrtime.bigint() - start) / 1e9).toFixed(1);
    console.log(`=== ${name}: ${succeeded ? "passed" : "FAILED"} in ${seconds} s`);
    const counts = tally?.(succeeded) ?? single(succeeded);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    if (!succeeded) break;
  }
  return total;
}

/**
 * @param {string} report
 * @param {string[]} args
 * @param {string} chromium
 */
function runTests(report, args, chromium) {
  rmSync(report, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  return run("vitest", ["run", ...args, ...reporters], { CHROMIUM: chromium });
}

/**
 * Vitest's own counts. A run can fail without a failed test (a file that does not load, an error
 * outside a test); that counts as one.
 *
 * @param {string} report
 * @param {boolean} succeeded
 * @returns {Tally}
 */
function tallyTests(report, succeeded) {
  if (!existsSync(report)) return single(succeeded);
  const counts = JSON.parse(readFileSync(report, "utf8"));
  const failed = counts.numFailedTests;
  return {
    passed: counts.numPassedTests,
    failed: succeeded ? failed : Math.max(1, failed),
    skipped: counts.numPendingTests + counts.numTodoTests,
  };
}

/**
 * @param {boolean} succeeded
 * @returns {Tally}
 */
function single(succeeded) {
  return { passed: succeeded ? 1 : 0, failed: succeeded ? 0 : 1, skipped: 0 };
}

/**
 * What a pull request is compared with to see whether it brings a changeset. Null outside of pull
 * requests, and for the pull request that consumes the changesets.
 */
function changesetBase() {
  const base = process.env["GITHUB_BASE_REF"];
  if (!base || process.env["GITHUB_HEAD_REF"]?.startsWith("changeset-release/")) return null;
  return `origin/${base}`;
}
