import type { Matrix } from "@frugal/core";
import type { VisionConfig } from "@frugal/runtime";
import type { TensorMap } from "@frugal/testkit";

/** What a step between attention and MLP sees of a layer. */
export interface AttendedRows {
  readonly rows: Matrix;
  /** Averaged over heads, `[rows, headDim]`. */
  readonly meanKeys: Matrix;
  /** Of row 0 to every row, averaged over heads. */
  readonly firstAttention: Float32Array;
}

/** What changes the rows of an encoder on their way; every part is optional. */
export interface VisionSteps {
  /** By layer, what happens to its input; by the number of layers, to the output of the last. */
  readonly before?: (layer: number, rows: Matrix) => Matrix;
  /** Sees, and may change, the rows between a layer's attention and its MLP. */
  readonly inside?: (layer: number, attended: AttendedRows) => Matrix;
  /** What is added to the scores of each key in a layer; null: nothing. */
  readonly bias?: (layer: number) => Float32Array | null;
}

/**
 * A vision encoder with a table of positions in plain TypeScript, sums in float64: the definition that
 * graphs are compared with. Returns `hidden.{l}` in order and `hidden.final` for one image.
 */
export function runVision(
  config: VisionConfig,
  tensors: TensorMap,
  pixels: Float32Array,
  { before = (_, rows) => rows, inside = (_, { rows }) => rows, bias = () => null }: VisionSteps,
): { readonly hidden: readonly Matrix[]; readonly final: Matrix } {
  const read = reader(tensors, config);
  const { names, layers } = config;
  let rows = embed(config, read, pixels);
  const hidden: Matrix[] = [];
  for (let layer = 0; layer < layers; layer++) {
    rows = before(layer, rows);
    hidden.push(rows);
    const prefix = `${names.layers}.${layer}.`;
    const { beforeAttention, qkv, attentionOutput, beforeMlp, up, down } = names.layer;
    const normal = normalize(rows, read, prefix + beforeAttention, config.norm.epsilon);
    const [q, k, v] = qkv.map((name) => linear(normal, read, prefix + name));
    const heads = attend(config, q!, k!, v!, bias(layer));
    const summed = add(rows, linear(heads.mixed, read, prefix + attentionOutput));
    rows = inside(layer, { ...heads, rows: summed });
    const middle = normalize(rows, read, prefix + beforeMlp, config.norm.epsilon);
    const wide = linear(middle, read, prefix + up[0]!);
    const active = { ...wide, data: wide.data.map(activations[config.activation]!) };
    rows = add(rows, linear(active, read, prefix + down));
  }
  rows = before(layers, rows);
  hidden.push(rows);
  return { hidden, final: normalize(rows, read, names.finalNorm, config.norm.epsilon) };
}

type Read = (name: string) => Float32Array | null;

/** Tensors by the names that follow the encoder's prefix, which its patches show. */
function reader(tensors: TensorMap, { names }: VisionConfig): Read {
  const patches = `${names.patches}.weight`;
  const prefix = [...tensors.keys()]
    .find((key) => key.endsWith(patches))!
    .slice(0, -patches.length);
  return (name) => (tensors.get(prefix + name) ?? tensors.get(name))?.data ?? null;
}

function embed(config: VisionConfig, read: Read, pixels: Float32Array): Matrix {
  const { channels, patchSize, hiddenSize, names } = config;
  const [height, width] = config.imageSize!;
  const [ph, pw] = patchSize;
  const [gridRows, gridCols] = [Math.floor(height / ph), Math.floor(width / pw)];
  const patches = new Float32Array(gridRows * gridCols * channels * ph * pw);
  let at = 0;
  for (let row = 0; row < gridRows; row++) {
    for (let col = 0; col < gridCols; col++) {
      for (let channel = 0; channel < channels; channel++) {
        for (let y = 0; y < ph; y++) {
          const from = (channel * height + row * ph + y) * width + col * pw;
          patches.set(pixels.subarray(from, from + pw), at);
          at += pw;
        }
      }
    }
  }
  const cols = channels * ph * pw;
  const rows = linear({ data: patches, rows: gridRows * gridCols, cols }, read, names.patches);
  const first = names.classToken === null ? [] : [...read(names.classToken)!];
  const data = Float32Array.from([...first, ...rows.data]);
  const positions = read(names.positions!)!;
  const placed = {
    data: data.map((value, i) => value + positions[i]!),
    rows: data.length / hiddenSize,
    cols: hiddenSize,
  };
  if (names.entryNorm === null) return placed;
  return normalize(placed, read, names.entryNorm, config.norm.epsilon);
}

function attend(
  { heads, hiddenSize }: VisionConfig,
  q: Matrix,
  k: Matrix,
  v: Matrix,
  bias: Float32Array | null,
): Omit<AttendedRows, "rows"> & { readonly mixed: Matrix } {
  const n = q.rows;
  const dim = hiddenSize / heads;
  const mixed = new Float32Array(n * hiddenSize);
  const meanKeys = new Float32Array(n * dim);
  const firstAttention = new Float32Array(n);
  const weights = new Float64Array(n);
  for (let head = 0; head < heads; head++) {
    const offset = head * dim;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        let dot = 0;
        for (let c = 0; c < dim; c++) {
          dot += q.data[i * hiddenSize + offset + c]! * k.data[j * hiddenSize + offset + c]!;
        }
        weights[j] = dot / Math.sqrt(dim) + (bias?.[j] ?? 0);
      }
      const most = Math.max(...weights);
      const total = weights.reduce((sum, score) => sum + Math.exp(score - most), 0);
      for (let j = 0; j < n; j++) {
        const weight = Math.exp(weights[j]! - most) / total;
        if (i === 0) firstAttention[j]! += weight / heads;
        for (let c = 0; c < dim; c++) {
          mixed[i * hiddenSize + offset + c]! += weight * v.data[j * hiddenSize + offset + c]!;
        }
      }
      for (let c = 0; c < dim; c++) {
        meanKeys[i * dim + c]! += k.data[i * hiddenSize + offset + c]! / heads;
      }
    }
  }
  return {
    mixed: { data: mixed, rows: n, cols: hiddenSize },
    meanKeys: { data: meanKeys, rows: n, cols: dim },
    firstAttention,
  };
}

function linear({ data, rows, cols }: Matrix, read: Read, name: string): Matrix {
  const weight = read(`${name}.weight`)!;
  const bias = read(`${name}.bias`);
  const outputs = weight.length / cols;
  const out = new Float32Array(rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < outputs; i++) {
      let sum = bias?.[i] ?? 0;
      for (let c = 0; c < cols; c++) sum += data[row * cols + c]! * weight[i * cols + c]!;
      out[row * outputs + i] = sum;
    }
  }
  return { data: out, rows, cols: outputs };
}

function normalize(x: Matrix, read: Read, name: string, epsilon: number): Matrix {
  const { data, rows, cols } = x;
  const [weight, bias] = [read(`${name}.weight`)!, read(`${name}.bias`)!];
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const part = data.subarray(row * cols, (row + 1) * cols);
    const mean = part.reduce((sum, value) => sum + value, 0) / cols;
    const variance = part.reduce((sum, value) => sum + (value - mean) ** 2, 0) / cols;
    const scale = 1 / Math.sqrt(variance + epsilon);
    part.forEach((value, c) => {
      out[row * cols + c] = (value - mean) * scale * weight[c]! + bias[c]!;
    });
  }
  return { data: out, rows, cols };
}

function add(a: Matrix, b: Matrix): Matrix {
  return { ...a, data: a.data.map((value, i) => value + b.data[i]!) };
}

const activations: Readonly<Record<string, (x: number) => number>> = {
  gelu: (x) => 0.5 * x * (1 + errorFunction(x / Math.SQRT2)),
  "gelu-tanh": (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  "quick-gelu": (x) => x / (1 + Math.exp(-1.702 * x)),
};

/** The integral by Simpson's rule, far closer than float32. */
function errorFunction(x: number): number {
  const end = Math.min(Math.abs(x), 6);
  const steps = 200;
  let sum = 1 + Math.exp(-end * end);
  for (let i = 1; i < steps; i++) {
    sum += (i % 2 === 1 ? 4 : 2) * Math.exp(-(((end * i) / steps) ** 2));
  }
  return (Math.sign(x) * 2 * end * sum) / (3 * steps * Math.sqrt(Math.PI));
}
