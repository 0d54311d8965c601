import { createRequire } from "node:module";
import { text as readStream } from "node:stream/consumers";
import { InferenceError } from "@frugal/core";
import { countTokens, type EncodeOptions, type Tokenizer } from "@frugal/tokenizers";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { compareTokenizers, type Difference } from "./compare.ts";
import { loadTokenizer, writeText } from "./load-tokenizer.ts";
import { readTexts, type TextOptions } from "./texts.ts";

/** Options that every command shares. */
interface Shared {
  readonly json: boolean;
}

interface Reading extends Shared, TextOptions {
  readonly template: boolean;
  readonly special: boolean;
}

/** Runs the command line; complains in one line on the standard error. Returns the exit code. */
export async function runCommand(args: readonly string[]): Promise<number> {
  try {
    await program().parseAsync([...args], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    // It has said what is wrong, or shown its help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!InferenceError.is(error)) throw error;
    process.stderr.write(`error: ${error.message.replaceAll("\n", " ")}\n`);
    return 2;
  }
}

function program(): Command {
  const root = new Command("frugal-tokenizers")
    .description("Text to token ids and back, from any file of a tokenizer or the folder it is in.")
    .version(ownVersion(), "-V, --version", "print the version of the package")
    .exitOverride()
    .showSuggestionAfterError(false);
  reading(root.command("encode"), "Print the ids of texts, a line for each.").action(encode);
  reading(root.command("count"), "Print how many tokens texts are, a line for each.")
    .option("--limit <n>", "stop at more than n tokens, and exit with 1", count)
    .action(countTexts);
  root
    .command("decode")
    .description("Print the text of ids, from the arguments or the standard input.")
    .argument("<tokenizer>")
    .argument("[ids...]", "separated by spaces or commas", collectIds, [])
    .option("--skip-special", "leave special tokens out", false)
    .option("--json", "print one JSON object", false)
    .action(decode);
  root
    .command("convert")
    .description("Write the tokenizer.json of a tokenizer that was read from another format.")
    .argument("<tokenizer>", "a file or a folder")
    .option("-o, --output <path>", "default: the standard output")
    .action(convert);
  root
    .command("compare")
    .description("Show where two tokenizers cut texts differently; exit with 1 if they do.")
    .argument("<first>")
    .argument("<second>")
    .argument("[texts...]")
    .addOption(fileOption("read a text from a file; may be repeated"))
    .option("--no-special", "read special tokens in the text as text")
    .option("--json", "print a JSON object for each text", false)
    .action(compare);
  return root;
}

/** What the package's own description says, which is there with a build and without. */
function ownVersion(): string {
  const description: unknown = createRequire(import.meta.url)("@frugal/tokenizers/package.json");
  return (description as { readonly version: string }).version;
}

function reading(command: Command, description: string): Command {
  return command
    .description(description)
    .argument("<tokenizer>", "a file or a folder")
    .argument("[texts...]", "default: the standard input")
    .addOption(fileOption("read a text from a file, or - ; may be repeated"))
    .option("--no-template", "leave out what the tokenizer puts around a text")
    .option("--no-special", "read special tokens in the text as text")
    .option("--json", "print a JSON object for each text", false);
}

function fileOption(description: string): Option {
  return new Option("-f, --file <path>", description).argParser(collect).default([], "none");
}

async function encode(path: string, given: string[], options: Reading): Promise<void> {
  const tokenizer = await loadTokenizer(path);
  for (const text of await readTexts(given, options)) {
    const { ids, offsets } = tokenizer.encode(text, { ...howOf(options), offsets: true });
    const spelled = Array.from(ids, (id) => tokenizer.idToToken(id));
    print(options, { ids: [...ids], tokens: spelled, offsets: [...offsets] }, ids.join(" "));
  }
}

async function countTexts(
  path: string,
  given: string[],
  options: Reading & { readonly limit?: number },
): Promise<void> {
  const tokenizer = await loadTokenizer(path);
  const { limit } = options;
  for (const text of await readTexts(given, options)) {
    const tokens = countTokens(tokenizer, text, {
      ...howOf(options),
      ...(limit !== undefined && { limit }),
    });
    const fits = limit === undefined || tokens <= limit;
    if (!fits) process.exitCode = 1;
    const found = limit === undefined ? { count: tokens } : { count: tokens, limit, fits };
    print(options, found, fits ? `${tokens}` : `more than ${limit}`);
  }
}

async function decode(
  path: string,
  given: readonly number[],
  options: Shared & { readonly skipSpecial: boolean },
): Promise<void> {
  const tokenizer = await loadTokenizer(path);
  const ids = given.length > 0 ? given : idsOf(await readStream(process.stdin));
  const text = tokenizer.decode(ids, { skipSpecialTokens: options.skipSpecial });
  print(options, { text }, text);
}

async function convert(path: string, { output }: { readonly output?: string }): Promise<void> {
  const json = `${JSON.stringify((await loadTokenizer(path)).toJson())}\n`;
  if (output === undefined) process.stdout.write(json);
  else await writeText(output, json);
}

async function compare(
  first: string,
  second: string,
  given: string[],
  options: Omit<Reading, "template">,
): Promise<void> {
  const [a, b]: Tokenizer[] = [await loadTokenizer(first), await loadTokenizer(second)];
  for (const text of await readTexts(given, options)) {
    const comparison = compareTokenizers(a!, b!, text, options.special ? "parse" : "text");
    const { counts, sameIds, differences } = comparison;
    if (!sameIds || differences.length > 0) process.exitCode = 1;
    const summary =
      `${counts[0]} and ${counts[1]} tokens, ${sameIds ? "the same ids" : "other ids"}, ` +
      `${differences.length} places cut differently`;
    print(options, comparison, [summary, ...differences.map(lineOf)].join("\n"));
  }
}

function lineOf({ start, end, tokens }: Difference): string {
  return `  ${start}-${end}: ${tokens.map((each) => each.join(" | ")).join("  <>  ")}`;
}

function howOf({ template, special }: Reading): EncodeOptions {
  return { addSpecialTokens: template, special: special ? "parse" : "text" };
}

function print({ json }: Shared, value: object, line: string): void {
  process.stdout.write(`${json ? JSON.stringify(value) : line}\n`);
}

function collect(value: string, before: readonly string[]): string[] {
  return [...before, value];
}

function collectIds(text: string, before: readonly number[]): number[] {
  const words = text.split(/[\s,[\]]+/u).filter((word) => word !== "");
  return [...before, ...words.map(count)];
}

function idsOf(input: string): number[] {
  try {
    return collectIds(input, []);
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("range", `standard input: ${what}`, { cause });
  }
}

function count(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError(`Expected a whole number from 0 up, got "${text}".`);
  }
  return value;
}
