import type { Draft } from "./drafter.ts";
import type { DatastoreMatch, SuffixDatastore } from "./suffix-datastore.ts";

/** A continuation that may be drafted: entries `[from, to)` of the datastore go on like this. */
interface Candidate {
  readonly token: number;
  readonly from: number;
  readonly to: number;
  /** Place of the parent in the draft, or -1. */
  readonly parent: number;
  readonly depth: number;
}

/**
 * The `count` most frequent beginnings of what follows a match, of at most `maxDepth` tokens: a
 * tree, since no beginning is more frequent than a shorter one of it. Equals in the order of their
 * parents, then by ascending id; nothing follows a stop id. The scores are relative frequencies.
 *
 * Cost: O(count (count + d log n)) with d different next tokens.
 *
 * @see He et al., "REST", arXiv:2311.08252
 */
export function frequentTree(
  datastore: SuffixDatastore,
  match: DatastoreMatch,
  count: number,
  maxDepth: number,
  stopIds: ReadonlySet<number>,
): Draft {
  const tokens = new Uint32Array(count);
  const parents = new Int32Array(count);
  const scores = new Float32Array(count);
  /** By descending frequency; never longer than what can still be drafted. */
  const candidates: Candidate[] = [];

  const offer = (candidate: Candidate): void => {
    const times = candidate.to - candidate.from;
    let at = candidates.length;
    while (at > 0 && candidates[at - 1]!.to - candidates[at - 1]!.from < times) at--;
    if (at >= count) return;
    candidates.splice(at, 0, candidate);
    if (candidates.length > count) candidates.pop();
  };
  const expand = (from: number, to: number, parent: number, depth: number): void => {
    datastore.forEachNext(from, to, match.length + depth, (token, low, high) => {
      offer({ token, from: low, to: high, parent, depth: depth + 1 });
    });
  };

  const occurrences = new Uint32Array(count);
  expand(match.from, match.to, -1, 0);
  let size = 0;
  while (size < count) {
    const next = candidates.shift();
    if (next === undefined) break;
    const { token, from, to, parent, depth } = next;
    tokens[size] = token;
    parents[size] = parent;
    occurrences[size] = to - from;
    scores[size] = (to - from) / (parent < 0 ? match.to - match.from : occurrences[parent]!);
    if (depth < maxDepth && !stopIds.has(token)) expand(from, to, size, depth);
    size++;
  }
  return {
    tokens: tokens.subarray(0, size),
    parents: parents.subarray(0, size),
    scores: scores.subarray(0, size),
    runMs: 0,
  };
}
