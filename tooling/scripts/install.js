import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

const windows = process.platform === "win32";

/** The Node the project develops with; it is one of the installed dependencies. */
export const node = join(root, "node_modules/node/bin", windows ? "node.exe" : "node");

/** Remembers what was installed and built, so that a second run does nothing. */
const stamps = {
  install: join(root, "node_modules/.frugal-install"),
  build: join(root, "node_modules/.frugal-build"),
};

/**
 * The environment of every tool: the project's own programs first on PATH, no telemetry, no notices.
 *
 * @param {Record<string, string>} [extra]
 * @returns {NodeJS.ProcessEnv}
 */
export function environment(extra = {}) {
  /** @type {NodeJS.ProcessEnv} */
  const env = { ...process.env, DO_NOT_TRACK: "1", TURBO_TELEMETRY_DISABLED: "1" };
  env["TURBO_NO_UPDATE_NOTIFIER"] = "1";
  // `npm run --silent` would silence the errors of the package manager too.
  delete env["npm_config_loglevel"];
  const path = Object.keys(env).find((key) => key.toUpperCase() === "PATH") ?? "PATH";
  env[path] = join(root, "node_modules/.bin") + delimiter + (env[path] ?? "");
  return Object.assign(env, extra);
}

/**
 * Runs a program and waits for it. What it prints goes to standard error, which leaves standard
 * output to the program the user asked for.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {string} [cwd]
 * @returns {boolean} whether it succeeded.
 */
function runQuietly(command, args, cwd = root) {
  const { status, error } = spawnSync(command, args, {
    cwd,
    // CI=true: nothing asks a question.
    env: environment({ CI: "true" }),
    stdio: ["ignore", 2, 2],
    shell: windows,
  });
  if (error) console.error(`${command}: ${error.message}`);
  return status === 0;
}

/**
 * Installs the dependencies with the pinned pnpm, unless what is installed is what the lockfile and
 * the manifests ask for.
 *
 * @returns {boolean} whether the dependencies are there.
 */
export function install() {
  const wanted = digest(manifests());
  if (existsSync(node) && readOr(stamps.install, "") === wanted) return true;
  const { packageManager, devDependencies } = rootManifest();
  console.error(`Installing dependencies with ${packageManager} ...`);
  // The packages will run on the Node that is being installed, not on the one that installs it.
  const args = ["--dir", root, "install", "--frozen-lockfile"];
  args.push(`--config.node-version=${devDependencies["node"]}`);
  // Outside of the project, or npx would start the project's own pnpm, which the installation may
  // replace while it runs.
  if (!runQuietly("npx", ["--yes", packageManager, ...args], homedir())) {
    console.error("The dependencies could not be installed; the reason is above.");
    return false;
  }
  writeFileSync(stamps.install, wanted);
  return true;
}

/**
 * Builds the packages that a workspace folder depends on, unless sources and output are those of
 * the last build.
 *
 * @param {string} folder relative to the root.
 * @returns {boolean} whether the packages are built.
 */
export function buildFor(folder) {
  const last = readOr(stamps.build, "");
  if (last === folder + buildState()) return true;
  console.error("Building the packages ...");
  const args = ["run", "build", `--filter=./${folder}...`, "--output-logs=errors-only"];
  if (!runQuietly("turbo", args)) {
    console.error("The packages could not be built; the reason is above.");
    return false;
  }
  writeFileSync(stamps.build, folder + buildState());
  return true;
}

/** @returns {{ packageManager: string, devDependencies: Record<string, string> }} */
function rootManifest() {
  return JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
}

/** The files that decide what an installation contains. */
function manifests() {
  const folders = [".", "bench", ...["packages", "examples", "tooling"].flatMap(childrenOf)];
  return [
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    ".npmrc",
    ...folders.map((folder) => join(folder, "package.json")),
  ].filter((file) => existsSync(join(root, file)));
}

/** Digest of everything a build reads, with size and time of everything it wrote. */
function buildState() {
  const folders = childrenOf("packages");
  const sources = folders.flatMap((folder) => [
    ...["package.json", "tsconfig.json", "tsup.config.ts"].map((file) => join(folder, file)),
    ...filesBelow(join(folder, "src")),
  ]);
  const shared = ["tsconfig.base.json", "turbo.json", "pnpm-lock.yaml"];
  const present = [...shared, ...sources].filter((file) => existsSync(join(root, file)));
  const written = folders
    .flatMap((folder) => filesBelow(join(folder, "dist")))
    .map((file) => statSync(join(root, file)))
    .map((stat) => `${stat.size}:${stat.mtimeMs}`);
  return digest(present) + written.join();
}

/**
 * The folders in a folder of the repository, sorted.
 *
 * @param {string} folder relative to the root.
 * @returns {string[]} relative to the root.
 */
export function childrenOf(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(folder, entry.name))
    .toSorted();
}

/** @param {string} folder */
function filesBelow(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { encoding: "utf8", recursive: true })
    .map((file) => join(folder, file))
    .filter((file) => statSync(join(root, file)).isFile())
    .toSorted();
}

/** @param {string[]} files relative to the root. */
function digest(files) {
  const hash = createHash("sha256");
  for (const file of files) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

/**
 * @param {string} file
 * @param {string} otherwise
 */
function readOr(file, otherwise) {
  return existsSync(file) ? readFileSync(file, "utf8") : otherwise;
}
