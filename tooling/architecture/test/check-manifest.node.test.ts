import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { checkManifest, type Manifest } from "../check-manifest.ts";
import { rules } from "../rules.ts";

const core = JSON.parse(
  readFileSync(new URL("../../../packages/core/package.json", import.meta.url), "utf8"),
) as Manifest;

/** The manifest of core under another name, with changes. */
function decoding(changes: Manifest = {}): string[] {
  const manifest = {
    ...core,
    name: "@frugal/decoding",
    repository: { directory: "packages/decoding" },
    dependencies: { "@frugal/core": "workspace:^" },
    ...changes,
  };
  return checkManifest("decoding", manifest, rules["decoding"]!);
}

describe("checkManifest", () => {
  test("accepts a manifest that follows the rules", () => {
    expect(decoding()).toEqual([]);
  });

  test.for<[string, Manifest, string]>([
    ["a sibling", { dependencies: { "@frugal/kv-cache": "workspace:^" } }, "@frugal/kv-cache"],
    ["an outside package", { dependencies: { lodash: "^4.0.0" } }, "depends on lodash"],
    ["an exact internal range", { dependencies: { "@frugal/core": "workspace:*" } }, "workspace:*"],
    ["a peer", { peerDependencies: { "onnxruntime-node": "^1.30.0" } }, "as a peer"],
    ["a wrong name", { name: "@frugal/decode" }, "is called @frugal/decode"],
    ["a wrong folder", { repository: { directory: "packages/core" } }, "as its folder"],
    ["side effects", { sideEffects: true }, "as sideEffects"],
    ["CommonJS", { type: "commonjs" }, "as type"],
    ["published tests", { files: ["dist", "src", "test"] }, "as files"],
    ["another Node", { engines: { node: ">=20" } }, "as engines"],
    ["a wildcard export", { exports: { "./*": "./dist/*.js" } }, "as exports"],
    [
      "conditions in another order",
      {
        exports: {
          ".": {
            types: "./dist/index.d.ts",
            "@frugal/source": "./src/index.ts",
            default: "./dist/index.js",
          },
          "./package.json": "./package.json",
        },
      },
      "as exports",
    ],
  ])("rejects %s", ([, changes, message]) => {
    const found = decoding(changes);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(message);
  });
});
