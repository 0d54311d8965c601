/**
 * Decides what stays in the cache before new rows are appended.
 *
 * Called by the generate loop before every step with the number of cached positions and the number
 * of rows about to be appended. Returns the slots to keep, ascending and distinct, or null for no
 * change. A policy must be a pure function of its arguments: the loop applies the same policy to
 * the target's cache and, where it has one, the drafter applies its own to the draft model's.
 */
export type CachePolicy = (length: number, incoming: number) => Uint32Array | null;
