import { expectClose, seededRandom, type SeededRandom } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { KvStore, masked } from "../src/sequence/kv-store.ts";
import { rotateKey } from "../src/sequence/rotary.ts";

const shape = { layers: 2, kvHeads: 3, headDim: 4 };
const turning = Float64Array.of(1, 0.01);
const frequencies = [turning, turning];

/** One cached position as the store should have it: every layer and head, in plain arrays. */
interface Row {
  position: number;
  readonly keys: number[][];
  readonly values: number[][];
}

/** The store under test and the list of rows it should hold. */
class Pair {
  readonly store: KvStore;
  rows: Row[];

  constructor(store = new KvStore(shape), rows: Row[] = []) {
    this.store = store;
    this.rows = rows;
  }

  append(random: SeededRandom, count: number, positions: Int32Array): void {
    const { layers, kvHeads, headDim } = shape;
    const fresh = (): Float32Array[] =>
      Array.from({ length: layers }, () =>
        Float32Array.from({ length: kvHeads * count * headDim }, () => random.next() - 0.5),
      );
    const [keys, values] = [fresh(), fresh()];
    this.store.append(keys, values, positions);
    for (let row = 0; row < count; row++) {
      const cut = (side: Float32Array[]) =>
        side.flatMap((data) =>
          Array.from({ length: kvHeads }, (_, head) => {
            const from = (head * count + row) * headDim;
            return [...data.subarray(from, from + headDim)];
          }),
        );
      this.rows.push({ position: positions[row]!, keys: cut(keys), values: cut(values) });
    }
  }

  keep(slots: Uint32Array, relative: boolean): void {
    this.store.keep(slots, relative ? frequencies : null);
    this.rows = [...slots].map((slot) => this.rows[slot]!);
    if (!relative) return;
    this.rows = this.rows.map((row, slot) => {
      const angles = turning.map((w) => (slot - row.position) * w);
      const keys = row.keys.map((key) => {
        const turned = Float32Array.from(key);
        if (slot !== row.position) rotateKey(turned, 0, angles.map(Math.cos), angles.map(Math.sin));
        return [...turned];
      });
      return { ...row, keys, position: slot };
    });
  }

  fork(): Pair {
    return new Pair(this.store.fork(), [...this.rows]);
  }
}

/** Compares everything that can be seen of the store, bit by bit. */
function expectEqual({ store, rows }: Pair): void {
  const { kvHeads, headDim } = shape;
  expect(store.length).toBe(rows.length);
  expect([...store.positions]).toEqual(rows.map((row) => row.position));
  expect(store.capacity).toBeGreaterThanOrEqual(rows.length);
  const bias = new Float32Array(store.capacity).fill(masked, rows.length);
  expect(store.bias).toEqual(bias);
  const at = (side: readonly Float32Array[], slot: number) =>
    side.flatMap((data) =>
      Array.from({ length: kvHeads }, (_, head) => {
        const from = (head * store.capacity + slot) * headDim;
        return [...data.subarray(from, from + headDim)];
      }),
    );
  for (const [slot, row] of rows.entries()) {
    if (rows.length > 40 && slot % 17 !== 0 && slot < rows.length - 5) continue;
    expect(at(store.keys, slot)).toEqual(row.keys);
    expect(at(store.values, slot)).toEqual(row.values);
  }
}

describe("KvStore", () => {
  test("begins empty, with every slot masked", () => {
    expectEqual(new Pair());
  });

  test.for([
    ["absolute", false],
    ["cache-relative", true],
  ] as const)(
    "is a list of rows under any operations, with %s positions",
    { timeout: 30_000 },
    ([, relative]) => {
      const random = seededRandom(relative ? 1 : 2);
      let pairs = [new Pair()];
      for (let round = 0; round < 250; round++) {
        const pair = pairs[random.below(pairs.length)]!;
        const { length } = pair.rows;
        const operation = random.next();
        if (operation < 0.45) {
          const count = random.next() < 0.05 ? 1 + random.below(300) : 1 + random.below(6);
          const base = relative ? length : (pair.rows.at(-1)?.position ?? -1) + 1;
          const positions = Int32Array.from({ length: count }, (_, i) => base + i);
          // Trees and callers give positions out of order.
          if (random.next() < 0.3) positions[count - 1] = random.below(1000);
          pair.append(random, count, positions);
        } else if (operation < 0.7) pair.keep(random.subset(length, random.next()), relative);
        else if (operation < 0.8) {
          const kept = random.below(length + 1);
          pair.store.truncate(kept);
          pair.rows = pair.rows.slice(0, kept);
        } else if (operation < 0.92) pairs.push(pair.fork());
        else if (pairs.length > 1) {
          pair.store.dispose();
          pairs = pairs.filter((other) => other !== pair);
        }
        // All of them: what one did must not show in another.
        for (const each of pairs) expectEqual(each);
      }
      expect(pairs.length).toBeGreaterThan(3);
    },
  );

  test("looks after keep as if it had been written contiguously", () => {
    const random = seededRandom(3);
    const { kvHeads, headDim } = shape;
    const plain = Float32Array.from({ length: kvHeads * headDim }, () => random.next());
    /** A store whose rows hold the same key, rotated to their positions. */
    const written = (positions: number[]): KvStore => {
      const store = new KvStore({ ...shape, layers: 1 });
      for (const position of positions) {
        const key = plain.slice();
        const angles = turning.map((w) => position * w);
        for (let head = 0; head < kvHeads; head++) {
          rotateKey(key, head * headDim, angles.map(Math.cos), angles.map(Math.sin));
        }
        store.append([key], [plain], Int32Array.of(position));
      }
      return store;
    };
    const store = written(Array.from({ length: 40 }, (_, i) => i));
    store.keep(Uint32Array.of(0, 1, 7, 8, 20, 39), frequencies);
    store.keep(Uint32Array.of(0, 2, 3, 5), frequencies);
    const expected = written([0, 1, 2, 3]);
    for (let head = 0; head < kvHeads; head++) {
      const rows = ({ keys, capacity }: KvStore) => {
        const from = head * capacity * headDim;
        return { data: keys[0]!.slice(from, from + 4 * headDim), rows: 4, cols: headDim };
      };
      expectClose(rows(store), rows(expected), 1e-6);
    }
  });

  test("leaves the bytes of kept rows alone with absolute positions", () => {
    const random = seededRandom(4);
    const pair = new Pair();
    pair.append(
      random,
      9,
      Int32Array.from({ length: 9 }, (_, i) => 100 + i),
    );
    pair.keep(Uint32Array.of(2, 5, 8), false);
    expectEqual(pair);
    expect([...pair.store.positions]).toEqual([102, 105, 108]);
  });

  test("shares buffers with its forks until one of them writes", () => {
    const random = seededRandom(5);
    const pair = new Pair();
    pair.append(random, 4, Int32Array.of(0, 1, 2, 3));
    const fork = pair.fork();
    expect(fork.store.keys).toBe(pair.store.keys);
    pair.keep(Uint32Array.of(0, 1, 2, 3), true);
    expect(fork.store.keys).toBe(pair.store.keys);
    // Dropped slots are cleared, which the fork must not see.
    pair.keep(Uint32Array.of(0, 1), true);
    expect(fork.store.keys).not.toBe(pair.store.keys);
    pair.append(random, 1, Int32Array.of(2));
    const { keys } = fork.store;
    fork.append(random, 1, Int32Array.of(4));
    expect(fork.store.keys).toBe(keys);
    expectEqual(fork);
    expectEqual(pair);
  });

  test("refuses slots that are not ascending or not there, and keeps everything", () => {
    const pair = new Pair();
    pair.append(seededRandom(6), 4, Int32Array.of(0, 1, 2, 3));
    for (const slots of [[4], [0, 4], [1, 1], [2, 1], [0, 2 ** 32 - 1]]) {
      expect(() => pair.store.keep(Uint32Array.from(slots), frequencies)).toThrow(
        expect.objectContaining({ name: "InferenceError", code: "range" }),
      );
      expect(() => pair.store.keep(Uint32Array.from(slots), null)).toThrow(`${slots.at(-1)} at`);
      expectEqual(pair);
    }
  });

  test("may be disposed twice, and leaves its forks alone", () => {
    const pair = new Pair();
    pair.append(seededRandom(7), 4, Int32Array.of(0, 1, 2, 3));
    const fork = pair.fork();
    pair.store.dispose();
    pair.store.dispose();
    expect([pair.store.length, pair.store.capacity, pair.store.bias.length]).toEqual([0, 0, 0]);
    const { keys } = fork.store;
    fork.append(seededRandom(8), 1, Int32Array.of(4));
    expect(fork.store.keys).toBe(keys);
    expectEqual(fork);
  });
});
