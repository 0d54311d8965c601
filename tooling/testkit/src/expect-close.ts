import type { Matrix } from "@frugal/core";
import { expect } from "vitest";

/**
 * Fails unless both matrices have the same shape and no entry differs by more than the tolerance.
 * A NaN on either side fails.
 */
export function expectClose(actual: Matrix, expected: Matrix, tolerance: number): void {
  expect([actual.rows, actual.cols]).toEqual([expected.rows, expected.cols]);
  expect(actual.data.length).toBe(expected.data.length);
  expect(largestDifference(actual, expected)).toBeLessThanOrEqual(tolerance);
}

/** The largest absolute difference of two equally shaped matrices; NaN if there is one. */
export function largestDifference(actual: Matrix, expected: Matrix): number {
  return actual.data.reduce((max, x, i) => Math.max(max, Math.abs(x - expected.data[i]!)), 0);
}

/** Rows `[first, end)` of a matrix, sharing its storage. */
export function rowsOf(matrix: Matrix, first: number, end: number = first + 1): Matrix {
  const { data, cols } = matrix;
  return { data: data.subarray(first * cols, end * cols), rows: end - first, cols };
}
