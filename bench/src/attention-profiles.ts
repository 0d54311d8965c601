import { readdir } from "node:fs/promises";

import {
  buildDecoder,
  type Checkpoint,
  groupedQueryAttention,
  type ModelConfig,
  readModelFolder,
  readSafetensors,
} from "@frugal/runtime";
import { FolderFiles, loadModel } from "@frugal/runtime-node";
import * as ort from "onnxruntime-node";

import { random135M, scratch } from "./models.ts";
import { median, type Table } from "./results.ts";
import { type Effort, fill } from "./step-cost.ts";

/**
 * One-token steps with segmented attention against the same graph with `GroupQueryAttention`.
 *
 * Same quantized weights, same process, runs interleaved. The peer's cache is one set of buffers
 * that the operator writes in place, sized tightly to the context: its best case. Both sides report
 * the time of the whole step, bookkeeping of the cache included.
 */
export async function measureProfiles(effort: Effort): Promise<Table[]> {
  const folder = await random135M();
  const options = { inline: true, quantize: "q4", cacheFolder: scratch } as const;
  const model = await loadModel(folder, options);
  const { config } = await readModelFolder(new FolderFiles(folder));
  const peer = await openPeer(config);
  const rows = [];
  for (const context of [256, 2048, 8192]) {
    const sequence = await fill(model, context);
    const base = Uint32Array.from({ length: context }, (_, i) => i);
    const step = peer.prepare(context);
    const segmented: number[] = [];
    const grouped: number[] = [];
    for (let i = -3; i < effort.repetitions; i++) {
      const start = performance.now();
      await sequence.step({ tokens: Uint32Array.of(5) }, { logits: { top: 1 } });
      await sequence.keep(base);
      const middle = performance.now();
      await step();
      if (i < 0) continue;
      segmented.push(middle - start);
      grouped.push(performance.now() - middle);
    }
    await sequence.dispose();
    const [ours, theirs] = [median(segmented), median(grouped)];
    rows.push({ context, segmented: ours, GroupQueryAttention: theirs, ratio: theirs / ours });
  }
  await peer.release();
  await model.dispose();
  const notes = [
    "Milliseconds per one-token step, median; ratio: how many times faster the segmented profile is.",
    "Random weights in the shape of SmolLM2-135M, 4-bit layers, 8-bit head, top-1 logits.",
  ];
  return [{ title: "Attention profiles", notes, rows }];
}

interface Peer {
  /** A step at this context, to be called again and again. */
  prepare(context: number): () => Promise<void>;
  release(): Promise<void>;
}

async function openPeer(config: ModelConfig): Promise<Peer> {
  const graph = buildDecoder(config, await quantizedCheckpoint(), groupedQueryAttention);
  const session = await ort.InferenceSession.create(graph, {
    logSeverityLevel: 3,
    extra: { session: { model_external_initializers_file_folder_path: scratch } },
  });
  return {
    prepare(context) {
      const { feeds, fetches } = peerTensors(config, context);
      return async () => {
        await session.run(feeds, fetches);
      };
    },
    release: () => session.release(),
  };
}

/** The weights that `loadModel` quantized a moment ago. */
async function quantizedCheckpoint(): Promise<Checkpoint> {
  const names = await readdir(scratch);
  const location = names.find((name) => /^random-135m-q4-\w+\.safetensors$/.test(name))!;
  const { tensors } = await readSafetensors(new FolderFiles(scratch), location);
  const weights = new Map([...tensors].map(([name, entry]) => [name, { ...entry, location }]));
  return { weights, quantization: { blockSize: 32, accuracyLevel: 4 } };
}

function peerTensors(config: ModelConfig, context: number) {
  const { kvHeads, headDim, hiddenSize, layers, vocabSize } = config;
  const capacity = Math.ceil((context + 1) / 64) * 64;
  const feeds: Record<string, ort.Tensor> = {
    input_ids: new ort.Tensor("int32", Int32Array.of(5), [1]),
    input_embeddings: new ort.Tensor("float32", new Float32Array(0), [0, hiddenSize]),
    "cos.0": new ort.Tensor("float32", new Float32Array(headDim / 2).fill(1), [1, headDim / 2]),
    "sin.0": new ort.Tensor("float32", new Float32Array(headDim / 2), [1, headDim / 2]),
    seqlens_k: new ort.Tensor("int32", Int32Array.of(context), [1]),
    total_length: new ort.Tensor("int32", Int32Array.of(context + 1), [1]),
    logit_rows: new ort.Tensor("int32", Int32Array.of(0), [1]),
    top_extent: new ort.Tensor("int64", BigInt64Array.of(1n, BigInt(vocabSize)), [2]),
    top_k: new ort.Tensor("int64", BigInt64Array.of(1n), [1]),
  };
  const fetches: Record<string, ort.Tensor | null> = {
    top_values: null,
    top_ids: null,
    log_sum_exp: null,
  };
  for (let layer = 0; layer < layers; layer++) {
    for (const side of ["key", "value"]) {
      const values = Float32Array.from(
        { length: kvHeads * capacity * headDim },
        (_, i) => ((i * 7919) % 1000) / 1000 - 0.5,
      );
      const tensor = new ort.Tensor("float32", values, [1, kvHeads, capacity, headDim]);
      feeds[`past.${layer}.${side}`] = tensor;
      fetches[`present.${layer}.${side}`] = tensor;
    }
  }
  return { feeds, fetches };
}
