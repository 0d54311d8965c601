import { expectCount } from "../select/expect.ts";

/**
 * Puts a landmark token after every `blockSize - 1` ordinary ones: the layout that a model trained
 * with landmarks reads. The last block has none until it is full.
 *
 * @param offset ordinary tokens of an unfinished block that precede these.
 * @throws {@link InferenceError} `range` for a block size below 2 or an offset outside the block.
 */
export function insertLandmarks(
  ids: Uint32Array,
  landmarkId: number,
  blockSize: number,
  offset = 0,
): Uint32Array {
  expectCount("blockSize", blockSize, 2);
  expectCount("offset", offset, 0);
  const ordinary = blockSize - 1;
  const before = offset % ordinary;
  const out = new Uint32Array(ids.length + Math.floor((before + ids.length) / ordinary));
  let at = 0;
  for (const [i, id] of ids.entries()) {
    out[at++] = id;
    if ((before + i + 1) % ordinary === 0) out[at++] = landmarkId;
  }
  return out;
}
