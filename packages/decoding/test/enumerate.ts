import type { Rng } from "@frugal/core";

/**
 * The exact distribution of the outcome of `run` over its random source.
 *
 * Every uniform that is asked for takes each of the midpoints of `cells` equal intervals. Where all
 * thresholds that `run` compares it with are multiples of `1 / cells`, counting midpoints is
 * integrating.
 */
export async function enumerate(
  run: (random: Rng) => Promise<string> | string,
  cells: number,
): Promise<Map<string, number>> {
  const law = new Map<string, number>();
  const path: number[] = [];
  for (;;) {
    const drawn = new Map<string, number>();
    const random: Rng = {
      uniform(position, stream = 0, index = 0) {
        const key = `${position} ${stream} ${index}`;
        const known = drawn.get(key) ?? drawn.size;
        drawn.set(key, known);
        while (path.length <= known) path.push(0);
        return (path[known]! + 0.5) / cells;
      },
    };
    const outcome = await run(random);
    path.length = drawn.size;
    law.set(outcome, (law.get(outcome) ?? 0) + cells ** -path.length);
    while (path.length > 0 && path.at(-1) === cells - 1) path.pop();
    if (path.length === 0) return law;
    path[path.length - 1]!++;
  }
}
