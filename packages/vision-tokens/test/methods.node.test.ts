import { existsSync, readdirSync, readFileSync } from "node:fs";

import { expect, test } from "vitest";

import * as package_ from "../src/index.ts";

const { methods } = package_;
const pages = new URL("../../../docs/algorithms/", import.meta.url);
const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const texts = new Map(
  readdirSync(pages).map((name) => [name, readFileSync(new URL(name, pages), "utf8")]),
);

/** Rows of the README's tables, cell by cell. */
const table = readme
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

const namesIn = (cell: string): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name!);

test.each(methods)("$function is in a table of the README, with its source", (method) => {
  const rows = table.filter((cells) => namesIn(cells[1]!).includes(method.function));
  expect(rows.length).toBeGreaterThan(0);
  expect(rows.some((cells) => cells.at(-2) === method.source || !isPaper(method))).toBe(true);
});

test.each(methods)("$function has a page that names its source", ({ function: name, source }) => {
  const own = [...texts.values()].filter((text) => text.includes(`\`${name}\``));
  const number = /\d{4}\.\d{5}/.exec(source)?.[0] ?? "";
  expect(own.some((text) => text.includes(number))).toBe(true);
});

test("the README's tables name nothing that is not there", () => {
  const exports: Readonly<Record<string, unknown>> = package_;
  for (const cells of table) {
    for (const name of namesIn(cells[1]!)) expect(exports).toHaveProperty(name);
  }
});

test("every page of the README says which tests show it, and those exist", () => {
  const linked = [...readme.matchAll(/docs\/algorithms\/([\w-]+\.md)/g)].map(([, name]) => name!);
  expect(linked.length).toBeGreaterThan(10);
  const own = [...texts].filter(
    ([name, text]) => linked.includes(name) || text.includes("@frugal/vision-tokens`:"),
  );
  const evidence = own.map(([, text]) => text.split("## Evidence")[1] ?? "");
  const paths = evidence.map((text) => text.match(/packages\/[\w./-]+\w/g) ?? []);
  expect(own.filter((_, i) => paths[i]!.length === 0)).toEqual([]);
  const isThere = (path: string): boolean =>
    existsSync(new URL(`../../../${path}`, import.meta.url));
  expect(paths.flat().filter((path) => !isThere(path))).toEqual([]);
});

function isPaper({ source }: package_.MethodInfo): boolean {
  return source.startsWith("arXiv:");
}
