import { attendRows } from "./attend-rows.ts";
import type { EncoderParts } from "./encoder-parts.ts";

/** Inputs that hold the patches of each window; see {@link attend}. */
export interface WindowInputs {
  readonly rows: string;
  readonly slots: string;
  readonly bias: string;
}

/** Declares them, for windows of `size` patches: `window_rows`, `window_slots`, `window_bias`. */
export function windowInputs({ graph }: EncoderParts, size: number): WindowInputs {
  return {
    rows: graph.input("window_rows", "int32", ["windows * size"]),
    slots: graph.input("window_slots", "int32", ["rows"]),
    bias: graph.input("window_bias", "float32", ["windows", 1, size, size]),
  };
}

/**
 * Adds attention of rows `[n, rows, hidden]`, queries, keys and values; to all rows of an image, or to those
 * of the same window, for which `n` is 1: the rows are put window by window, `window_rows` (some twice, to
 * fill windows at the edges), which `window_bias` `[windows, 1, size, size]` hides, and back, `window_slots`.
 *
 * @param bias what is added to the scores, `[n or 1, 1, rows, rows]`; null: nothing
 */
export function attend(
  encoder: EncoderParts,
  parts: readonly string[],
  bias: string | null,
  windows: { readonly inputs: WindowInputs; readonly size: number } | null,
): string {
  const { graph, config } = encoder;
  const { heads, hiddenSize } = config;
  const run = (inputs: readonly string[], added: string | null): string =>
    attendRows(graph, inputs, { heads, width: hiddenSize }, added);
  if (windows === null) return run(parts, bias);
  const { rows, slots, bias: hidden } = windows.inputs;
  const pick = (x: string, at: string): string =>
    graph.node("Gather", [x, at], { axis: { int: 1 } });
  const shape = graph.ints([-1, windows.size, hiddenSize]);
  const cut = parts.map((part) => graph.node("Reshape", [pick(part, rows), shape]));
  const attended = graph.node("Reshape", [run(cut, hidden), graph.ints([1, -1, hiddenSize])]);
  return pick(attended, slots);
}
