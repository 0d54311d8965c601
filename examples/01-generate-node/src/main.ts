import { text as readStream } from "node:stream/consumers";

import { InferenceError } from "@frugal/core";

import { type Engine, loadEngine, promptOf, withGeneration } from "./engine.ts";
import { compareResults, type Result, statsLine, summarize } from "./report.ts";
import { readSettings, type Settings } from "./settings.ts";
import type { Task } from "./tasks.ts";

/** Loads, generates and reports, as the command line asks. */
async function main(): Promise<void> {
  const given = readSettings(process.argv.slice(2));
  const settings =
    given.prompt === "-" ? { ...given, prompt: await readStream(process.stdin) } : given;
  const abort = new AbortController();
  process.once("SIGINT", () => abort.abort());
  const engine = await loadEngine(settings, abort.signal);
  try {
    const task = promptOf(engine.tokenizer, settings);
    if (settings.compare) await compare(engine, task, settings, abort.signal);
    else await single(engine, task, settings, abort.signal);
  } finally {
    await engine.dispose();
  }
}

async function single(
  engine: Engine,
  task: Task,
  settings: Settings,
  signal: AbortSignal,
): Promise<void> {
  if (!settings.json) process.stdout.write(dim(task.prompt));
  const result = await run(engine, task, settings, signal, !settings.json);
  if (settings.json) print(result);
  else process.stdout.write(`\n\n${statsLine(summarize(result.stats))}\n`);
}

/** The same prompt and seed without and with the draft, after a few tokens to warm up. */
async function compare(
  engine: Engine,
  task: Task,
  settings: Settings,
  signal: AbortSignal,
): Promise<void> {
  const without: Engine = { ...engine, draft: "none" };
  const short = { ...settings, maxTokens: Math.min(16, settings.maxTokens) };
  await run(without, task, short, signal, false);
  await run(engine, task, short, signal, false);
  const plain = await run(without, task, settings, signal, false);
  if (!settings.json) process.stdout.write(dim(task.prompt));
  const drafted = await run(engine, task, settings, signal, !settings.json);
  const comparison = compareResults(plain, drafted);
  if (settings.json) {
    print(drafted, { ...comparison, without: summarize(plain.stats) });
    return;
  }
  process.stdout.write(
    `\n\nwithout:  ${statsLine(summarize(plain.stats))}\n` +
      `${engine.draft.padEnd(8)}: ${statsLine(summarize(drafted.stats))}\n` +
      `${comparison.equal ? "equal text" : "different text"}, ` +
      `${comparison.ratio.toFixed(2)} times the speed\n`,
  );
}

/** Runs one generation; writes its text as it comes, if wanted. */
function run(
  engine: Engine,
  task: Task,
  settings: Settings,
  signal: AbortSignal,
  echo: boolean,
): Promise<Result> {
  return withGeneration(engine, task, settings, signal, async (generation) => {
    const ids: number[] = [];
    let text = "";
    let finish = "aborted";
    const show = (piece: string): void => {
      text += piece;
      if (echo) process.stdout.write(piece);
    };
    try {
      for await (const event of generation) {
        if (event.type === "token-accepted") ids.push(event.token);
        if (event.type === "finish") finish = event.reason;
        if ("text" in event) show(event.text ?? "");
      }
    } catch (error) {
      // Ctrl-C ends the text, not the report.
      if (!signal.aborted) throw error;
    }
    return { text, ids, finish, stats: generation.stats };
  });
}

function print(result: Result, comparison?: object): void {
  const { text, ids, finish, stats } = result;
  const output = { text, ids, finish, stats: { ...stats, ...summarize(stats) } };
  const object = comparison === undefined ? output : { ...output, compare: comparison };
  process.stdout.write(`${JSON.stringify(object)}\n`);
}

function dim(text: string): string {
  return process.stdout.isTTY ? `\u001b[2m${text}\u001b[0m` : text;
}

// A reader that has seen enough, such as head, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});

try {
  await main();
} catch (error) {
  if (!InferenceError.is(error)) throw error;
  process.stderr.write(`error: ${error.message.replaceAll("\n", " ")}\n`);
  process.exitCode = 2;
}
