import {
  type Block,
  InferenceError,
  logSumExp,
  type Matrix,
  type ModelInfo,
  type Sequence,
  type StepOptions,
  type StepOutput,
} from "@frugal/core";

/** Logits of the next token given the cached tokens, the last of them being the current one. */
export type Rule = (cached: readonly number[]) => ArrayLike<number>;

/** Options of {@link markovSequence}. */
export interface MarkovOptions {
  readonly vocabSize: number;
  readonly rule: Rule;
  readonly maxLength?: number;
  readonly eosIds?: readonly number[];
  /** Whether reduced rows are offered. Default false. */
  readonly top?: boolean;
  readonly evict?: boolean;
  /** Whether blocks may branch, and trees grow; rows then see their ancestors only. Default false. */
  readonly tree?: boolean;
  /** Milliseconds a step of so many rows claims to have run. Default: 1 each. */
  readonly runMs?: (rows: number) => number;
}

/** A sequence of an exact model in memory, which writes down what was done to it. */
export interface MarkovSequence extends Sequence {
  /** The tokens in the cache. */
  readonly cached: readonly number[];
  /** Largest number of positions the cache ever had. */
  readonly peak: number;
  /** Every step: how many rows, and which logits. */
  readonly steps: readonly { readonly rows: number; readonly logits: StepOptions["logits"] }[];
  readonly keeps: number;
}

/**
 * A {@link Sequence} whose logits are a function of the tokens it has cached: what is rolled back
 * or evicted has no influence any more, and what was forgotten to be rolled back shows.
 */
export function markovSequence(options: MarkovOptions): MarkovSequence {
  const { vocabSize, rule, maxLength = 4096, runMs = () => 1 } = options;
  let cached: number[] = [];
  /** The slot before each cached one; that is not always the one to its left. */
  let before: number[] = [];
  let peak = 0;
  let keeps = 0;
  const steps: { rows: number; logits: StepOptions["logits"] }[] = [];
  const info: ModelInfo = {
    architecture: "markov",
    vocabSize,
    hiddenSize: 1,
    maxLength,
    layers: 1,
    heads: 1,
    kvHeads: 1,
    headDim: 1,
    eosIds: options.eosIds ?? [],
    rope: null,
    parameters: 0,
  };
  const capabilities = {
    tokens: true,
    tree: options.tree ?? false,
    openTree: options.tree ?? false,
    embeddings: false,
    taps: false,
    positions: false,
    evict: options.evict ?? true,
    top: options.top ?? false,
  };

  const step = async (block: Block, { logits: wanted, signal }: StepOptions) => {
    if (signal?.aborted) throw signal.reason;
    const tokens = [...block.tokens!];
    if (tokens.length === 0 || tokens.some((token) => token >= vocabSize)) {
      throw new InferenceError("range", `tokens: expected ids, got ${tokens.join()}`);
    }
    if (cached.length + tokens.length > maxLength) {
      throw new InferenceError("range", `length: expected at most ${maxLength}`);
    }
    const parents = block.parents === undefined ? tokens.map((_, i) => i - 1) : [...block.parents];
    const { length } = cached;
    const isOpen = before.some((slot, i) => slot !== i - 1);
    const branches = parents.some((parent, i) => parent !== i - 1);
    if (branches && !capabilities.tree) throw new InferenceError("unsupported", "parents");
    if (isOpen && block.parents === undefined) {
      throw new InferenceError("state", "step after a tree without keep");
    }
    await Promise.resolve();
    cached.push(...tokens);
    before.push(...parents.map((parent) => length + parent));
    const rows = tokens.map((_, i) => {
      const path: number[] = [];
      for (let slot = length + i; slot >= 0; slot = before[slot]!) path.push(cached[slot]!);
      return rule(path.reverse());
    });
    peak = Math.max(peak, cached.length);
    steps.push({ rows: tokens.length, logits: wanted });
    return output(rows, wanted, vocabSize, runMs(tokens.length));
  };

  return {
    info,
    capabilities,
    step,
    get length() {
      return cached.length;
    },
    get cached() {
      return cached;
    },
    get peak() {
      return peak;
    },
    get keeps() {
      return keeps;
    },
    steps,
    async keep(positions) {
      keeps++;
      for (const [i, slot] of positions.entries()) {
        if (slot >= cached.length || (i > 0 && slot <= positions[i - 1]!)) {
          throw new InferenceError("range", `positions: expected ascending slots, got ${slot}`);
        }
      }
      // Eviction leaves out slots of the common path; of branches, one path has to remain.
      const branches = before.filter((slot, i) => slot !== i - 1);
      const first = Math.min(cached.length, ...branches.map((slot) => slot + 1));
      const rows = [...positions].filter((slot) => slot >= first);
      if (rows.some((row, i) => before[row]! !== (i === 0 ? first - 1 : rows[i - 1]!))) {
        throw new InferenceError(
          "state",
          `keep: expected one path of the tree, got ${rows.join()}`,
        );
      }
      before = Array.from(positions, (_, i) => i - 1);
      cached = Array.from(positions, (slot) => cached[slot]!);
    },
    fork: () => Promise.reject(new InferenceError("unsupported", "fork")),
    dispose: () => Promise.resolve(),
  };
}

function output(
  all: readonly ArrayLike<number>[],
  wanted: StepOptions["logits"],
  vocabSize: number,
  runMs: number,
): StepOutput {
  const none = { logits: null, top: null, taps: [], runMs };
  if (wanted === "none") return none;
  const isLast = wanted === "last" || (typeof wanted === "object" && wanted.rows === "last");
  const rows = isLast ? all.slice(-1) : all;
  const data = new Float32Array(rows.length * vocabSize);
  for (const [i, row] of rows.entries()) data.set(Array.from(row), i * vocabSize);
  const logits: Matrix = { data, rows: rows.length, cols: vocabSize };
  if (typeof wanted === "string") return { ...none, logits };

  const k = wanted.top;
  const ids = new Uint32Array(rows.length * k);
  const values = new Float32Array(rows.length * k);
  const normalizers = new Float32Array(rows.length);
  for (let r = 0; r < rows.length; r++) {
    const row = data.subarray(r * vocabSize, (r + 1) * vocabSize);
    const order = Array.from(row.keys()).sort((a, b) => row[b]! - row[a]! || a - b);
    for (let i = 0; i < k; i++) {
      ids[r * k + i] = order[i]!;
      values[r * k + i] = row[order[i]!]!;
    }
    normalizers[r] = logSumExp(row, 0, vocabSize);
  }
  return { ...none, top: { rows: rows.length, k, ids, values, logSumExp: normalizers } };
}

/** A rule that looks at the last token only: row `t` of a table of probabilities. */
export function tableRule(table: readonly (readonly number[])[]): Rule {
  const logits = table.map((row) => row.map((p) => Math.log(p)));
  return (cached) => logits[cached.at(-1)!]!;
}

/**
 * A rule with pseudo-random logits that depend on the last `order` tokens; `noise` mixes in a second
 * one, so that two rules of the same `seed` are similar.
 */
export function hashRule(vocabSize: number, seed: number, order = 2, noise = 0): Rule {
  const cache = new Map<number, Float32Array>();
  return (cached) => {
    let key = 17;
    for (const token of cached.slice(-order)) key = key * (vocabSize + 1) + token + 1;
    let row = cache.get(key);
    if (row === undefined) {
      row = Float32Array.from(
        { length: vocabSize },
        (_, i) => 6 * noiseAt(seed, key, i) + noise * noiseAt(seed + 1, key, i),
      );
      cache.set(key, row);
    }
    return row;
  };
}

/** A number in [0, 1) that depends on all three arguments. */
function noiseAt(seed: number, a: number, b: number): number {
  let h = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ Math.imul(a + 1, 0xc2b2_ae35);
  h = Math.imul(h ^ (h >>> 15) ^ Math.imul(b + 1, 0x27d4_eb2f), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
