import { type Law, mostProbable, probabilityOf } from "./law.ts";

/**
 * A law to subtract from: what a verifier still has to emit after it refused a drafted token.
 *
 * Keeps the support of what was loaded, ids ascending, weights that become 0 included, in buffers
 * of its own that it reuses. Every method costs O(size) and allocates nothing once the buffers have
 * grown.
 */
export class Residual implements Law {
  ids: Uint32Array = new Uint32Array(0);
  weights: Float64Array = new Float64Array(0);
  size = 0;
  total = 0;

  /** Takes over `law`, normalised; an empty one is of total 0. */
  load(law: Law): void {
    const { ids, weights, size, total } = law;
    if (this.weights.length < size) {
      this.ids = new Uint32Array(size);
      this.weights = new Float64Array(size);
    }
    for (let i = 0; i < size; i++) {
      this.ids[i] = ids[i]!;
      this.weights[i] = weights[i]! / total;
    }
    this.size = size;
    this.total = size === 0 ? 0 : 1;
  }

  /** Takes `id` out. */
  remove(id: number): void {
    let sum = 0;
    for (let i = 0; i < this.size; i++) {
      if (this.ids[i] === id) this.weights[i] = 0;
      sum += this.weights[i]!;
    }
    this.total = sum;
  }

  /** Gives the mass of `from` to `to`, which must be in the support. */
  move(from: Uint32Array, to: number): void {
    let sum = 0;
    let target = 0;
    for (let i = 0; i < this.size; i++) {
      if (this.ids[i] === to) target = i;
      if (!from.includes(this.ids[i]!)) continue;
      sum += this.weights[i]!;
      this.weights[i] = 0;
    }
    this.weights[target] = this.weights[target]! + sum;
  }

  /** Becomes `max(0, p - q)`, of normalised `p` and `q`. Its total is what that leaves of 1. */
  subtract(q: Law): void {
    const { ids, weights, size, total } = this;
    let sum = 0;
    for (let i = 0, j = 0; i < size; i++) {
      const id = ids[i]!;
      while (j < q.size && q.ids[j]! < id) j++;
      const taken = j < q.size && q.ids[j] === id ? q.weights[j]! / q.total : 0;
      weights[i] = Math.max(0, weights[i]! / total - taken);
      sum += weights[i]!;
    }
    this.total = sum;
  }

  /**
   * Becomes `law` without the first `count` of `tokens`, or its most probable id where that is
   * empty: for the case that rounding left nothing of a difference.
   */
  fallBack(law: Law, tokens: Uint32Array, count: number): void {
    this.load(law);
    for (let k = 0; k < count; k++) this.remove(tokens[k]!);
    if (this.total > 0) return;
    this.load(law);
    const best = mostProbable(law);
    for (let i = 0; i < this.size; i++) this.weights[i] = this.ids[i] === best ? 1 : 0;
  }

  /** The probability of `id`. Cost: O(log size). */
  probabilityOf(id: number): number {
    return probabilityOf(this, id);
  }
}
