import type { InferenceSession, Tensor, TensorConstructor } from "onnxruntime-common";

/**
 * The part of ONNX Runtime that we use, as a value.
 *
 * An adapter passes its own `onnxruntime-node` or `onnxruntime-web` namespace here. Neutral code
 * never imports the classes: each distribution bundles its own `Tensor`, and a session recognises
 * tensors by `instanceof`, so a tensor of another copy is silently not one.
 */
export interface Ort {
  readonly Tensor: TensorConstructor;
  readonly InferenceSession: {
    create(model: Uint8Array, options?: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
}

/** Outputs to fetch, by name: into a tensor on a device, or, where null, into a new one. */
export type Fetches = Readonly<Record<string, Tensor | null>>;

/** What running a model needs of a session. */
export interface RunningSession {
  run(
    feeds: Record<string, Tensor>,
    outputs: readonly string[] | Fetches,
  ): Promise<Record<string, Tensor>>;
  release(): Promise<void>;
}

/** A session, its options and its tensors, as onnxruntime-common types them. */
export type { InferenceSession, Tensor };
