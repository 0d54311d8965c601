import { describe, expect, test } from "vitest";

import { checkSource, commandLineRule, isCommandLine } from "../check-source.ts";
import { rules } from "../rules.ts";

const decoding = rules["decoding"]!;

describe("checkSource", () => {
  test.for([
    'import { softmax } from "@frugal/core";',
    'import { verifyDraft } from "./verify-draft.ts";',
    'export * from "./events.ts";',
    "// import { readFileSync } from 'node:fs'; uses process and document",
    'const text = "process.exit(), window";',
    "const text = `window ${1} document`;",
    "export function keep(window: number): number { return window + 1; }",
    "export const keep = ({ window = 4 }: { window?: number }) => ({ window });",
    "interface Options { readonly window: number; readonly process: string }",
    "export const size = (options: { window: number }) => options.window;",
    "export const options = { document: 1, fetch() {} };",
    "export const pi = Math.PI;",
  ])("accepts %s", (text) => {
    expect(checkSource(text, decoding)).toEqual([]);
  });

  test.for([
    ['import { keep } from "@frugal/kv-cache";', "imports @frugal/kv-cache"],
    ['import type { Keep } from "@frugal/kv-cache";', "imports @frugal/kv-cache"],
    ['export { keep } from "@frugal/kv-cache";', "imports @frugal/kv-cache"],
    ['import "@frugal/runtime";', "imports @frugal/runtime"],
    ['import { readFileSync } from "node:fs";', "imports node:fs"],
    ['import fs from "fs";', "imports fs"],
    ["import x from 'lodash';", "imports lodash"],
    ['const fs = await import("node:fs");', "imports node:fs"],
    ["const fs = await import(`node:fs`);", "imports node:fs"],
    ['const name = "node:" + "fs"; await import(name);', "imports a computed name"],
    ['type Stats = import("node:fs").Stats;', "imports node:fs"],
    ["const cores = process.env;", "uses process"],
    ["const cores = globalThis.process;", "uses globalThis.process"],
    ["const bytes = Buffer.from([1]);", "uses Buffer"],
    ["export function f(bytes: Buffer): void {}", "uses Buffer"],
    ["document.title = 'x';", "uses document"],
    ["const has = typeof window !== 'undefined';", "uses window"],
    ["export const all = { navigator };", "uses navigator"],
    ["console.log(1);", "uses console"],
    ["const r = Math.random();", "uses Math.random"],
    ["const r = { random: Math.random };", "uses Math.random"],
    ["const t = Date.now();", "uses Date.now"],
  ])("rejects %s", ([text, message]) => {
    expect(checkSource(text!, decoding)).toEqual([`line 1: ${message}`]);
  });

  test("says where", () => {
    expect(checkSource("\n\nprocess.exit();", decoding)).toEqual(["line 3: uses process"]);
  });

  test("a command line may use Node, its parser and its package, and nothing imports it", () => {
    const rule = rules["tokenizers"]!;
    const text =
      'import { readFile } from "node:fs/promises"; import { Command } from "commander"; ' +
      'import { createTokenizer } from "@frugal/tokenizers"; process.exit();';
    expect(["cli.ts", "cli/main.ts"].every(isCommandLine)).toBe(true);
    expect(["index.ts", "client.ts", "models/cli.ts"].some(isCommandLine)).toBe(false);
    expect(checkSource(text, commandLineRule("tokenizers", rule))).toEqual([]);
    expect(checkSource(text, rule)).toHaveLength(4);
    // A package without one has no exceptions.
    expect(commandLineRule("decoding", decoding)).toBe(decoding);
    for (const id of ["./cli.ts", "./cli/main.ts", "../cli/main.ts"]) {
      expect(checkSource(`import "${id}";`, rule)).toEqual([`line 1: imports ${id}`]);
    }
    expect(checkSource('import "./client.ts";', rule)).toEqual([]);
    const other = 'import lodash from "lodash"; import "@frugal/decoding";';
    expect(checkSource(other, commandLineRule("tokenizers", rule))).toHaveLength(2);
  });

  test("runtime-node may use Node, and only Node", () => {
    const rule = rules["runtime-node"]!;
    expect(
      checkSource('import { readFile } from "node:fs/promises"; process.exit();', rule),
    ).toEqual([]);
    expect(checkSource('import * as ort from "onnxruntime-web";', rule)).toEqual([
      "line 1: imports onnxruntime-web",
    ]);
    expect(checkSource('import { generate } from "@frugal/decoding";', rule)).toHaveLength(1);
  });
});
