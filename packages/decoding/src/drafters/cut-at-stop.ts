/** The tokens up to the first that ends the text, which stays: if the text ends there, it is a hit. */
export function cutAtStop(tokens: Uint32Array, stopIds: ReadonlySet<number>): Uint32Array {
  const stop = tokens.findIndex((token) => stopIds.has(token));
  return stop < 0 ? tokens : tokens.subarray(0, stop + 1);
}
