// The constants of an export, in the types and files that other tools write.
import type { GraphBuilder } from "../../../packages/runtime/src/graph/graph-builder.ts";
import { quantizeBlocks } from "../../../packages/runtime/src/weights/quantize-blocks.ts";
import type { TensorMap } from "./reference-weights.ts";

/** Weights of a projection as `MatMulNBits` takes them. */
export interface BlockWeight {
  readonly bits: number;
  readonly blockSize: number;
  readonly outputs: number;
  readonly inputs: number;
  /** `[outputs, blocks, blockSize * bits / 8]` */
  readonly quantized: Uint8Array;
  /** float32 `[outputs, blocks]` */
  readonly scales: Uint8Array;
}

/** How the weights of an export are stored. */
export interface WeightStyle {
  /** Of activations, caches and scales. */
  readonly type?: "float32" | "float16";
  /** Weights lie in this file beside the graph. */
  readonly dataFile?: string;
  /** In how many files, the others named after the first with `_1` and so on. Default 1. */
  readonly dataFiles?: number;
  /**
   * Types of projections, for graphs with a `dataFile`. `int8` and `uint8`: bytes with a scale per
   * output, activations quantized at every step. `q4` and `q8`: blocks of 32. `bnb4`: blocks of 64 of
   * the sixteen values of NF4. Default: floats.
   */
  readonly weights?: "int8" | "uint8" | "q4" | "q8" | "bnb4";
  /** Projections in blocks by name, for graphs with a `dataFile`; the others are floats. */
  readonly blocks?: ReadonlyMap<string, BlockWeight>;
  /** Of products of blocks: 4 (default) rounds activations to int8, 0 does not. */
  readonly accuracyLevel?: 0 | 4;
}

type StoredType = "float32" | "uint8" | "int8";

/** Values of four bits as bitsandbytes has them, ascending; the first and last are -1 and 1. */
const nf4 = Float32Array.of(
  -1,
  -0.6961928009986877,
  -0.5250730514526367,
  -0.39491748809814453,
  -0.28444138169288635,
  -0.18477343022823334,
  -0.09105003625154495,
  0,
  0.07958029955625534,
  0.16093020141124725,
  0.24611230194568634,
  0.33791524171829224,
  0.44070982933044434,
  0.5626170039176941,
  0.7229568362236023,
  1,
);

/** Constants of a graph, inside it or in files of their own. */
export class Weights {
  readonly #tensors: TensorMap;
  readonly #style: WeightStyle;
  readonly #stored = new Map<string, string>();
  readonly #files: { readonly name: string; readonly chunks: Uint8Array[]; length: number }[];
  #next = 0;

  constructor(tensors: TensorMap, style: WeightStyle) {
    this.#tensors = tensors;
    this.#style = style;
    const { dataFile = "", dataFiles = 1 } = style;
    this.#files = Array.from({ length: dataFiles }, (_, i) => ({
      name: i === 0 ? dataFile : `${dataFile}_${i}`,
      chunks: [],
      length: 0,
    }));
  }

  constant(graph: GraphBuilder, name: string): string {
    const { data, shape } = this.#tensors.get(name)!;
    const stored = this.#stored.get(name) ?? this.#floats(graph, name, data, shape);
    this.#stored.set(name, stored);
    return stored;
  }

  /** `x` times the transposed weight. */
  product(graph: GraphBuilder, x: string, name: string): string {
    const block = this.#style.blocks?.get(name);
    if (block !== undefined) return this.#blockProduct(graph, x, name, block);
    const tensor = this.#tensors.get(`${name}.weight`)!;
    const [outputs, inputs] = tensor.shape as [number, number];
    switch (this.#style.weights) {
      case "int8":
      case "uint8":
        return this.#integerProduct(graph, x, name, this.#style.weights);
      case "q4":
      case "q8": {
        const bits = this.#style.weights === "q4" ? 4 : 8;
        const blockSize = 32;
        const { blob, scales } = quantizeBlocks(tensor.data, outputs, inputs, bits, blockSize);
        const stored = { quantized: blob, scales: new Uint8Array(scales.buffer) };
        const weight = { bits, blockSize, outputs, inputs, ...stored };
        return this.#blockProduct(graph, x, name, weight);
      }
      case "bnb4":
        return this.#nf4Product(graph, x, name);
      default:
        return graph.node("MatMul", [x, this.#turned(graph, `${name}.weight`)]);
    }
  }

  /** The files and what they hold; none where the weights lie in the graph. */
  files(): readonly { readonly name: string; readonly data: Uint8Array }[] {
    const used = this.#files.filter(({ length }) => length > 0);
    return used.map(({ name, chunks }) => ({ name, data: new Uint8Array(Buffer.concat(chunks)) }));
  }

  /** The matrix with its sides exchanged: `MatMul` wants `[inputs, outputs]`. */
  #turned(graph: GraphBuilder, name: string): string {
    const { data, shape } = this.#tensors.get(name)!;
    const [rows, cols] = shape as [number, number];
    const turned = new Float32Array(data.length);
    for (let row = 0; row < rows; row++) {
      for (let col = 0; col < cols; col++) turned[col * rows + row] = data[row * cols + col]!;
    }
    return this.#floats(graph, `${name}.T`, turned, [cols, rows]);
  }

  #blockProduct(graph: GraphBuilder, x: string, name: string, block: BlockWeight): string {
    const { bits, blockSize, inputs, outputs, quantized, scales } = block;
    const dims = [outputs, Math.ceil(inputs / blockSize), (blockSize * bits) / 8];
    const wide = this.#external(graph, `${name}.scales`, "float32", scales, [scales.length / 4]);
    const weights = [
      this.#external(graph, `${name}.quantized`, "uint8", quantized, dims),
      this.#typed(graph, wide),
    ];
    return graph.node("MatMulNBits", [x, ...weights], {
      K: { int: inputs },
      N: { int: outputs },
      bits: { int: bits },
      block_size: { int: blockSize },
      accuracy_level: { int: this.#style.accuracyLevel ?? 4 },
    });
  }

  /** As onnxruntime's `quantize_dynamic` writes it. */
  #integerProduct(graph: GraphBuilder, x: string, name: string, type: "int8" | "uint8"): string {
    const { data, shape } = this.#tensors.get(`${name}.weight`)!;
    const [outputs, inputs] = shape as [number, number];
    const zero = type === "uint8" ? 128 : 0;
    const bytes = type === "uint8" ? new Uint8Array(data.length) : new Int8Array(data.length);
    const scales = new Float32Array(outputs);
    for (let row = 0; row < outputs; row++) {
      const values = data.subarray(row * inputs, (row + 1) * inputs);
      const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
      scales[row] = scale;
      for (let col = 0; col < inputs; col++) {
        bytes[col * outputs + row] = zero + (scale === 0 ? 0 : Math.round(values[col]! / scale));
      }
    }
    const raw = new Uint8Array(bytes.buffer);
    const weight = this.#external(graph, `${name}.bytes`, type, raw, [inputs, outputs]);
    const zeros = this.#external(graph, `${name}.zero`, type, Uint8Array.of(zero), []);
    const [quantized, scale, shift] = graph.nodes("DynamicQuantizeLinear", [x], 3);
    const product = graph.node("MatMulInteger", [quantized!, weight, shift!, zeros]);
    const wide = graph.node("Cast", [product], { to: { int: 1 } });
    const steps = graph.node("Mul", [scale!, graph.floats(`${name}.steps`, scales, [outputs])]);
    return graph.node("Mul", [wide, steps]);
  }

  #nf4Product(graph: GraphBuilder, x: string, name: string): string {
    const { data, shape } = this.#tensors.get(`${name}.weight`)!;
    const [outputs, inputs] = shape as [number, number];
    const blockSize = 64;
    const scales = new Float32Array(Math.ceil(data.length / blockSize));
    const bytes = new Uint8Array(data.length / 2);
    for (const [i, value] of data.entries()) {
      const block = Math.floor(i / blockSize);
      if (i % blockSize === 0) {
        const values = data.subarray(i, i + blockSize);
        scales[block] = values.reduce((most, each) => Math.max(most, Math.abs(each)), 1e-12);
      }
      const share = value / scales[block]!;
      let nearest = 0;
      for (let code = 1; code < 16; code++) {
        if (Math.abs(nf4[code]! - share) < Math.abs(nf4[nearest]! - share)) nearest = code;
      }
      // The first of two values is the high half.
      bytes[i >> 1]! |= i % 2 === 0 ? nearest << 4 : nearest;
    }
    const raw = new Uint8Array(scales.buffer);
    const weights = [
      this.#external(graph, `${name}.codes`, "uint8", bytes, [bytes.length]),
      this.#external(graph, `${name}.scales`, "float32", raw, [scales.length]),
    ];
    return graph.node("MatMulBnb4", [x, ...weights], {
      K: { int: inputs },
      N: { int: outputs },
      block_size: { int: blockSize },
      quant_type: { int: 1 },
    });
  }

  #floats(graph: GraphBuilder, name: string, data: Float32Array, shape: readonly number[]): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const stored =
      this.#style.dataFile === undefined
        ? graph.floats(name, data, shape)
        : this.#external(graph, name, "float32", bytes, shape);
    return this.#typed(graph, stored);
  }

  #typed(graph: GraphBuilder, value: string): string {
    const isWide = (this.#style.type ?? "float32") === "float32";
    return isWide ? value : graph.node("Cast", [value], { to: { int: 10 } });
  }

  #external(
    graph: GraphBuilder,
    name: string,
    type: StoredType,
    bytes: Uint8Array,
    shape: readonly number[],
  ): string {
    const file = this.#files[this.#next++ % this.#files.length]!;
    const range = { location: file.name, offset: file.length, length: bytes.length };
    file.chunks.push(bytes);
    file.length += bytes.length;
    return graph.external(name, type, shape, range);
  }
}
