import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeGguf } from "./gguf-writer.ts";

const main = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const tiny = fileURLToPath(new URL("../../../models/frugal-tiny/", import.meta.url));
const fixture = (name: string): string =>
  fileURLToPath(new URL(`fixtures/${name}.json`, import.meta.url));
const split = fixture("byte-level-split");

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program from its sources, without a build. */
function runWith(input: string, ...args: string[]): Promise<Outcome> {
  const node = ["--conditions=@frugal/source", "--disable-warning=ExperimentalWarning", main];
  const child = spawn(process.execPath, [...node, ...args]);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  // A program that stops before it has read everything closes its end.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

const run = (...args: string[]): Promise<Outcome> => runWith("", ...args);

async function output(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "frugal-tokenizers-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("what it answers", { timeout: 60_000 }, () => {
  test("ids of texts, from arguments, files and the standard input", async () => {
    expect(await output("encode", tiny, "Hello, world!", " ")).toBe("3400 60 876 49\n48\n");
    const path = join(folder, "text.txt");
    await writeFile(path, "Hello, world!");
    expect(await output("encode", tiny, "-f", path)).toBe("3400 60 876 49\n");
    expect((await runWith("Hello, world!", "encode", tiny)).stdout).toBe("3400 60 876 49\n");
  });

  test("a JSON object for each text", async () => {
    const [whole, bare] = [
      await output("encode", split, "--json", "a 😀"),
      await output("encode", split, "--json", "--no-template", "a 😀"),
    ].map((line) => JSON.parse(line) as { ids: number[]; tokens: string[]; offsets: number[] });
    expect(whole!.tokens[0]).toBe("<|start|>");
    expect(whole!.ids.slice(1)).toEqual(bare!.ids);
    expect(bare!.offsets.slice(0, 2)).toEqual([0, 1]);
    expect(bare!.offsets.at(-1)).toBe(4);
  });

  test("special tokens in a text as tokens or as text", async () => {
    expect(await output("encode", tiny, "<|end|>")).toBe("4\n");
    expect(await output("encode", tiny, "--no-special", "<|end|>")).not.toBe("4\n");
  });

  test("text of ids", async () => {
    expect(await output("decode", tiny, "3400", "60", "876,49")).toBe("Hello, world!\n");
    const { stdout } = await runWith("[3400, 60, 876, 49, 4]", "decode", tiny, "--skip-special");
    expect(stdout).toBe("Hello, world!\n");
    expect(JSON.parse(await output("decode", tiny, "--json", "4"))).toEqual({ text: "<|end|>" });
  });

  test("how many tokens, and whether they fit", async () => {
    expect(await output("count", tiny, "Hello, world!", "")).toBe("4\n0\n");
    expect(await output("count", tiny, "--limit", "4", "Hello, world!")).toBe("4\n");
    const over = await run("count", tiny, "--limit", "3", "Hello, world!");
    expect(over).toEqual({ code: 1, stdout: "more than 3\n", stderr: "" });
    const json = await output("count", tiny, "--json", "--limit", "9", "Hello, world!");
    expect(JSON.parse(json)).toEqual({ count: 4, limit: 9, fits: true });
  });

  test("where two tokenizers differ", async () => {
    const same = await output("compare", tiny, tiny, "The boat came home.");
    expect(same).toBe("5 and 5 tokens, the same ids, 0 places cut differently\n");
    const other = await run("compare", tiny, split, "--json", "The boat came home.");
    expect(other.code).toBe(1);
    const { counts, sameIds, differences } = JSON.parse(other.stdout) as {
      counts: number[];
      sameIds: boolean;
      differences: { start: number; end: number; text: string; tokens: string[][] }[];
    };
    expect(sameIds).toBe(false);
    expect(counts[0]).toBe(5);
    expect(differences.length).toBeGreaterThan(0);
    for (const { start, end, text, tokens } of differences) {
      expect("The boat came home.".slice(start, end)).toBe(text);
      expect(tokens[0]).not.toEqual(tokens[1]);
    }
  });

  test("the older pair of files", async () => {
    const pair = await mkdtemp(join(folder, "pair-"));
    await writeFile(join(pair, "vocab.json"), '{"a":0,"b":1,"ab":2,"!":3}');
    await writeFile(join(pair, "merges.txt"), "#version: 0.2\na b\n");
    expect(await output("encode", pair, "ab!ba")).toBe("2 3 1 0\n");
    expect(await output("encode", join(pair, "vocab.json"), "a")).toBe("0\n");
  });

  test("another format as a tokenizer.json", async () => {
    const pair = await mkdtemp(join(folder, "pair-"));
    await writeFile(join(pair, "vocab.json"), '{"a":0,"b":1,"ab":2,"!":3}');
    await writeFile(join(pair, "merges.txt"), "#version: 0.2\na b\n");
    const path = join(pair, "converted.json");
    expect(await output("convert", pair, "-o", path)).toBe("");
    expect(await output("encode", path, "ab!ba")).toBe("2 3 1 0\n");
    expect(JSON.parse(await output("convert", pair))).toMatchObject({ model: { type: "BPE" } });
    const nowhere = await run("convert", pair, "-o", join(pair, "no", "where.json"));
    expect(nowhere.code).toBe(2);
    expect(nowhere.stderr).toMatch(/^error: [^\n]+expected a file to write, got ENOENT\n$/);
  });

  test("a list of word pieces", async () => {
    const path = join(folder, "vocab.txt");
    await writeFile(path, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nboat\n##s\n");
    expect(await output("encode", path, "Boats")).toBe("2 5 6 3\n");
    await writeFile(join(folder, "tokenizer_config.json"), '{"do_lower_case": false}');
    expect(await output("encode", path, "Boats")).toBe("2 1 3\n");
  });

  test("the vocabulary of a GGUF file", async () => {
    const path = join(folder, "model.gguf");
    const tokens = ["<unk>", "<s>", "</s>", "\u2581", "a", "b", "ab", "\u2581ab"];
    await writeFile(
      path,
      writeGguf({
        "general.architecture": [8, "llama"],
        "tokenizer.ggml.model": [8, "llama"],
        "tokenizer.ggml.tokens": [9, [8, tokens]],
        "tokenizer.ggml.scores": [9, [6, tokens.map((_, id) => -id)]],
        "tokenizer.ggml.token_type": [9, [5, tokens.map((_, id) => [2, 3, 3][id] ?? 1)]],
        "tokenizer.ggml.bos_token_id": [4, 1],
        "tokenizer.ggml.unknown_token_id": [4, 0],
      }),
    );
    expect(await output("encode", path, "ab ba")).toBe("1 7 3 5 4\n");
    expect(await output("decode", path, "7", "3", "5", "4")).toBe("ab ba\n");
    expect(await output("count", path, "--no-template", "ab")).toBe("1\n");
    const converted = join(folder, "from-gguf.json");
    expect(await output("convert", path, "-o", converted)).toBe("");
    expect(await output("encode", converted, "ab ba")).toBe("1 7 3 5 4\n");
    expect(await output("compare", path, converted, "ab ba")).toContain("the same ids");
    await writeFile(path, "GGUF");
    const { code, stderr } = await run("encode", path, "x");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: [^\n]+expected the metadata of GGUF, got a file cut short\n$/);
  });

  test("its version", async () => {
    const file = new URL("../package.json", import.meta.url);
    const { version } = JSON.parse(await readFile(file, "utf8")) as { version: string };
    expect(await output("--version")).toBe(`${version}\n`);
  });

  test("help", async () => {
    expect(await output("--help")).toContain("compare");
    expect(await output("encode", "--help")).toContain("--no-template");
  });
});

describe("what it refuses, in one line and with code 2", { timeout: 60_000 }, () => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    ["an unknown command", ["frobnicate"], "unknown command"],
    ["an unknown option", ["encode", "--frobnicate", split], "unknown option"],
    ["no tokenizer", ["encode"], "missing required argument"],
    ["a missing file", ["encode", "nowhere/tokenizer.json", "x"], "no such file"],
    ["a missing text", ["encode", split, "-f", "nowhere.txt"], "nowhere.txt: expected a file"],
    ["a model that is none", ["encode", join(tiny, "no.model"), "x"], "no such file"],
    ["another kind of file", ["encode", main, "x"], "cli.ts: expected a tokenizer.json"],
    ["a file that is no tokenizer", ["encode", fixture("texts"), "x"], "tokenizer.json"],
    ["words for ids", ["decode", split, "x"], 'got "x"'],
    ["an id without a token", ["decode", split, "999999"], "ids[0]: expected an id"],
    ["a limit that is no number", ["count", split, "--limit", "-1", "x"], "--limit"],
  ];
  test.each(cases)("%s", async (_, args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^error: [^\n]+\n$/);
    expect(stderr).toContain(message);
  });

  test("words for ids on the standard input", async () => {
    const { code, stderr } = await runWith("12 x", "decode", split);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: standard input: [^\n]+"x"\.\n$/);
  });

  test("a folder without a tokenizer", async () => {
    const empty = await mkdtemp(join(folder, "empty-"));
    const { code, stderr } = await run("encode", empty, "x");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: [^\n]*expected a tokenizer file in it, got none\n$/);
  });

  test("ranks whose encoding it cannot tell", async () => {
    const path = join(folder, "unknown.tiktoken");
    await writeFile(path, "IQ== 0\n");
    const { code, stderr } = await run("encode", path, "x");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: [^\n]*expected the name of an encoding[^\n]*\n$/);
  });
});

test("a reader that has seen enough is no error", { timeout: 60_000 }, async () => {
  const node = ["--conditions=@frugal/source", "--disable-warning=ExperimentalWarning", main];
  const child = spawn(process.execPath, [...node, "encode", split]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  child.stdin.on("error", () => {});
  child.stdout.destroy();
  child.stdin.end("a word ".repeat(200_000));
  const code = await new Promise((resolve) => child.on("close", resolve));
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
