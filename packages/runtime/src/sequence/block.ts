import { type Block, InferenceError, type ModelInfo } from "@frugal/core";

import { masked } from "./kv-store.ts";

/**
 * Number of rows of a block.
 *
 * @param axes of a position: with 3 a block may give one number per row, or three
 * @throws {@link InferenceError} `shape` if the block has no rows, both kinds of input or neither,
 *   or buffers that disagree; `range` for an id outside the vocabulary or a parent that does not
 *   precede its child or lies before the text.
 */
export function checkBlock(
  block: Block,
  info: ModelInfo,
  cached: number,
  axes: 1 | 3 = info.rope?.axes ?? 1,
): number {
  const { tokens, embeddings, parents, positions } = block;
  if ((tokens === undefined) === (embeddings === undefined)) {
    const got = tokens === undefined ? "neither" : "both";
    throw new InferenceError("shape", `block: expected either tokens or embeddings, got ${got}`);
  }
  const rows = tokens?.length ?? embeddings!.rows;
  if (!Number.isInteger(rows) || rows < 1) {
    throw new InferenceError("shape", `block: expected at least one row, got ${rows}`);
  }
  if (tokens !== undefined) checkTokens(tokens, info.vocabSize);
  if (embeddings !== undefined) {
    const { cols, data } = embeddings;
    if (cols !== info.hiddenSize || data.length !== rows * cols) {
      throw new InferenceError(
        "shape",
        `embeddings: expected [${rows}, ${info.hiddenSize}], got [${rows}, ${cols}] ` +
          `with ${data.length} values`,
      );
    }
  }
  for (const [name, values, most] of [
    ["parents", parents, rows],
    ["positions", positions, axes * rows],
  ] as const) {
    if (values === undefined || values.length === rows || values.length === most) continue;
    const expected = most === rows ? `${rows}` : `${rows} or ${most}`;
    throw new InferenceError("shape", `${name}: expected ${expected} values, got ${values.length}`);
  }
  if (parents !== undefined) checkParents(parents, cached);
  return rows;
}

function checkTokens(tokens: Uint32Array, vocabSize: number): void {
  for (let i = 0; i < tokens.length; i++) {
    if (!(tokens[i]! < vocabSize)) {
      throw new InferenceError(
        "range",
        `tokens[${i}]: expected an id in [0, ${vocabSize}), got ${tokens[i]}`,
      );
    }
  }
}

function checkParents(parents: Int32Array, cached: number): void {
  for (let i = 0; i < parents.length; i++) {
    const parent = parents[i]!;
    if (!Number.isInteger(parent) || parent < -1 - cached || parent >= i) {
      throw new InferenceError(
        "range",
        `parents[${i}]: expected an earlier row or at least ${-1 - cached}, got ${parent}`,
      );
    }
  }
}

/** Whether some row is not the child of the row before it. */
export function isBranching(parents: Int32Array): boolean {
  return parents.some((parent, i) => parent !== i - 1);
}

/**
 * Additive mask of a block: 0 where row `i` sees row `j` (itself and its ancestors), {@link masked}
 * elsewhere. `bias` is `[s * group, s]` row-major; the `group` query heads that share a KV head
 * have one line each, next to each other. Unchecked: parents precede their children.
 */
export function fillBlockBias(
  parents: Int32Array | undefined,
  rows: number,
  bias: Float32Array,
): void {
  const stride = bias.length / rows;
  bias.fill(masked);
  for (let i = 0; i < rows; i++) {
    const at = i * stride;
    const parent = parents === undefined ? i - 1 : parents[i]!;
    if (parent >= 0) bias.copyWithin(at, parent * stride, parent * stride + i);
    bias[at + i] = 0;
    for (let next = rows; next < stride; next += rows) bias.copyWithin(at + next, at, at + rows);
  }
}

/**
 * Masks in a block bias what a sliding window leaves out: row `i` no longer sees the ancestors that
 * are `window` or more positions before it. Unchecked, as {@link fillBlockBias}.
 */
export function narrowBlockBias(positions: Int32Array, window: number, bias: Float32Array): void {
  const rows = positions.length;
  const stride = bias.length / rows;
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) {
      if (positions[i]! - positions[j]! < window) continue;
      for (let at = i * stride + j; at < (i + 1) * stride; at += rows) bias[at] = masked;
    }
  }
}
