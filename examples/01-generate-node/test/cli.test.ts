import { spawn } from "node:child_process";
import { cp, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { draftNames } from "../src/drafters.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const models = fileURLToPath(new URL("../../../models/", import.meta.url));

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program from its sources, without a build. */
function run(...args: string[]): Promise<Outcome> {
  return runWith("", ...args);
}

function runWith(input: string, ...args: string[]): Promise<Outcome> {
  const node = ["--conditions=@frugal/source", "--disable-warning=ExperimentalWarning", main];
  const child = spawn(process.execPath, [...node, ...args]);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  child.stdin.end(input);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, stdout, stderr })));
}

interface Output {
  readonly text: string;
  readonly ids: readonly number[];
  readonly finish: string;
  readonly stats: Readonly<Record<string, number>>;
  readonly compare?: { readonly equal: boolean; readonly ratio: number };
}

async function json(...args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await run("--json", ...args);
  expect(stderr).toBe("");
  expect(code).toBe(0);
  expect(stdout.trimEnd().split("\n")).toHaveLength(1);
  return JSON.parse(stdout) as Output;
}

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "frugal-cli-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("what it answers", { timeout: 60_000 }, () => {
  test("the embedded model's built-in tasks", async () => {
    expect((await json("--task", "passkey")).text.trim()).toBe("48213");
    expect((await json("--task", "table")).text.trim()).toBe("5");
    expect(JSON.parse((await json("--task", "json")).text)).toEqual({
      name: "Tom",
      age: 7,
      city: "York",
      happy: true,
    });
  });

  test("a text, then a line of statistics", async () => {
    const { code, stdout } = await run("--max-tokens", "20", "--draft", "lookup");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Story: Once upon a time there was a fox named Lily\. \S/);
    expect(stdout).toMatch(
      /\n\n20 tokens · \d+ tokens\/s · \d\.\d\d tokens per step · first token after \d+ ms · \d+ MB\n$/,
    );
  });

  test("its options, and a line for each way to draft", async () => {
    const { code, stdout } = await run("--help");
    expect(code).toBe(0);
    for (const name of draftNames) expect(stdout).toMatch(new RegExp(`^  ${name} +\\S`, "m"));
  });

  test("one JSON object, the same for the same seed", async () => {
    const options = ["--prompt", "The little girl opened the door and saw", "--max-tokens", "24"];
    const first = await json(...options, "--seed", "7");
    expect(first.ids).toHaveLength(24);
    expect(first.stats["tokensPerSecond"]).toBeGreaterThan(0);
    expect(first.stats["tokensPerStep"]).toBeGreaterThanOrEqual(1);
    expect(first.stats["timeToFirstTokenMs"]).toBeGreaterThan(0);
    expect((await json(...options, "--seed", "7", "--draft", "none")).text).toBe(first.text);
    expect((await json(...options, "--seed", "8")).text).not.toBe(first.text);
  });

  test.for(["lookup", "model", "kangaroo", "layerskip", "medusa", "eagle", "sequoia", "lookahead"])(
    "equal text with and without --draft %s",
    async (draft) => {
      const { compare } = await json("--compare", "--draft", draft, "--max-tokens", "48");
      expect(compare?.equal).toBe(true);
      expect(compare?.ratio).toBeGreaterThan(0);
    },
  );

  test("a conversation, a prompt from standard input, a window", async () => {
    const chat = await json("--chat", "--prompt", "Tell me a short story about a cat named Ben.");
    expect(chat.finish).toBe("stop-id");
    const piped = await runWith("Once upon a time", "--prompt", "-", "--json", "--max-tokens", "5");
    expect((JSON.parse(piped.stdout) as Output).ids).toHaveLength(5);
    const windowed = await json("--task", "prose", "--kv", "window:32", "--max-tokens", "80");
    expect(windowed.ids).toHaveLength(80);
  });

  test.for(["q8", "q4"])("text from weights in blocks, --quantize %s", async (quantize) => {
    const { ids } = await json("--task", "prose", "--quantize", quantize, "--max-tokens", "12");
    expect(ids).toHaveLength(12);
  });
});

describe("what it refuses", { timeout: 60_000 }, () => {
  /** One line on standard error, nothing else, exit code 2. */
  const expectRefusal = ({ code, stdout, stderr }: Outcome, message: RegExp): void => {
    expect(stdout).toBe("");
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect(stderr).not.toMatch(/\bat .*:\d+:\d+/);
    expect(code).toBe(2);
  };

  test.for([
    [["--nope"], /unknown option '--nope'/],
    [["--max-tokens", "0"], /--max-tokens.*'0'.*integer >= 1/],
    [["--temperature", "hot"], /--temperature.*'hot'/],
    [["--top-p", "1.5"], /--top-p.*'1\.5'/],
    [["--draft", "magic"], /--draft.*'magic'.*none, lookup, suffix/],
    [["--kv", "window:0"], /--kv.*window:N/],
    [["--kv", "window:5000"], /--kv: .*at most 1020 positions, got 5000/],
    [["--quantize", "q5"], /--quantize.*'q5'/],
    [["--task", "poem"], /--task.*'poem'/],
    [["stray"], /too many arguments/],
    [["--compare", "--draft", "none"], /--compare/],
    [["--prompt", ""], /ids: expected at least one token/],
  ] as const)("%j", async ([args, message]) => {
    expectRefusal(await run(...args), message);
  });

  test("a folder that does not exist", async () => {
    expectRefusal(await run("--model", join(folder, "nowhere")), /nowhere: no such folder/);
  });

  test("a folder without a configuration", async () => {
    expectRefusal(
      await run("--model", folder),
      /expected model\.safetensors, an ONNX graph or one GGUF file/,
    );
  });

  test("a truncated safetensors file", async () => {
    const copy = join(folder, "truncated");
    await cp(join(models, "frugal-tiny-draft"), copy, { recursive: true });
    await truncate(join(copy, "model.safetensors"), 1_000_000);
    expectRefusal(await run("--model", copy), /model\.safetensors: .*truncated/);
  });

  test("an architecture it cannot build", async () => {
    const copy = join(folder, "unknown");
    await cp(join(models, "frugal-tiny-draft"), copy, { recursive: true });
    await writeFile(join(copy, "config.json"), JSON.stringify({ model_type: "mamba" }));
    expectRefusal(await run("--model", copy), /model_type: expected one of .*llama.*, got "mamba"/);
  });
});
