// Decodes models with ONNX's own schema (generated from onnx.proto by the onnx-proto package), so
// that nothing here shares code with the writer.
import { onnx } from "onnx-proto";
import { Reader } from "protobufjs/minimal.js";

/** A node as ONNX's schema shows it, with numbers in place of 64-bit objects. */
export interface ReadNode {
  readonly input: readonly string[];
  readonly output: readonly string[];
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  readonly attribute: readonly Record<string, unknown>[];
}

/** A tensor of the graph. */
export interface ReadTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  readonly rawData: Uint8Array;
  readonly externalData: readonly { readonly key: string; readonly value: string }[];
  readonly dataLocation: number;
}

/** An input or output of the graph. */
export interface ReadValue {
  readonly name: string;
  readonly type: {
    readonly tensorType: {
      readonly elemType: number;
      readonly shape: { readonly dim: readonly { dimValue?: number; dimParam?: string }[] };
    };
  };
}

/** A model. */
export interface ReadModel {
  readonly irVersion: number;
  readonly producerName: string;
  readonly opsetImport: readonly { readonly domain: string; readonly version: number }[];
  readonly graph: {
    readonly name: string;
    readonly node: readonly ReadNode[];
    readonly initializer: readonly ReadTensor[];
    readonly input: readonly ReadValue[];
    readonly output: readonly ReadValue[];
  };
}

/** Decodes a model; a field that the schema does not know is an error. */
export function readOnnx(bytes: Uint8Array): ReadModel {
  const reader = Reader.create(bytes);
  // The generated decoder calls this for unknown fields only.
  reader.skipType = (wireType) => {
    throw new Error(`unknown field of wire type ${wireType} before byte ${reader.pos}`);
  };
  const message = onnx.ModelProto.decode(reader);
  return onnx.ModelProto.toObject(message, { longs: Number, defaults: true }) as ReadModel;
}
