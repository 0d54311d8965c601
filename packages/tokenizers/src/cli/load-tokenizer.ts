import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { InferenceError } from "@frugal/core";
import {
  createTokenizer,
  fromLegacyBpe,
  fromTiktoken,
  type Tokenizer,
  tiktokenEncoding,
  type TiktokenEncodingName,
} from "@frugal/tokenizers";

/** What a folder is searched for, in this order. */
const NAMES = [/^tokenizer\.json$/, /\.tiktoken$/, /^vocab\.json$/];

/**
 * Reads the tokenizer at a path: a file, recognised by its name, or a folder with such a file in it.
 *
 * @throws {@link InferenceError} `format` if there is none, or it is none.
 */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  const file = (await isFolder(path)) ? await findIn(path) : path;
  if (basename(file) === "vocab.json") {
    return fromLegacyBpe(await readText(file), await readText(join(dirname(file), "merges.txt")));
  }
  switch (extname(file)) {
    case ".json":
      return createTokenizer(await readText(file), await configBeside(file));
    case ".tiktoken": {
      const ranks = await readText(file);
      return fromTiktoken(ranks, tiktokenEncoding(encodingName(file)));
    }
    default:
      throw new InferenceError(
        "unsupported",
        `${file}: expected a tokenizer.json, a .tiktoken file, a vocab.json with a merges.txt beside ` +
          "it, or a folder with one of them, got another name",
      );
  }
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

/** The configuration that belongs to a `tokenizer.json`, if there is one. */
async function configBeside(file: string): Promise<string | undefined> {
  if (basename(file) !== "tokenizer.json") return undefined;
  const path = join(dirname(file), "tokenizer_config.json");
  const files = await readdir(dirname(file));
  return files.includes(basename(path)) ? await readText(path) : undefined;
}

/**
 * Contents of a text file.
 *
 * @throws {@link InferenceError} `format` if it cannot be read.
 */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): InferenceError {
  const code = (cause as { readonly code?: string }).code ?? "an error";
  const what = code === "ENOENT" ? "no such file" : code;
  return new InferenceError("format", `${path}: expected a file to read, got ${what}`, { cause });
}
