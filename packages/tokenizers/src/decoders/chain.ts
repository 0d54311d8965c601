import type { TextStream } from "@frugal/core";
import { utf8Length, writeUtf8 } from "../utf8.ts";
import { fallbackByte } from "./byte-steps.ts";
import { chainStages, type DecoderStep } from "./stage.ts";
import type { TokenDecoder } from "./token-decoder.ts";

/**
 * A decoder made of steps. Time is linear in the tokens: each is looked at once by each step.
 */
export class ChainDecoder implements TokenDecoder {
  readonly #tokens: readonly (string | undefined)[];
  readonly #steps: readonly DecoderStep[];

  /** `tokens` by id. Keeps both arguments. */
  constructor(tokens: readonly (string | undefined)[], steps: readonly DecoderStep[]) {
    this.#tokens = tokens;
    this.#steps = steps;
  }

  decode(ids: readonly number[]): string {
    const stream = this.openStream();
    let text = "";
    for (const id of ids) text += stream.push(id);
    return text + stream.flush();
  }

  /** A byte token's byte; of any other token, what it adds in the middle of a text, as UTF-8. */
  bytesOf(id: number): Uint8Array {
    const token = this.#tokens[id] ?? "";
    const byte = fallbackByte(token);
    if (byte >= 0) return Uint8Array.of(byte);
    const around = this.#textOf(["x", token, "y"]);
    const isFramed = around.startsWith("x") && around.length > 1;
    const after = this.#textOf(["x", "y"]).length - 1;
    const text = isFramed ? around.slice(1, around.length - after) : token;
    const bytes = new Uint8Array(utf8Length(text));
    writeUtf8(text, bytes);
    return bytes;
  }

  openStream(): TextStream {
    let stage = chainStages(this.#steps);
    return {
      push: (id) => {
        let text = "";
        stage.push(this.#tokens[id] ?? "", true, (part) => (text += part));
        return text;
      },
      flush: () => {
        let text = "";
        stage.flush((part) => (text += part));
        stage = chainStages(this.#steps);
        return text;
      },
    };
  }

  #textOf(tokens: readonly string[]): string {
    const stage = chainStages(this.#steps);
    let text = "";
    for (const token of tokens) stage.push(token, true, (part) => (text += part));
    stage.flush((part) => (text += part));
    return text;
  }
}

/** What a file without a decoder means: tokens with spaces between them. */
export const spacedStep: DecoderStep = () => {
  let isFirst = true;
  let begins = true;
  return {
    push(text, ends, emit) {
      emit(begins && !isFirst ? ` ${text}` : text, ends);
      isFirst = false;
      begins = ends;
    },
    flush() {},
  };
};
