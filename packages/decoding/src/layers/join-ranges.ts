import { type Capabilities, InferenceError, type ModelInfo, type Sequence } from "@frugal/core";

import { expectRange } from "../sampling/sampling-options.ts";

/**
 * Makes sure that ranges of layers can run one after the other.
 *
 * @throws {@link InferenceError} `range` for fewer than two; `shape` for ranges of other widths,
 *   `state` of other lengths; `unsupported` for one that takes or gives no hidden states.
 */
export function checkRanges(
  ranges: readonly (Pick<Sequence, "info" | "capabilities"> & Partial<Pick<Sequence, "length">>)[],
): void {
  expectRange("ranges", ranges.length, "at least two", ranges.length >= 2);
  const [first] = ranges;
  const { hiddenSize } = first!.info;
  for (const [i, { info, capabilities, length }] of ranges.entries()) {
    const name = `ranges[${i}]`;
    if (info.hiddenSize !== hiddenSize) {
      const message = `${name}: expected a hidden size of ${hiddenSize}, got ${info.hiddenSize}`;
      throw new InferenceError("shape", message);
    }
    if (length !== first!.length) {
      const message = `${name}: expected ${first!.length} cached positions, got ${length}`;
      throw new InferenceError("state", message);
    }
    const lacks =
      (i > 0 && !capabilities.embeddings) || (i < ranges.length - 1 && !capabilities.taps);
    if (lacks) {
      throw new InferenceError(
        "unsupported",
        `${name}: expected hidden states in and out, got none`,
      );
    }
  }
}

/** Facts of the whole that ranges make up. A head that several ranges hold counts in each of them. */
export function joinInfo(infos: readonly ModelInfo[]): ModelInfo {
  return {
    ...infos.at(-1)!,
    layers: infos.reduce((sum, { layers }) => sum + layers, 0),
    parameters: infos.reduce((sum, { parameters }) => sum + parameters, 0),
    maxLength: Math.min(...infos.map(({ maxLength }) => maxLength)),
  };
}

/** What the whole can do. */
export function joinCapabilities(all: readonly Capabilities[]): Capabilities {
  const every = (name: keyof Capabilities): boolean => all.every((one) => one[name]);
  return {
    tokens: all[0]!.tokens,
    embeddings: all[0]!.embeddings,
    tree: every("tree"),
    openTree: every("openTree"),
    taps: every("taps"),
    positions: every("positions"),
    evict: every("evict"),
    top: all.at(-1)!.top,
    ...(all.at(-1)!.head === false && { head: false }),
  };
}
