import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { InferenceError } from "@frugal/core";
import {
  createTokenizer,
  fromGgufVocabulary,
  fromLegacyBpe,
  fromSentencePiece,
  fromTiktoken,
  fromWordPieceVocabulary,
  type GgufMetadata,
  type Tokenizer,
  tiktokenEncoding,
  type TiktokenEncodingName,
} from "@frugal/tokenizers";
import { readGgufFile } from "./gguf-file.ts";

/** What a configuration says about case. */
function saidIn(config: string): unknown {
  try {
    return (JSON.parse(config) as { readonly do_lower_case?: unknown } | null)?.do_lower_case;
  } catch (cause) {
    throw new InferenceError("format", "tokenizer_config.json: expected JSON, got none", { cause });
  }
}

/** What a folder is searched for, in this order. */
const NAMES = [
  /^tokenizer\.json$/,
  /\.model$/,
  /\.tiktoken$/,
  /^vocab\.json$/,
  /^vocab\.txt$/,
  /\.gguf$/,
];

/**
 * Reads the tokenizer at a path: a file, recognised by its name, or a folder with such a file in it.
 *
 * @throws {@link InferenceError} `format` if there is none, or it is none.
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const file = (await isFolder(path)) ? await findIn(path) : path;
  const name = basename(file);
  if (name === "vocab.json") {
    return fromLegacyBpe(await readText(file), await readText(join(dirname(file), "merges.txt")));
  }
  if (name.endsWith("vocab.txt")) {
    const vocabulary = await readText(file);
    return fromWordPieceVocabulary(vocabulary, { lowercase: await isUncased(file, vocabulary) });
  }
  switch (extname(file)) {
    case ".json":
      return createTokenizer(await readText(file), await configBeside(file), {
        addedTokens: (await textBeside(file, "added_tokens.json")) ?? {},
        specialTokensMap: (await textBeside(file, "special_tokens_map.json")) ?? {},
      });
    case ".model":
      return fromSentencePiece(await readBytes(file));
    case ".tiktoken": {
      const ranks = await readText(file);
      return fromTiktoken(ranks, tiktokenEncoding(encodingName(file)));
    }
    case ".gguf":
      return fromGgufVocabulary(await readMetadata(file));
    default:
      throw new InferenceError(
        "unsupported",
        `${file}: expected a tokenizer.json, a .model, a .tiktoken, a .gguf, a vocab.txt, a vocab.json ` +
          "with a merges.txt beside it, or a folder with one of them, got another name",
      );
  }
}

async function readMetadata(file: string): Promise<GgufMetadata> {
  try {
    return await readGgufFile(file);
  } catch (cause) {
    throw InferenceError.is(cause) ? cause : unreadable(file, cause);
  }
}

/** What the configuration beside a `vocab.txt` says; without it, whether no word in it is cased. */
async function isUncased(file: string, vocabulary: string): Promise<boolean> {
  const said = saidIn((await configBeside(file)) ?? "{}");
  return typeof said === "boolean" ? said : !/^\p{Lu}\p{L}*\r?$/mu.test(vocabulary);
}

const ENCODINGS: readonly TiktokenEncodingName[] = [
  "r50k_base",
  "p50k_base",
  "p50k_edit",
  "cl100k_base",
  "o200k_base",
  "o200k_harmony",
];

/** A file of ranks holds no pattern: its name says which encoding it is. */
function encodingName(file: string): TiktokenEncodingName {
  const name = basename(file, ".tiktoken");
  const found = ENCODINGS.find((encoding) => encoding === name);
  if (found !== undefined) return found;
  const expected = `the name of an encoding, one of ${ENCODINGS.join(", ")}`;
  throw new InferenceError("unsupported", `${file}: expected ${expected}, got "${name}"`);
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

async function findIn(folder: string): Promise<string> {
  const files = (await readdir(folder)).sort();
  for (const name of NAMES) {
    const found = files.find((file) => name.test(file));
    if (found !== undefined) return join(folder, found);
  }
  throw new InferenceError("format", `${folder}: expected a tokenizer file in it, got none`);
}

/** The configuration beside a file, if there is one. */
async function configBeside(file: string): Promise<string | undefined> {
  return await textBeside(file, "tokenizer_config.json");
}

/** A text file beside a tokenizer's, if that has its usual name and there is one. */
async function textBeside(file: string, name: string): Promise<string | undefined> {
  if (!["tokenizer.json", "vocab.txt"].includes(basename(file))) return undefined;
  const files = await readdir(dirname(file));
  return files.includes(name) ? await readText(join(dirname(file), name)) : undefined;
}

/**
 * Contents of a text file.
 *
 * @throws {@link InferenceError} `format` if it cannot be read.
 */
export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readBytes(path));
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/**
 * Writes a text file.
 *
 * @throws {@link InferenceError} `format` if it cannot be written.
 */
export async function writeText(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (cause) {
    const what = (cause as { readonly code?: string }).code ?? "an error";
    throw new InferenceError("format", `${path}: expected a file to write, got ${what}`, { cause });
  }
}

function unreadable(path: string, cause: unknown): InferenceError {
  const code = (cause as { readonly code?: string }).code ?? "an error";
  const what = code === "ENOENT" ? "no such file" : code;
  return new InferenceError("format", `${path}: expected a file to read, got ${what}`, { cause });
}
