import type { SourceAddress } from "./files/model-source.ts";
import type { LoadOptions } from "./load-model.ts";

/** Options that decide how the engine runs; can be sent to a worker. */
export type EngineOptions = Pick<
  LoadOptions,
  | "device"
  | "threads"
  | "quantize"
  | "longTexts"
  | "accuracyLevel"
  | "attention"
  | "layers"
  | "scores"
  | "head"
  | "effort"
  | "chunk"
>;

/** URLs of ONNX Runtime's files; null where the bundler decides. */
export interface OrtScripts {
  readonly ort: string | null;
  readonly wasmFolder: string | null;
}

/** What an engine is started with. */
export interface EngineStart {
  readonly address: SourceAddress;
  readonly engine: EngineOptions;
  readonly scripts: OrtScripts;
}
