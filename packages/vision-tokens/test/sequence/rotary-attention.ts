import { philox } from "@frugal/core";

const width = 8;

/** Two residual layers of causal attention with rotary positions; all else is the identity. */
export function attend(
  rows: readonly number[][],
  positions: ArrayLike<number>,
  visible: (key: number) => boolean,
): number[][] {
  const layer = (input: readonly number[][]): number[][] => {
    const turned = input.map((row, i) => rotate(row, positions[i]!));
    return input.map((row, i) => {
      const keys = turned.map((_, key) => key).filter((key) => key <= i && visible(key));
      const weights = keys.map((key) => Math.exp(product(turned[i]!, turned[key]!)));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      return row.map((x, c) => {
        const mixed = keys.reduce((sum, key, j) => sum + weights[j]! * input[key]![c]!, 0);
        return total === 0 ? x : x + mixed / total;
      });
    });
  };
  return layer(layer(rows));
}

/** `count` rows of numbers in (-1, 1). */
export function randomRows(seed: number, count: number): number[][] {
  const rng = philox(seed);
  return Array.from({ length: count }, (_, row) =>
    Array.from({ length: width }, (__, col) => 2 * rng.uniform(row, 0, col) - 1),
  );
}

function rotate(row: readonly number[], position: number): number[] {
  return row.map((x, c) => {
    const angle = position / 10 ** (c >> 1);
    const other = c % 2 === 0 ? -row[c + 1]! : row[c - 1]!;
    return x * Math.cos(angle) + other * Math.sin(angle);
  });
}

function product(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}
