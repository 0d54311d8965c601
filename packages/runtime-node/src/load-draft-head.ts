import { type DraftHeads, InferenceError, type LanguageModel } from "@frugal/core";
import {
  buildDecoder,
  buildMedusa,
  createDraftHeads,
  createLanguageModel,
  describeDraftHead,
  describeMedusa,
  draftHeadKind,
  type HeadParts,
  readDraftVocabulary,
  readJson,
  readWeights,
  segmentedAttention,
  type WeightMap,
} from "@frugal/runtime";

import { checkDevice, type Device } from "./devices.ts";
import { FolderFiles } from "./folder-files.ts";
import { checkCount } from "./load-inline.ts";
import { downloadModel } from "./hub/download-model.ts";
import type { HubOptions } from "./hub/hub-settings.ts";
import { locate, openCheckpoint } from "./open-checkpoint.ts";
import { importOrt } from "./ort-node.ts";
import { createSession, threadsFor } from "./session.ts";
import { commonFolder, within } from "./weight-folders.ts";

/** How {@link loadDraftHead} runs a head. */
export interface DraftHeadOptions {
  /** Where the graph runs; default `"cpu"`. */
  readonly device?: Device;
  /** Threads of the CPU provider; default as for models. */
  readonly threads?: number;
  /** Where heads and targets of the Hub come from and are kept. */
  readonly hub?: HubOptions;
}

/** A loaded draft head: Medusa's, or one that is a model with a cache. */
export type LoadedDraftHead =
  | { readonly kind: "medusa"; readonly heads: DraftHeads }
  | { readonly kind: "eagle" | "eagle3" | "mtp"; readonly model: LanguageModel };

/**
 * Loads a draft head, with what it shares with the target from the target's folder: Medusa
 * heads, EAGLE of any version, or the module for multi-token prediction that is in the target's own
 * folder (both arguments are then the same).
 *
 * `config.json` and `model.safetensors` are in the layout of the published checkpoints; those that
 * come as `pytorch_model.bin` or `medusa_lm_head.pt` have to be saved as safetensors once. The target's
 * folder is the one with float weights; the target itself may run quantized. Runs on the calling
 * thread, since a head's step is short beside its target's.
 *
 * @throws {@link InferenceError} `format` for files that are missing or malformed, or a checkpoint of
 *   no known kind; `shape` for a head of another target; `unsupported` and `backend` as `loadModel`.
 */
export async function loadDraftHead(
  source: string | URL,
  target: string | URL,
  options: DraftHeadOptions = {},
): Promise<LoadedDraftHead> {
  const { device = "cpu", threads, hub } = options;
  if (threads !== undefined) checkCount("threads", threads);
  const ort = await importOrt();
  await checkDevice(ort, device);
  const folderOf = (at: string | URL): Promise<string> => downloadModel(at, hub && { hub });
  const { kind, json, own, parts, weightFolder, files } = await readParts(
    await folderOf(source),
    await folderOf(target),
  );
  const start = (graph: Uint8Array) =>
    createSession(ort, graph, weightFolder, {
      device,
      threads: threads ?? threadsFor(sizeOf(own)),
    });
  const clock = (): number => performance.now();
  if (kind === "medusa") {
    const { config, weights } = describeMedusa(json, own, parts);
    const session = await start(buildMedusa(config, { weights, quantization: null }));
    return { kind, heads: createDraftHeads(ort, session, config, clock) };
  }
  const ids = kind === "eagle3" ? await draftVocabulary(files, parts) : null;
  const { config, weights } = describeDraftHead(kind, json, own, parts, ids);
  const checkpoint = { weights, quantization: null };
  const session = await start(buildDecoder(config, checkpoint, segmentedAttention));
  const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
  return { kind, model: createLanguageModel(ort, session, config, { clock, pause }) };
}

/** A head and its target as they lie in their folders. */
interface FoundHead {
  readonly kind: LoadedDraftHead["kind"];
  readonly json: unknown;
  readonly files: FolderFiles;
  /** Tensors of the head and of the target, located below `weightFolder`. */
  readonly own: WeightMap;
  readonly parts: HeadParts;
  readonly weightFolder: string;
}

async function readParts(folder: string, targetFolder: string): Promise<FoundHead> {
  const files = new FolderFiles(folder);
  const json = await readJson(files, "config.json");
  const { weights } = await readWeights(files);
  const target = await openCheckpoint(targetFolder, {}, () => {});
  const kind = draftHeadKind(weights, target.config.layers);
  if (kind === null) {
    throw new InferenceError(
      "format",
      "model.safetensors: expected a draft head, got other tensors",
    );
  }
  const located = await locate(files, weights);
  const weightFolder = commonFolder(located.weightFolder, target.weightFolder);
  const parts: HeadParts = {
    config: target.config,
    weights: within(weightFolder, target.weightFolder, target.checkpoint.weights),
  };
  const own = within(weightFolder, located.weightFolder, located.weights);
  return { kind, json, own, parts, weightFolder, files };
}

/** The ids of an EAGLE-3 head, or null if it has logits for all of them. */
async function draftVocabulary(
  files: FolderFiles,
  { config }: HeadParts,
): Promise<Uint32Array | null> {
  const table = (await readWeights(files)).weights.get("d2t");
  if (table === undefined) return null;
  if (table.dtype !== "I64") {
    throw new InferenceError("unsupported", `d2t: expected type I64, got ${table.dtype}`);
  }
  const bytes = await files.read(table.location, table.offset, table.length);
  return readDraftVocabulary(bytes, config.vocabSize);
}

function sizeOf(weights: WeightMap): number {
  let size = 0;
  for (const { shape } of weights.values()) size += shape.reduce((a, b) => a * b, 1);
  return size;
}
