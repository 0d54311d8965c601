/** One runtime with a model on the page. */
export interface Contender {
  /** Milliseconds until it could be used. */
  readonly loadMs: number;
  /** Continues a prompt greedily by exactly `count` tokens. */
  generate(prompt: readonly number[], count: number): Promise<Timed>;
  dispose(): Promise<void>;
}

/** What a generation wrote, and when. */
export interface Timed {
  readonly ids: readonly number[];
  /** Milliseconds from the call to the first token. */
  readonly firstMs: number;
  /** Milliseconds from the first to the last token. */
  readonly restMs: number;
}

/** What a contender is opened with. */
export interface Setting {
  readonly device: "wasm" | "webgpu";
  readonly threads: number;
  readonly weights: "fp32" | "q4";
  /** Name of the model's folder on the server. */
  readonly model: string;
}

/** {@link Timed} of tokens that arrived at `times`, after a call at `start`. */
export function timed(ids: readonly number[], times: readonly number[], start: number): Timed {
  return { ids, firstMs: times[0]! - start, restMs: times.at(-1)! - times[0]! };
}
