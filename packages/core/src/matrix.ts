/**
 * A dense row-major matrix that borrows its storage.
 *
 * Row `r` occupies `data[r * cols]` up to, not including, `data[(r + 1) * cols]`.
 * Functions that take a `Matrix` never write to it and never keep a reference to it.
 */
export interface Matrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}
