/**
 * The rotary embedding in the half-split layout of Hugging Face Llama: channel `i` is paired with
 * channel `i + dim / 2` and turned by `position * theta^(-2 i / dim)`.
 *
 * Angles are computed in float64 and cached per position.
 */
export class RotaryTable {
  readonly #half: number;
  readonly #frequencies: Float64Array;
  #cos = new Float64Array(0);
  #sin = new Float64Array(0);

  constructor(theta: number, dim: number) {
    this.#half = dim / 2;
    this.#frequencies = Float64Array.from(
      { length: this.#half },
      (_, i) => theta ** ((-2 * i) / dim),
    );
  }

  /**
   * Turns one head by `steps` positions (negative: back), from `x` at `from` to `out` at `to`.
   * `out` may be `x` at the same place.
   */
  rotate(x: Float64Array, from: number, steps: number, out: Float64Array, to: number): void {
    const half = this.#half;
    const row = Math.abs(steps) * half;
    const sign = Math.sign(steps);
    this.#fill(Math.abs(steps));
    for (let i = 0; i < half; i++) {
      const cos = this.#cos[row + i]!;
      const sin = sign * this.#sin[row + i]!;
      const a = x[from + i]!;
      const b = x[from + i + half]!;
      out[to + i] = a * cos - b * sin;
      out[to + i + half] = b * cos + a * sin;
    }
  }

  /** Extends the tables so that they include `position`. */
  #fill(position: number): void {
    const half = this.#half;
    const rows = this.#cos.length / half;
    if (position < rows) return;
    const wanted = Math.max(position + 1, 2 * rows);
    const cos = new Float64Array(wanted * half);
    const sin = new Float64Array(wanted * half);
    cos.set(this.#cos);
    sin.set(this.#sin);
    for (let p = rows; p < wanted; p++) {
      for (let i = 0; i < half; i++) {
        cos[p * half + i] = Math.cos(p * this.#frequencies[i]!);
        sin[p * half + i] = Math.sin(p * this.#frequencies[i]!);
      }
    }
    this.#cos = cos;
    this.#sin = sin;
  }
}
