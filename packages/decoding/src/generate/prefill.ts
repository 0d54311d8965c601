import {
  type AbortLike,
  type CachePolicy,
  InferenceError,
  type LogitsWanted,
  type Matrix,
  type Sequence,
  type StepOptions,
  type StepOutput,
  type Tap,
} from "@frugal/core";

/** How a text is read into a cache that may be smaller than the text. */
export interface PrefillOptions {
  readonly policy: CachePolicy | null;
  /** Rows per step; null chooses, see {@link chunkRows}. */
  readonly chunk: number | null;
  /** Logits of the last chunk; the others ask for none. */
  readonly logits: LogitsWanted;
  readonly signal: AbortLike | undefined;
  /** Told of every eviction: the slots kept, and the length before. */
  readonly onTrim: (kept: Uint32Array, from: number) => void;
  /** Told of every chunk that is in the cache. */
  readonly onFed?: (tokens: Uint32Array) => void;
  /** Hidden states to fetch: of the last row, or of all with `onTaps`. */
  readonly taps?: readonly Tap[];
  /** Told of the states of every chunk, and of the index of its first token. */
  readonly onTaps?: (taps: readonly Matrix[], from: number) => void;
}

/**
 * Appends `tokens` to the cache, in chunks where they do not fit at once, asking the policy before
 * each.
 *
 * @throws {@link InferenceError} `range` if a chunk does not fit after the policy was asked.
 */
export async function prefill(
  sequence: Sequence,
  tokens: Uint32Array,
  options: PrefillOptions,
): Promise<{ readonly output: StepOutput; readonly runMs: number }> {
  const { policy, logits, signal, taps = [], onTaps } = options;
  const rows = options.chunk ?? chunkRows(sequence, policy, tokens.length);
  let runMs = 0;
  for (let from = 0; ; from += rows) {
    const block = tokens.subarray(from, from + rows);
    await trim(sequence, policy, block.length, options.onTrim);
    const free = sequence.info.maxLength - sequence.length;
    if (block.length > free) {
      throw new InferenceError("range", `ids: expected at most ${free} more, got ${block.length}`);
    }
    const isLast = from + rows >= tokens.length;
    const wanted = isLast ? logits : "none";
    const tapped = isLast || onTaps !== undefined ? taps : [];
    const tapRows = onTaps === undefined ? "last" : "all";
    const how = { ...stepOptions(wanted, signal, tapped), tapRows } as const;
    const output = await sequence.step({ tokens: block }, how);
    runMs += output.runMs;
    options.onFed?.(block);
    onTaps?.(output.taps, from);
    if (isLast) return { output, runMs };
  }
}

/** Asks the policy and evicts what it says. */
export async function trim(
  sequence: Sequence,
  policy: CachePolicy | null,
  incoming: number,
  onTrim: (kept: Uint32Array, from: number) => void,
): Promise<void> {
  const from = sequence.length;
  const kept = policy?.(from, incoming) ?? null;
  if (kept === null || kept.length === from) return;
  await sequence.keep(kept);
  onTrim(kept, from);
}

/** Options of a step; `signal` is left out where there is none, and so are `taps`. */
export function stepOptions(
  logits: LogitsWanted,
  signal: AbortLike | undefined,
  taps: readonly Tap[] = [],
): StepOptions {
  return { logits, ...(taps.length > 0 && { taps }), ...(signal !== undefined && { signal }) };
}

/**
 * Rows per chunk: all at once if they fit what the policy leaves of a full context, else a quarter
 * of that, so that every chunk still sees most of the window before it.
 */
function chunkRows(sequence: Sequence, policy: CachePolicy | null, count: number): number {
  const { maxLength } = sequence.info;
  const kept = policy?.(maxLength, 1) ?? null;
  const bound = kept === null ? maxLength : Math.min(maxLength, kept.length + 1);
  return sequence.length + count <= bound ? count : Math.max(1, bound >>> 2);
}
