/** A resampling filter of Pillow. */
export type Filter = "bilinear" | "bicubic" | "lanczos";

/** What a pixel counts for at a distance, in pixels of the coarser image, and up to which distance. */
interface Kernel {
  readonly support: number;
  readonly weight: (x: number) => number;
}

const filters: Readonly<Record<Filter, Kernel>> = {
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Names of the filters. */
export const filterNames = Object.keys(filters) as readonly Filter[];

/** The cubic convolution with parameter -0.5. */
function cubic(distance: number): number {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Bits behind the point of a weight. */
export const fractionBits = 22;

/** Which source pixels make each pixel of a side, and how much each counts. */
export interface Taps {
  /** First source pixel of each, `[size]`. */
  readonly starts: Int32Array;
  /** How many source pixels each has, `[size]`. */
  readonly counts: Int32Array;
  /** Weights in units of 2^-22, `[size, width]`. */
  readonly weights: Int32Array;
  /** Room of each in `weights`. */
  readonly width: number;
}

/** The taps of a side of `from` pixels that becomes one of `to`. */
export function tapsOf(filter: Filter, from: number, to: number): Taps {
  const kernel = filters[filter];
  const scale = from / to;
  // Shrinking widens the filter, so that every source pixel counts (antialiasing).
  const spread = Math.max(scale, 1);
  const support = kernel.support * spread;
  const width = 2 * Math.ceil(support) + 1;
  const starts = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights = new Int32Array(to * width);
  const shares = new Float64Array(width);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(from, Math.trunc(center + support + 0.5)) - start;
    let sum = 0;
    for (let t = 0; t < count; t++) {
      shares[t] = kernel.weight((start + t - center + 0.5) * (1 / spread));
      sum += shares[t]!;
    }
    for (let t = 0; t < count; t++) {
      const share = (sum === 0 ? shares[t]! : shares[t]! / sum) * 2 ** fractionBits;
      weights[i * width + t] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { starts, counts, weights, width };
}
