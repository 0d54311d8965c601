import { Command, InvalidArgumentError, Option } from "commander";

import {
  draftHelp,
  draftNames,
  type ModelFreeName,
  type ModelName,
  type SelfDraftName,
} from "./drafters.ts";
import { type TaskName, tasks } from "./tasks.ts";

/** What the command line says. */
export interface Settings {
  readonly prompt?: string;
  readonly task: TaskName;
  readonly chat: boolean;
  readonly maxTokens: number;
  /** Absent: 0 for built-in prompts with an exact answer, else 0.8. */
  readonly temperature?: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
  readonly draft?: "none" | SelfDraftName | ModelFreeName | ModelName;
  /** Layers that draft where the model drafts for itself. */
  readonly exitLayer: number;
  readonly kv: Kv;
  readonly quantize: "none" | "q8" | "q4";
  readonly model?: string;
  readonly draftModel?: string;
  readonly json: boolean;
  readonly compare: boolean;
}

/** What the cache keeps: everything, or the first four and this many last positions. */
export type Kv = { readonly kind: "full" } | { readonly kind: "window"; readonly recent: number };

/**
 * Reads the command line. Help and mistakes end the process: 0 for help, 2 for a mistake, in one
 * line that names it.
 */
export function readSettings(args: readonly string[]): Settings {
  const command = new Command("generate")
    .description("Continues a prompt with a language model, as text that streams out.")
    .option("--prompt <text>", "the text to continue; - reads standard input")
    .addOption(
      new Option("--task <name>", "a built-in prompt, used without --prompt")
        .choices(Object.keys(tasks))
        .default("story"),
    )
    .option("--chat", "take the prompt as a user's turn of a conversation", false)
    .option("--max-tokens <n>", "the most tokens to generate", integer(1), 200)
    .option("--temperature <t>", "0 takes the most probable token (default: 0.8)", number(0))
    .option("--top-k <k>", "sample from the k most probable tokens, 0 from all", integer(0), 40)
    .option("--top-p <p>", "sample from the most probable tokens of this mass", number(0, 1), 1)
    .option("--seed <n>", "same seed, same text", integer(0), 0)
    .addOption(
      new Option(
        "--draft <how>",
        "who guesses the next tokens, see below (default: model, else lookup)",
      ).argParser(draftName),
    )
    .addOption(
      new Option("--kv <policy>", "full, or window:N to keep the last N positions")
        .argParser(kv)
        .default({ kind: "full" }, "full"),
    )
    .addOption(
      new Option("--quantize <how>", "bits per weight")
        .choices(["none", "q8", "q4"])
        .default("none"),
    )
    .option(
      "--model <source>",
      "a folder, org/name on the Hub, or a URL (default: the embedded one)",
    )
    .option("--draft-model <source>", "a smaller model with the same tokenizer, or the adapter")
    .option("--exit-layer <n>", "layers that draft, for kangaroo and layerskip", integer(1), 2)
    .option("--json", "print one JSON object and nothing else", false)
    .option("--compare", "run without and with the draft and compare", false)
    .addHelpText("after", `\nValues of --draft; the text is the same with each:\n${draftHelp()}`)
    .allowExcessArguments(false)
    .configureOutput({ outputError: (text, write) => write(text) })
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  return command.parse(args, { from: "user" }).opts<Settings>();
}

function draftName(text: string): string {
  if (draftNames.includes(text)) return text;
  throw new InvalidArgumentError(`Allowed choices are ${draftNames.join(", ")}.`);
}

function integer(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`Expected an integer >= ${least}.`);
    }
    return value;
  };
}

function number(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < least || value > most) {
      const range = most === Infinity ? `>= ${least}` : `in [${least}, ${most}]`;
      throw new InvalidArgumentError(`Expected a number ${range}.`);
    }
    return value;
  };
}

function kv(text: string): Kv {
  if (text === "full") return { kind: "full" };
  const match = /^window:(\d+)$/.exec(text);
  const recent = Number(match?.[1]);
  if (match === null || !Number.isSafeInteger(recent) || recent < 1) {
    throw new InvalidArgumentError("Expected full or window:N with N >= 1.");
  }
  return { kind: "window", recent };
}
