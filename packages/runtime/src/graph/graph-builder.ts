import {
  encodeGraphPart,
  encodeOnnxModel,
  type ExternalData,
  type OnnxAttribute,
  type OnnxInitializer,
  type OnnxModel,
  type OnnxNode,
  type OnnxSubgraph,
  type OnnxType,
  type OnnxValue,
} from "../onnx/model-proto.ts";
import type { OperatorSet } from "./product.ts";

/** Attributes of a node as they are written in graph code; see {@link GraphBuilder.node}. */
export type Attributes = Readonly<Record<string, OnnxAttribute>>;

/** Operators of ONNX Runtime's own operator set. */
const contributed: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "FusedMatMul",
  "GroupQueryAttention",
  "MatMulBnb4",
  "MatMulNBits",
  "MultiHeadAttention",
  "QuickGelu",
  "RotaryEmbedding",
  "SkipLayerNormalization",
  "SkipSimplifiedLayerNormalization",
]);

/**
 * Collects the nodes of an ONNX graph in order and writes them as a model.
 *
 * A value is named by the node that makes it; a method that adds a node returns that name, so that
 * graph code reads like the formula it stands for.
 */
export class GraphBuilder {
  readonly operators: OperatorSet;
  #nodes: OnnxNode[] = [];
  #made = 0;
  #initializers = new Map<string, OnnxInitializer>();
  #inputs: OnnxValue[] = [];
  #outputs: OnnxValue[] = [];
  /** Final names of the values that are outputs. */
  #names = new Map<string, string>();
  #scope = "";

  constructor(operators: OperatorSet = "cpu") {
    this.operators = operators;
  }

  /** Declares an input of the graph. */
  input(name: string, type: OnnxType, dims: readonly (number | string)[]): string {
    this.#inputs.push({ name, type, dims });
    return name;
  }

  /** Declares the result of a node as an output; in the model it goes by the output's name. */
  output(name: string, value: string, type: OnnxType, dims: readonly (number | string)[]): void {
    this.#names.set(value, name);
    this.#outputs.push({ name, type, dims });
  }

  /** Names of the outputs so far. */
  get outputNames(): readonly string[] {
    return this.#outputs.map(({ name }) => name);
  }

  /** Drops every other output, and what none but those need, inputs among them. */
  keepOnly(outputs: readonly string[]): void {
    this.#outputs = this.#outputs.filter(({ name }) => outputs.includes(name));
    this.#names = new Map([...this.#names].filter(([, name]) => outputs.includes(name)));
    const needed = new Set(this.#names.keys());
    const nodes: OnnxNode[] = [];
    for (const node of this.#nodes.reverse()) {
      if (!node.outputs.some((value) => needed.has(value))) continue;
      for (const value of readBy(node)) needed.add(value);
      nodes.push(node);
    }
    this.#nodes = nodes.reverse();
    this.#initializers = new Map([...this.#initializers].filter(([name]) => needed.has(name)));
    this.#inputs = this.#inputs.filter(({ name }) => needed.has(name));
  }

  /** Prefixes the names made inside `build`, so that every layer has its own. */
  scope<T>(name: string, build: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}${name}/`;
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** Adds a node with one output and returns its name. */
  node(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.nodes(type, inputs, 1, attributes)[0]!;
  }

  /** Adds a node with `count` outputs and returns their names. */
  nodes(
    type: string,
    inputs: readonly string[],
    count: number,
    attributes: Attributes = {},
  ): readonly string[] {
    const base = `${this.#scope}${type}_${this.#made++}`;
    const outputs = Array.from({ length: count }, (_, i) => (i === 0 ? base : `${base}.${i}`));
    this.#add(type, inputs, outputs, attributes);
    return outputs;
  }

  /**
   * Runs one of two parts of the graph, each as often as its condition, a bool `[1]`, chooses it.
   *
   * Nodes that a part adds are its own: only what it returns can be used outside, and nothing of it
   * can be an output of the graph. It reads what was made before. Both parts return as many values,
   * none of them made outside (`Identity` copies one).
   */
  branch(
    condition: string,
    whenTrue: () => readonly string[],
    otherwise: () => readonly string[],
  ): readonly string[] {
    const [yes, no] = [this.#part(whenTrue), this.#part(otherwise)];
    return this.nodes("If", [condition], yes.outputs.length, {
      then_branch: { graph: yes },
      else_branch: { graph: no },
    });
  }

  /** A small int64 constant, shared by value. */
  ints(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const name = `int64:${dims.join("x")}:${values.join(",")}`;
    if (!this.#initializers.has(name)) {
      const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      this.#initializers.set(name, { name, type: "int64", dims, data });
    }
    return name;
  }

  /** A float32 constant inside the model. */
  floats(name: string, values: Float32Array, dims: readonly number[]): string {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    this.#initializers.set(name, { name, type: "float32", dims, data });
    return name;
  }

  /** A constant whose bytes lie in another file. Naming it twice shares it. */
  external(name: string, type: OnnxType, dims: readonly number[], data: ExternalData): string {
    if (!this.#initializers.has(name)) this.#initializers.set(name, { name, type, dims, data });
    return name;
  }

  /** The model's bytes. */
  finish(name: string): Uint8Array {
    const opsets = { "": 21, "com.microsoft": 1 };
    return encodeOnnxModel({ name, ...this.#content(), opsets });
  }

  /** Bytes to append to another model: what is here reads values of that one by their names. */
  finishPart(): Uint8Array {
    return encodeGraphPart(this.#content());
  }

  #content(): Omit<OnnxModel, "name" | "opsets"> {
    return {
      nodes: this.#nodes.map((node) => this.#named(node)),
      initializers: [...this.#initializers.values()],
      inputs: this.#inputs,
      outputs: this.#outputs,
    };
  }

  #part(build: () => readonly string[]): OnnxSubgraph {
    const around = this.#nodes;
    this.#nodes = [];
    try {
      return { outputs: build(), nodes: this.#nodes };
    } finally {
      this.#nodes = around;
    }
  }

  /** The node with final names, also inside its parts. */
  #named(node: OnnxNode): OnnxNode {
    const rename = (value: string): string => this.#names.get(value) ?? value;
    const attributes = Object.entries(node.attributes).map(([name, value]) => {
      if (!("graph" in value)) return [name, value] as const;
      const nodes = value.graph.nodes.map((inner) => this.#named(inner));
      return [name, { graph: { ...value.graph, nodes } }] as const;
    });
    return {
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
      attributes: Object.fromEntries(attributes),
    };
  }

  #add(
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Attributes,
  ): void {
    const domain = contributed.has(type) ? "com.microsoft" : "";
    this.#nodes.push({ type, domain, inputs, outputs, attributes });
  }
}

/** The values that a node reads, those of its parts among them. */
function readBy({ inputs, attributes }: OnnxNode): readonly string[] {
  const parts = Object.values(attributes).flatMap((value) =>
    "graph" in value ? [...value.graph.outputs, ...value.graph.nodes.flatMap(readBy)] : [],
  );
  return [...inputs, ...parts];
}
