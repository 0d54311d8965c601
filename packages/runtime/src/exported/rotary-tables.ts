import { float16ToFloat32 } from "@frugal/core";

import type { ExternalData } from "../onnx/model-proto.ts";
import type { GraphConstant } from "../onnx/read-constant.ts";
import type { GraphNode } from "../onnx/read-nodes.ts";
import type { KeyFrequencies } from "../sequence/kv-store.ts";
import type { DecoderSignature } from "./decoder-signature.ts";

/** Cosines or sines of every position, `[rows, cols]`. */
interface Table {
  readonly values: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** What of a model's summary the tables are found in. */
interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly constants: ReadonlyMap<string, GraphConstant>;
}

/** Largest table that is read, in bytes: a million positions of 64 pairs. */
const largestTable = 2 ** 28;

/**
 * How keys turn in a graph whose attention operators rotate them by tables, whatever its configuration
 * says: what the rows of the tables are the cosines and sines of.
 *
 * @param read the bytes of a table that lies outside of the graph
 * @returns by layer; null if the keys turn in another way (neighbouring channels, tables that are
 *   computed, angles that do not grow with the position); undefined if operators do not rotate them
 * @see microsoft/onnxruntime: docs/ContribOperators.md, com.microsoft.GroupQueryAttention
 */
export async function readRotaryTables(
  graph: Graph,
  { cache }: DecoderSignature,
  read: (data: ExternalData) => Promise<Uint8Array>,
): Promise<KeyFrequencies | null | undefined> {
  const frequencies: (Float64Array | null)[] = [];
  const known = new Map<string, Float64Array | null>();
  for (const { name, layer, side } of cache) {
    if (side === null) return undefined;
    if (side === "value") continue;
    const node = graph.nodes.find(({ inputs }) => inputs.includes(name));
    if (node?.type !== "GroupQueryAttention" || node.ints.get("do_rotary") !== 1) return undefined;
    if ((node.ints.get("rotary_interleaved") ?? 0) !== 0) return null;
    const tables = [node.inputs[7] ?? "", node.inputs[8] ?? ""] as const;
    const key = tables.join(" ");
    if (!known.has(key)) known.set(key, await frequenciesOf(graph, tables, read));
    const found = known.get(key)!;
    if (found === null) return null;
    frequencies[layer] = found;
  }
  return frequencies;
}

async function frequenciesOf(
  graph: Graph,
  names: readonly [cos: string, sin: string],
  read: (data: ExternalData) => Promise<Uint8Array>,
): Promise<Float64Array | null> {
  const [cos, sin] = [await tableOf(graph, names[0], read), await tableOf(graph, names[1], read)];
  if (cos === null || sin === null || cos.rows !== sin.rows || cos.cols !== sin.cols) return null;
  return fitFrequencies(cos, sin);
}

/** A constant, maybe behind a cast; null where it is computed or of a type that is not read. */
async function tableOf(
  { nodes, constants }: Graph,
  name: string,
  read: (data: ExternalData) => Promise<Uint8Array>,
): Promise<Table | null> {
  const maker = nodes.find(({ type, outputs }) => type === "Cast" && outputs[0] === name);
  const constant = constants.get(maker?.inputs[0] ?? name);
  if (constant === undefined || constant.data === null || constant.dims.length !== 2) return null;
  const { type, data } = constant;
  const [rows, cols] = constant.dims as [number, number];
  const width = type === 1 ? 4 : type === 10 ? 2 : 0;
  const size = rows * cols * width;
  if (size === 0 || size > largestTable) return null;
  const bytes = data instanceof Uint8Array ? data : await read(data);
  if (bytes.length < size) return null;
  // A copy, since the bytes may lie at any offset; `slice` of a `Buffer` would be none.
  const { buffer } = new Uint8Array(bytes.subarray(0, size));
  if (type === 1) return { values: new Float32Array(buffer), rows, cols };
  const values = new Float32Array(rows * cols);
  float16ToFloat32(new Uint16Array(buffer), values);
  return { values, rows, cols };
}

/**
 * The frequencies that tables of cosines and sines were made with; null if there are none. The angle of
 * row `p` tells the frequency to a rounding over `p`, but for whole turns, which that of row `p / 2`
 * tells. A common factor of cosines and sines (YaRN's) does not matter.
 *
 * Cost: O(cols log rows), and all rows of eight columns to check.
 */
export function fitFrequencies(cos: Table, sin: Table): Float64Array | null {
  const { rows, cols } = cos;
  if (rows < 2) return null;
  const angle = (row: number, col: number): number =>
    Math.atan2(sin.values[row * cols + col]!, cos.values[row * cols + col]!);
  const frequencies = Float64Array.from({ length: cols }, (_, col) => {
    let frequency = angle(1, col);
    for (let row = 2; row < rows; row *= 2) {
      const turns = Math.round((row * frequency - angle(row, col)) / (2 * Math.PI));
      frequency = (angle(row, col) + turns * 2 * Math.PI) / row;
    }
    return frequency;
  });
  for (let col = 0; col < cols; col += Math.max(1, Math.floor(cols / 8))) {
    for (let row = 0; row < rows; row++) {
      const rest = row * frequencies[col]! - angle(row, col);
      const off = rest - Math.round(rest / (2 * Math.PI)) * 2 * Math.PI;
      if (!(Math.abs(off) < 0.05)) return null;
    }
  }
  return frequencies;
}
