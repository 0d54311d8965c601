import { type Block, InferenceError, type LanguageModel } from "@frugal/core";

/** The most rows of a block that every provider reads with its kernels for short ones. */
const shortRows = 30;

/** Children of the root. With fewer, a wrong position is hard to tell from rounding. */
const children = 7;

/**
 * Share of the logits' range by which results may differ. Where activations are rounded to 8 bits,
 * kernels for other block sizes, or for other rows of a block, round differently: up to 0.01 was
 * seen, on random weights. Wrong positions made 0.04 and more, on trained weights 0.5.
 */
const tolerance = 0.02;

/**
 * Proves on the device in use that a tree is computed as its paths are: one root with seven
 * children.
 *
 * Providers differ in what they honour (positions, masks), some of them silently, so this is
 * measured when a model is loaded and not assumed from a version number. Three checks: the first and
 * the last child give the same logits in reverse order, which fails if children see each other or
 * take their position from their row; the last one agrees with its chain, root and child; and
 * children of a cached root are what they were beside it, which fails if the cache is not written, or
 * not read. Cost: five short runs, and for a long block two more; in as few shapes as possible, since
 * providers compile kernels for each.
 *
 * @param rows of a block that has to agree with its parts, for providers that have other kernels for
 *   long blocks; default none
 * @throws {@link InferenceError} `backend` with the difference, if logits disagree.
 */
export async function selfTest(model: LanguageModel, rows = 0): Promise<void> {
  const { vocabSize, hiddenSize, maxLength } = model.info;
  const width = model.capabilities.head === false ? hiddenSize : vocabSize;
  const ids = Array.from({ length: children }, (_, i) => (i + 1) % vocabSize);
  const parents = Int32Array.from({ length: children + 1 }, (_, i) => Math.min(i - 1, 0));
  const row = (logits: Float32Array, index: number): Float32Array =>
    logits.subarray(index * width, (index + 1) * width);

  const block = (tokens: readonly number[]): Block => inputs(model, tokens);

  const tree = await logitsOf(model, "all", { ...block([0, ...ids]), parents });
  const reversed = await logitsOf(model, "all", {
    ...block([0, ...[...ids].reverse()]),
    parents,
  });
  expectClose("a child and the same one in another order", row(tree, children), row(reversed, 1));
  expectClose("a child and the same one in another order", row(tree, 1), row(reversed, children));
  const path = chainOf(ids.at(-1)!, Math.max(rows, children + 1), vocabSize);
  const chain = await logitsOf(model, "all", block(path.slice(0, children + 1)));
  expectClose("a tree and its path", row(tree, children), row(chain, 1));
  const siblings = { ...block(ids), parents: new Int32Array(children).fill(-1) };
  const later = await logitsOf(model, "all", block([0]), siblings);
  expectClose("a tree and the same one below a cached root", row(later, 0), row(tree, 1));
  expectClose("a path and a child of a cached root", row(later, children - 1), row(chain, 1));
  if (rows > 0) await testLongBlock(model, path.slice(0, maxLength));
}

/** The root, one of its children, and any ids after them, so that the block is as long as the tree. */
function chainOf(child: number, rows: number, vocabSize: number): number[] {
  return Array.from({ length: rows }, (_, i) => (i < 2 ? i * child : (i * 7 + 1) % vocabSize));
}

async function testLongBlock(model: LanguageModel, text: readonly number[]): Promise<void> {
  const blocks: Block[] = [];
  const first = children + 1;
  if (text.length > first) blocks.push(inputs(model, text.slice(0, first)));
  for (let at = blocks.length * first; at < text.length; at += shortRows) {
    blocks.push(inputs(model, text.slice(at, at + shortRows)));
  }
  const whole = await logitsOf(model, "last", inputs(model, text));
  expectClose("a block and its parts", whole, await logitsOf(model, "last", ...blocks));
}

function expectClose(what: string, actual: Float32Array, expected: Float32Array): void {
  let range = 1e-6;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    range = Math.max(range, Math.abs(expected[i]!));
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= worst)) worst = difference;
  }
  if (!(worst <= range * tolerance)) {
    throw new InferenceError(
      "backend",
      `self-test: ${what} disagree by ${worst} in logits of up to ${range}`,
    );
  }
}

/** Logits of the last block, of every row or the last one; without a head what it would read. */
async function logitsOf(
  model: LanguageModel,
  rows: "all" | "last",
  ...blocks: Block[]
): Promise<Float32Array> {
  const sequence = await model.createSequence();
  const last = blocks.pop()!;
  try {
    for (const block of blocks) await sequence.step(block, { logits: "none" });
    if (model.capabilities.head === false) {
      const options = { logits: "none", taps: ["final"], tapRows: rows } as const;
      return (await sequence.step(last, options)).taps[0]!.data;
    }
    return (await sequence.step(last, { logits: rows })).logits!.data;
  } finally {
    await sequence.dispose();
  }
}

/** Tokens, or hidden states that differ like those of tokens would, where the model takes these. */
function inputs({ info, capabilities }: LanguageModel, ids: readonly number[]): Block {
  if (capabilities.tokens) return { tokens: Uint32Array.from(ids) };
  const cols = info.hiddenSize;
  const data = new Float32Array(ids.length * cols);
  for (const [row, id] of ids.entries()) {
    for (let c = 0; c < cols; c++) data[row * cols + c] = Math.sin((id + 1) * (c + 1));
  }
  return { embeddings: { data, rows: ids.length, cols } };
}
