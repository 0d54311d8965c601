import type { AttentionPolicy, ImageEffort, LanguageModel, ScoreKind } from "@frugal/core";
import type { LoadProgress, QuantizeOptions } from "@frugal/runtime";

import type { Device } from "./devices.ts";
import { addressOf, type ModelSource, type SourceOptions } from "./files/model-source.ts";
import { baseUrl } from "./files/open-files.ts";
import { loadInWorker } from "./load-in-worker.ts";
import { type OrtLocation, ortScripts } from "./ort-scripts.ts";

/** How {@link loadModel} loads and runs a model. */
export interface LoadOptions extends SourceOptions, OrtLocation {
  /**
   * Where the graph runs; default `"wasm"`. On `"webgpu"` the cache is there too, unless `attention`
   * or `scores` want it in JavaScript memory, from where every step sends it to the device.
   */
  readonly device?: Device;
  /**
   * Threads of the WebAssembly engine. They need a page that is cross-origin isolated; on others
   * there is one. Default: one for models under four million parameters, whose steps are shorter
   * than waking a second thread pays for; otherwise ONNX Runtime's choice, half the cores up to
   * four. The first model of a page decides for those that run `inline`.
   */
  readonly threads?: number;
  /**
   * Weights in blocks of 4 or 8 bits, quantized when loaded; default `"none"`: as stored. `"q4"`
   * keeps the head in 8 bits. On WebAssembly both run as bytes: a byte a weight.
   */
  readonly quantize?: "none" | "q8" | "q4" | QuantizeOptions;
  /**
   * Type of the activations in quantized products: 4 (default) int8; 1 float32, closer to the
   * unquantized result and slower, on WebAssembly by far.
   */
  readonly accuracyLevel?: 0 | 1 | 4;
  /**
   * Which cached rows layers attend to in long texts, a policy of `@frugal/kv-cache`; built into the
   * graph. Default: all of them.
   */
  readonly attention?: AttentionPolicy;
  /**
   * Only the layers `[from, to)`, or all from `from` on, with the final norm and the head. From
   * layer 0 on it takes tokens; above, hidden states as `Block.embeddings`. Default: all layers.
   */
  readonly layers?: readonly [from: number, to?: number];
  /** Lets steps ask how the last layer attends, `StepOptions.scores`. Default: they cannot. */
  readonly scores?: ScoreKind;
  /** False leaves out the head, of a range that only hands hidden states on. Default true. */
  readonly head?: boolean;
  /**
   * What layers do less for rows of images (`Block.images`), plans of `@frugal/vision-tokens`; masked, so
   * that it costs what it would without. Default: nothing.
   */
  readonly effort?: ImageEffort;
  /**
   * Of a model with LongRoPE: positions go as far as it was made for, by the divisors that are meant for
   * texts beyond its original length, in short texts too. Default false: up to the original length, by
   * those for short ones. Others are as they are.
   */
  readonly longTexts?: boolean;
  /** Rows of a prompt that run at once, default 256; abort takes effect between such chunks. */
  readonly chunk?: number;
  /** Runs the engine on the calling thread, which it blocks, instead of a worker. Default false. */
  readonly inline?: boolean;
  /**
   * Asks the browser to keep what this origin stores when space runs out, as far as it grants that;
   * some browsers ask the user. Default false.
   */
  readonly persist?: boolean;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Told, in a sentence, what makes this page slower than it could be. */
  readonly onHint?: (hint: string) => void;
  /** Ends loading at once. */
  readonly signal?: AbortSignal;
}

/**
 * Loads a model: `config.json` with `model.safetensors` (or shards) becomes a graph that is built in
 * memory and refers to the weights as they were fetched; nothing is converted.
 *
 * The engine runs in a worker of its own, so that the page stays responsive. `dispose` ends it.
 *
 * Downloads are checked, and kept as {@link SourceOptions} say; see `listCachedModels`.
 *
 * Memory: the weights as stored, widened to float32 or quantized, in the engine; while loading, the
 * files too.
 *
 * @throws the signal's reason; {@link InferenceError} `format` for files that are missing,
 *   truncated or malformed; `unsupported` for an architecture, a weight type or a source that cannot
 *   be loaded, and for a device that is not available, with the reason; `range` for options; `backend` if ONNX Runtime, the network or a server fails.
 */
export async function loadModel(
  source: ModelSource,
  options: LoadOptions = {},
): Promise<LanguageModel> {
  const {
    inline = false,
    persist = false,
    onProgress = () => {},
    onHint,
    signal,
    ort: _ort,
    wasmFolder: _wasmFolder,
    hub: _hub,
    cache: _cache,
    ...engine
  } = options;
  signal?.throwIfAborted();
  const address = addressOf(source, baseUrl(), options);
  if (persist && "cache" in address && address.cache !== "none") void askToPersist(onHint);
  const onWasm = engine.device !== "webgpu";
  if (onWasm && engine.threads !== 1 && !globalThis.crossOriginIsolated) {
    onHint?.(
      "WebAssembly runs on one thread: serve the page with Cross-Origin-Opener-Policy: same-origin " +
        "and Cross-Origin-Embedder-Policy: require-corp for more",
    );
  }
  const start = { address, engine, scripts: ortScripts(options) };
  if (!inline) return loadInWorker(start, onProgress, signal);
  // Apart, so that pages whose engine is in a worker do not download it twice.
  const { loadOnPage } = await import("./load-on-page.ts");
  return loadOnPage(start, onProgress, signal);
}

/** Only pages can ask, workers cannot; loading does not wait for the user's answer. */
async function askToPersist(onHint: LoadOptions["onHint"]): Promise<void> {
  const granted = await globalThis.navigator.storage?.persist().catch(() => false);
  if (granted) return;
  onHint?.(
    "the browser may delete cached models when space runs out: it did not grant persistence",
  );
}
