import type {
  Block,
  Capabilities,
  InferenceErrorCode,
  ModelInfo,
  SequenceOptions,
  StepOptions,
  StepOutput,
} from "@frugal/core";

/** The part of a `MessagePort` that both ends of a remote model use. */
export interface ModelPort {
  postMessage(message: unknown, transfer: ArrayBuffer[]): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
}

/** What the client asks for. `sequence` is a number that `create` or `fork` handed out. */
export type Call =
  | { readonly kind: "create"; readonly options: SequenceOptions }
  | {
      readonly kind: "step";
      readonly sequence: number;
      readonly block: Block;
      readonly options: Omit<StepOptions, "signal">;
      readonly abortable: boolean;
    }
  | { readonly kind: "keep"; readonly sequence: number; readonly positions: Uint32Array }
  | { readonly kind: "fork"; readonly sequence: number }
  | { readonly kind: "dispose-sequence"; readonly sequence: number }
  | { readonly kind: "dispose-model" };

/** Client to server: a call, or the wish that a running one ends. */
export type Request =
  | { readonly id: number; readonly call: Call }
  | { readonly id: number; readonly abort: true };

/** A result; `length` is the sequence's after the call. */
export interface Reply {
  readonly sequence?: number;
  readonly length?: number;
  readonly output?: StepOutput;
}

/** What survives of an error between threads. */
export interface RemoteFailure {
  readonly code: InferenceErrorCode | null;
  readonly message: string;
}

/** What a download has done so far. */
export interface DownloadProgress {
  readonly phase: "download";
  /** Part of the bytes that are there, of those known to be needed; from 0 to 1. */
  readonly fraction: number;
  /** The file that is coming. */
  readonly file: string;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** How far loading is. */
export type LoadProgress =
  | DownloadProgress
  | {
      /** What is being done. */
      readonly phase: "quantize" | "load";
      /** Part of the phase that is done, in `[0, 1]`. */
      readonly fraction: number;
    };

/** Server to client: first progress and `ready` or `failed`, then answers. */
export type Response =
  | { readonly progress: LoadProgress }
  | { readonly failed: RemoteFailure }
  | { readonly ready: { readonly info: ModelInfo; readonly capabilities: Capabilities } }
  | { readonly id: number; readonly reply: Reply }
  | { readonly id: number; readonly failure: RemoteFailure };
