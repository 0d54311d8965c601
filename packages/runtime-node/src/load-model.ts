import type { AttentionPolicy, ImageEffort, LanguageModel, ScoreKind } from "@frugal/core";
import type { LoadProgress, QuantizeOptions } from "@frugal/runtime";

import type { Device } from "./devices.ts";
import { downloadModel } from "./hub/download-model.ts";
import type { HubOptions } from "./hub/hub-settings.ts";
import { splitGguf } from "./hub/model-source.ts";
import { loadInline } from "./load-inline.ts";
import { loadInWorker } from "./load-in-worker.ts";
import type { LayoutOptions } from "./model-layout.ts";

/** How {@link loadModel} loads and runs a model. */
export interface LoadOptions extends LayoutOptions {
  /** Where the graph runs; default `"cpu"`. */
  readonly device?: Device;
  /**
   * Threads of the CPU provider. Default: one for models under four million parameters, whose
   * steps are shorter than waking a second thread pays for; otherwise ONNX Runtime's choice, one
   * per physical core.
   */
  readonly threads?: number;
  /**
   * Weights in blocks of 4 or 8 bits, quantized when first loaded and cached; default `"none"`:
   * as stored. `"q4"` keeps the head in 8 bits.
   */
  readonly quantize?: "none" | "q8" | "q4" | QuantizeOptions;
  /**
   * Type of the activations in quantized products: 4 (default) int8; 1 float32, closer to the
   * unquantized result and much slower, because weights are widened at every step.
   */
  readonly accuracyLevel?: 0 | 1 | 4;
  /**
   * Which cached rows layers attend to in long texts, a policy of `@frugal/kv-cache`; built into the
   * graph. Default: all of them.
   */
  readonly attention?: AttentionPolicy;
  /**
   * Folder for weights that were quantized or converted. Default: `$FRUGAL_CACHE`, else `frugal` in
   * `$XDG_CACHE_HOME` or `~/.cache`. Pass the model's own folder to keep them beside it.
   */
  readonly cacheFolder?: string;
  /**
   * Only the layers `[from, to)`, or all from `from` on, with the final norm and the head, so that
   * the model can be left early: a model with as many layers and a cache of its own. From layer 0 on
   * it takes tokens; above, hidden states as `Block.embeddings`: the last tap of the range before.
   * The weights of other layers are not loaded. Default: all layers.
   */
  readonly layers?: readonly [from: number, to?: number];
  /**
   * Lets steps ask how the last layer attends, `StepOptions.scores`: its weights, averaged over heads,
   * or its scores before softmax by head. Default: they cannot.
   */
  readonly scores?: ScoreKind;
  /**
   * False leaves out the head, and so the logits, of a range that only hands hidden states on: as many
   * fewer weights to hold, and to read at every step. Default true.
   */
  readonly head?: boolean;
  /**
   * What layers do less for rows of images (`Block.images`), plans of `@frugal/vision-tokens`; masked, so
   * that it costs what it would without. Default: nothing.
   */
  readonly effort?: ImageEffort;
  /**
   * The folder holds a Kangaroo adapter of the model in this other folder, whose head it shares: a
   * model that takes the hidden states of an early exit. `quantize` means the head.
   */
  readonly adapterOf?: string | URL;
  /**
   * Runs the engine on the calling thread instead of a worker. ONNX Runtime blocks its thread while
   * it runs: fine for scripts and tests, wrong for servers. Default false.
   */
  readonly inline?: boolean;
  /**
   * Of a model with LongRoPE: positions go as far as it was made for, by the divisors that are meant for
   * texts beyond its original length, in short texts too. Default false: up to the original length, by
   * those for short ones. Others are as they are.
   */
  readonly longTexts?: boolean;
  /** Rows of a prompt that run at once, default 256; abort takes effect between such chunks. */
  readonly chunk?: number;
  /** Where models of the Hub come from and are kept. */
  readonly hub?: HubOptions;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends a download at once; an abort while the model is loaded takes effect when it is. */
  readonly signal?: AbortSignal;
}

/**
 * Loads a model from a folder, from the Hub or from a web server; see {@link downloadModel} for the
 * sources and for what of them is fetched.
 *
 * `config.json` with `model.safetensors` (or shards) becomes a graph that is built in memory and
 * refers to the weights where they lie: nothing is converted, copied or written, except quantized
 * weights, which are cached. A GGUF file is converted once, without rounding, and kept there too.
 *
 * @throws the signal's reason; {@link InferenceError} `format` for files that are missing,
 *   truncated or malformed; `unsupported` for an architecture, a weight type or a device that is
 *   not available, with the reason; `backend` if ONNX Runtime, the network or a server fails.
 */
export async function loadModel(
  source: string | URL,
  options: LoadOptions = {},
): Promise<LanguageModel> {
  const { inline = false, onProgress = () => {}, signal, hub, adapterOf, ...rest } = options;
  signal?.throwIfAborted();
  const transfer = { ...(hub && { hub }), ...(signal && { signal }), onProgress };
  const { format, variant } = rest;
  const kind = { ...(format && { format }), ...(variant && { variant }) };
  const { at, file = rest.file } = splitGguf(source);
  const choice = { ...kind, ...(file !== undefined && { file }) };
  const folder = await downloadModel(at, { ...choice, ...transfer });
  const parts = { ...rest, ...choice };
  const engine =
    adapterOf === undefined
      ? parts
      : { ...parts, adapterOf: await downloadModel(adapterOf, { ...kind, ...transfer }) };
  const load = inline ? loadInline : loadInWorker;
  const model = await load(folder, engine, onProgress);
  if (signal?.aborted === true) {
    await model.dispose();
    signal.throwIfAborted();
  }
  return model;
}
