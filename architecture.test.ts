import { existsSync, readdirSync, readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import {
  checkManifest,
  requiredFiles,
  type Manifest,
} from "./tooling/architecture/check-manifest.ts";
import {
  checkSource,
  commandLineRule,
  isCommandLine,
} from "./tooling/architecture/check-source.ts";
import { rules } from "./tooling/architecture/rules.ts";

const packages = new URL("./packages/", import.meta.url);
const names = readdirSync(packages, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

test("every package has a rule", () => {
  expect(Object.keys(rules)).toEqual(expect.arrayContaining(names));
});

describe.for(names.filter((name) => name in rules))("%s", (name) => {
  const folder = new URL(`${name}/`, packages);
  const rule = rules[name]!;

  test("has the files of a package", () => {
    const missing = requiredFiles.filter((file) => !existsSync(new URL(file, folder)));
    expect(missing).toEqual([]);
  });

  test("declares only what the design allows", () => {
    const manifest = readFileSync(new URL("package.json", folder), "utf8");
    expect(checkManifest(name, JSON.parse(manifest) as Manifest, rule)).toEqual([]);
  });

  test("imports and uses only what the design allows", () => {
    const src = new URL("src/", folder);
    const found = readdirSync(src, { encoding: "utf8", recursive: true })
      .filter((path) => path.endsWith(".ts"))
      .flatMap((path) =>
        checkSource(
          readFileSync(new URL(path, src), "utf8"),
          isCommandLine(path) ? commandLineRule(name, rule) : rule,
        ).map((violation) => `${path}, ${violation}`),
      );
    expect(found).toEqual([]);
  });

  test("carries the project's license", () => {
    const license = new URL("./LICENSE", import.meta.url);
    expect(readFileSync(new URL("LICENSE", folder), "utf8")).toBe(readFileSync(license, "utf8"));
  });
});
