import {
  InferenceError,
  type Block,
  type Capabilities,
  type ModelInfo,
  type StepOptions,
} from "@frugal/core";

/** A block whose arguments are checked and whose defaults are filled in. */
export interface BlockPlan {
  readonly rows: number;
  readonly parents: Int32Array;
  readonly positions: Int32Array;
}

/** What a block follows. */
export interface CachedRows {
  readonly length: number;
  /** Whether rows that must not see each other are in the cache. */
  readonly isOpen: boolean;
  /** Rotary position that follows a slot. */
  positionAfter(slot: number): number;
}

/**
 * Checks a block against the port's rules and fills in its parents and positions.
 *
 * @throws {@link InferenceError} the documented errors of `Sequence.step`; `shape` for no rows.
 */
export function planBlock(
  block: Block,
  info: ModelInfo,
  capabilities: Capabilities,
  cached: CachedRows,
): BlockPlan {
  if (cached.isOpen && block.parents === undefined) {
    throw new InferenceError(
      "state",
      "step: the cache holds branches; keep one path or give parents",
    );
  }
  if (block.features !== undefined) {
    throw new InferenceError("unsupported", "features: this model reads none");
  }
  const rows = countRows(block, info, capabilities);
  const parents = planParents(block.parents, rows, cached.length);
  if (parents.some((parent, i) => parent !== i - 1) && !capabilities.tree) {
    throw new InferenceError("unsupported", "parents: this model only runs chains");
  }
  if ((cached.isOpen || parents.some((parent) => parent < -1)) && !capabilities.openTree) {
    throw new InferenceError("unsupported", "parents: this model runs a tree in one block");
  }
  if (block.positions !== undefined && !capabilities.positions) {
    throw new InferenceError("unsupported", "positions: this model numbers its rows itself");
  }
  if (block.positions !== undefined && block.positions.length !== rows) {
    throw disagree("positions", rows, block.positions.length);
  }

  const positions = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    const parent = parents[i]!;
    const after =
      parent < 0 ? cached.positionAfter(cached.length + parent) : positions[parent]! + 1;
    const position = block.positions === undefined ? after : block.positions[i]!;
    if (!Number.isInteger(position) || position < 0 || position >= info.maxLength) {
      throw new InferenceError(
        "range",
        `position of row ${i}: expected an integer in [0, ${info.maxLength}), got ${position}`,
      );
    }
    positions[i] = position;
  }
  return { rows, parents, positions };
}

/**
 * Checks which outputs a step asks for.
 *
 * @throws {@link InferenceError} `range` for `top` below 1 or a tap that is no layer;
 *   `unsupported` for what the capabilities deny.
 */
export function checkOutputs(
  options: StepOptions,
  info: ModelInfo,
  capabilities: Capabilities,
): void {
  const { logits, taps = [] } = options;
  if (typeof logits === "object") {
    if (!capabilities.top) throw new InferenceError("unsupported", "logits: no `top` here");
    if (!Number.isInteger(logits.top) || logits.top < 1) {
      throw new InferenceError("range", `top: expected an integer >= 1, got ${logits.top}`);
    }
  }
  if (taps.length > 0 && !capabilities.taps) {
    throw new InferenceError("unsupported", "taps: this model has no hidden states to return");
  }
  if (options.scores !== undefined && capabilities.scores === undefined) {
    throw new InferenceError("unsupported", "scores: this model reports none");
  }
  for (const tap of taps) {
    if (tap === "final") continue;
    if (!Number.isInteger(tap) || tap < 0 || tap > info.layers) {
      throw new InferenceError(
        "range",
        `tap: expected an integer in [0, ${info.layers}] or "final", got ${tap}`,
      );
    }
  }
}

/** Number of rows of the block, after checking its tokens or embeddings. */
function countRows(block: Block, info: ModelInfo, capabilities: Capabilities): number {
  const { tokens, embeddings } = block;
  if ((tokens === undefined) === (embeddings === undefined)) {
    throw new InferenceError("shape", "block: expected either tokens or embeddings");
  }
  if (embeddings !== undefined) {
    if (!capabilities.embeddings) {
      throw new InferenceError("unsupported", "embeddings: this model only takes tokens");
    }
    const { data, rows, cols } = embeddings;
    if (!(rows > 0) || cols !== info.hiddenSize || data.length !== rows * cols) {
      throw new InferenceError(
        "shape",
        `embeddings: expected [s, ${info.hiddenSize}] with s >= 1, ` +
          `got [${rows}, ${cols}] and ${data.length} values`,
      );
    }
    return rows;
  }
  if (!capabilities.tokens) {
    throw new InferenceError("unsupported", "tokens: this model only takes embeddings");
  }
  if (tokens!.length === 0) throw new InferenceError("shape", "tokens: expected at least one");
  for (const id of tokens!) {
    if (!Number.isInteger(id) || id < 0 || id >= info.vocabSize) {
      throw new InferenceError("range", `token: expected an id below ${info.vocabSize}, got ${id}`);
    }
  }
  return tokens!.length;
}

/** The parents of the block, those of a chain where there are none. */
function planParents(parents: Int32Array | undefined, rows: number, cached: number): Int32Array {
  if (parents === undefined) return Int32Array.from({ length: rows }, (_, i) => i - 1);
  if (parents.length !== rows) throw disagree("parents", rows, parents.length);
  for (let i = 0; i < rows; i++) {
    const parent = parents[i]!;
    if (!Number.isInteger(parent) || parent < -1 - cached || parent >= i) {
      throw new InferenceError(
        "range",
        `parent of row ${i}: expected an integer in [${-1 - cached}, ${i}), got ${parent}`,
      );
    }
  }
  return Int32Array.from(parents);
}

function disagree(name: string, rows: number, length: number): InferenceError {
  return new InferenceError("shape", `${name}: expected ${rows} entries, got ${length}`);
}
