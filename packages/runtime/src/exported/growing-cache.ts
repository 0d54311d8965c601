import { InferenceError } from "@frugal/core";

import type { Ort, Tensor } from "../onnx/ort.ts";
import { floatData, type FloatData, floatTensor } from "../onnx/typed-tensor.ts";
import { checkSlots } from "../sequence/check-slots.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import type { RowPositions } from "../sequence/place-rows.ts";
import {
  allocateRows,
  distancesOf,
  gatherRows,
  hasTriples,
  type RowSpans,
  turnRows,
} from "./cache-rows.ts";
import type { CachePort } from "./decoder-signature.ts";
import type { ExportedCache } from "./exported-cache.ts";

/**
 * Keys and values of a graph that takes all cached rows and returns them with the new ones
 * appended.
 *
 * A value: no buffer changes once it is in one, so forks, failed steps and aborts need no copies.
 * Buffer `i` is `[...ports[i].before, length, ports[i].width]`.
 */
export class GrowingCache implements ExportedCache {
  readonly ports: readonly CachePort[];
  readonly data: readonly FloatData[];
  readonly #spans: RowSpans;

  constructor(ports: readonly CachePort[], data: readonly FloatData[], spans: RowSpans) {
    this.ports = ports;
    this.data = data;
    this.#spans = spans;
  }

  /** A cache without rows. */
  static empty(ports: readonly CachePort[]): GrowingCache {
    const data = ports.map((port) => allocateRows(port, 0).data);
    return new GrowingCache(ports, data, { highs: new Int32Array(0), lows: new Int32Array(0) });
  }

  get length(): number {
    return this.#spans.highs.length;
  }

  get positions(): Int32Array {
    return this.#spans.highs;
  }

  get hasTriples(): boolean {
    return hasTriples(this.#spans);
  }

  reserve(): GrowingCache {
    return this;
  }

  feeds(ort: Ort): Record<string, Tensor> {
    const { data, length } = this;
    const entries = this.ports.map(({ name, before, width }, i) => {
      return [name, floatTensor(ort, data[i]!, [...before, length, width])] as const;
    });
    return Object.fromEntries(entries);
  }

  fetches(): Record<string, null> {
    return Object.fromEntries(this.ports.map(({ present }) => [present, null]));
  }

  append(outputs: Record<string, Tensor>, { highs, lows }: RowPositions): GrowingCache {
    const total = this.length + highs.length;
    const data = this.ports.map(({ present, before, width }) => {
      const expected = [...before, total, width].join(", ");
      const found = outputs[present]!.dims.join(", ");
      if (found === expected) return floatData(outputs[present]!);
      const message = `${present}: expected [${expected}], found [${found}]`;
      throw new InferenceError("unsupported", message);
    });
    return new GrowingCache(this.ports, data, {
      highs: joined(this.#spans.highs, highs),
      lows: joined(this.#spans.lows, lows ?? highs),
    });
  }

  /** Cost: a copy of the rows. */
  keep(slots: Uint32Array, frequencies: KeyFrequencies | null): GrowingCache {
    checkSlots(slots, this.length);
    const of = (values: Int32Array): Int32Array => Int32Array.from(slots, (slot) => values[slot]!);
    const spans = { highs: of(this.#spans.highs), lows: of(this.#spans.lows) };
    const distances = frequencies === null ? null : distancesOf(spans);
    const isMoved = distances?.some((distance) => distance !== 0) === true;
    if (slots.length === this.length && !isMoved) return this;
    const capacity = this.length;
    const kept = this.ports.map((port, i) => {
      const rows = allocateRows(port, slots.length);
      gatherRows(port, { data: this.data[i]!, capacity }, rows, slots);
      return rows;
    });
    if (isMoved) turnRows(this.ports, kept, spans, distances, frequencies!);
    return new GrowingCache(
      this.ports,
      kept.map(({ data }) => data),
      spans,
    );
  }

  truncate(length: number): GrowingCache {
    return this.keep(
      Uint32Array.from({ length }, (_, slot) => slot),
      null,
    );
  }

  fork(): GrowingCache {
    return this;
  }
}

function joined(first: Int32Array, second: Int32Array): Int32Array {
  const all = new Int32Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}
