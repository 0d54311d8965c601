import { InferenceError } from "@frugal/core";
import {
  buildVisionEncoder,
  parseVisionConfig,
  planTower,
  readJson,
  readWeights,
  relocateWeights,
  type VisionEncoder,
  withImageSize,
} from "@frugal/runtime";

import type { OrtScripts } from "./engine-start.ts";
import { filesAt } from "./files/files-at.ts";
import type { SourceAddress } from "./files/model-source.ts";
import { importOrt } from "./load-on-page.ts";
import type { VisionTowerOptions } from "./load-vision-tower.ts";
import { readShards } from "./open-checkpoint.ts";
import { configureOrt } from "./ort-web.ts";

/** Loads a vision encoder on the calling thread; see {@link loadVisionTower}. */
export async function buildTower(
  address: SourceAddress,
  scripts: OrtScripts,
  { threads = 0, imageSize, onProgress = () => {}, signal, ...choice }: VisionTowerOptions,
): Promise<VisionEncoder> {
  const files = filesAt(address, { onProgress, ...(signal && { signal }) });
  const json = await readJson(files, "config.json");
  if (json === null) throw new InferenceError("format", "config.json: no such file");
  const stated = parseVisionConfig(json);
  const config = imageSize === undefined ? stated : withImageSize(stated, imageSize);
  const plan = planTower(config, choice);
  const { weights } = await readWeights(files);
  const graph = buildVisionEncoder(config, weights, "cpu", plan.graph);
  const externalData = await readShards(files, shardsOf(graph));
  signal?.throwIfAborted();
  onProgress({ phase: "load", fraction: 0 });
  const ort = await importOrt(scripts, "wasm");
  configureOrt(ort, scripts, threads);
  const options = { executionProviders: ["wasm"], externalData, logSeverityLevel: 3 } as const;
  try {
    const session = await ort.InferenceSession.create(graph, options);
    onProgress({ phase: "load", fraction: 1 });
    return plan.create(ort, session);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("backend", `ONNX Runtime: ${reason}`, { cause });
  }
}

/** The files that a graph refers to: of a larger model, those that hold the encoder. */
function shardsOf(graph: Uint8Array): ReadonlySet<string> {
  const shards = new Set<string>();
  relocateWeights(graph, (location) => {
    shards.add(location);
    return location;
  });
  return shards;
}
