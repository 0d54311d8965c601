import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

import { InferenceError, type LanguageModel } from "@frugal/core";
import {
  addOutputs,
  createExportedModel,
  decoderSignature,
  type ExportedConfigs,
  exportedFacts,
  type ExportedGraph,
  findResidualStream,
  genaiNames,
  leastOpset,
  readRotaryTables,
  relocateWeights,
  type ResidualStream,
  type RunOptions,
  selfTest,
  sharesBuffer,
  sharesCache,
  summarizeModel,
} from "@frugal/runtime";

import type { Device } from "./devices.ts";
import { FolderFiles } from "./folder-files.ts";
import type { OnnxLayout } from "./model-layout.ts";
import { onPath } from "./on-path.ts";
import type { OrtNode } from "./ort-node.ts";
import {
  createFileSession,
  createSession,
  locateData,
  type Session,
  type SessionOptions,
  threadsFor,
} from "./session.ts";

/** Graphs from this size on are opened as files and left as they are, which spares a copy. */
const largestEdited = 2 ** 30;

/** How an exported model is opened and run. */
export interface ExportedOptions extends RunOptions {
  readonly device: Device;
  /** Default: by the size of the model. */
  readonly threads?: number;
}

/**
 * Opens graphs that other tools exported as a {@link LanguageModel}.
 *
 * The decoder is given outputs for reduced logits and hidden states in memory; its file stays as it is.
 *
 * @throws {@link InferenceError} `format` for a broken graph or configuration, or external data that
 *   are missing or too short; `unsupported` for a graph that is no decoder with a cache; `backend` if
 *   ONNX Runtime refuses it.
 */
export async function loadExported(
  ort: OrtNode,
  folder: string,
  layout: OnnxLayout,
  options: ExportedOptions,
): Promise<LanguageModel> {
  const configs = await readConfigs(folder);
  const { session: decoder, graph } = await openDecoder(ort, folder, layout, configs, options);
  const sessions = [decoder];
  try {
    let embedding: Session | null = null;
    if (layout.embedding !== null && graph.signature.embeddings !== null) {
      // A table look-up: nothing to share between threads.
      const single = { device: options.device, threads: 1 };
      embedding = await createFileSession(ort, folder, layout.embedding, single);
      sessions.push(embedding);
    }
    const model = await createExportedModel(ort, { decoder, embedding }, graph, options);
    if (model.capabilities.tree && model.capabilities.tokens) await selfTest(model);
    return model;
  } catch (error) {
    await Promise.all(sessions.map((session) => session.release()));
    throw error;
  }
}

interface OpenDecoder {
  readonly session: Session;
  readonly graph: ExportedGraph;
}

async function openDecoder(
  ort: OrtNode,
  folder: string,
  layout: OnnxLayout,
  configs: ExportedConfigs,
  { device, threads }: ExportedOptions,
): Promise<OpenDecoder> {
  const path = join(folder, layout.decoder);
  const { size } = await onPath(path, (file) => stat(file));
  if (size >= largestEdited) {
    return openUnread(ort, folder, layout, configs, { device, threads: threads ?? 0 });
  }
  const bytes = await onPath(path, (file) => readFile(file));
  const { opset, weights, locations, nodes, constants, inputs, outputs } = summarizeModel(bytes);
  const signature = decoderSignature(inputs, outputs, genaiNames(configs.genai));
  const stated = exportedFacts(signature, configs, weights);
  const data = await locateData(dirname(path), locations);
  const moved =
    locations.size === 0 ? bytes : relocateWeights(bytes, (name) => data.names.get(name)!);
  const files = new FolderFiles(dirname(path));
  const tables = await readRotaryTables({ nodes, constants }, signature, (table) =>
    files.read(table.location, table.offset, table.length),
  );
  // What the graph rotates by goes before what its configuration says.
  const facts = tables === undefined ? stated : { ...stated, frequencies: tables };
  const { vocabSize, hiddenSize } = facts.info;
  const top = opset >= leastOpset.top;
  const stream =
    opset >= leastOpset.taps
      ? streamOf(() => findResidualStream(nodes, signature))
      : `graph: expected opset ${leastOpset.taps} or later, found ${opset}`;
  const found = typeof stream === "string" ? null : stream;
  const added = { vocabSize: top ? vocabSize : null, hiddenSize, stream: found };
  const edited = addOutputs(moved, signature, added);
  const options = { device, threads: threads ?? threadsFor(weights) };
  const graph: ExportedGraph = {
    signature,
    facts,
    top,
    noTaps: typeof stream === "string" ? stream : null,
    shared: sharesBuffer(configs.genai) !== false && sharesCache(nodes, signature),
  };
  return { session: await createSession(ort, edited, data.folder, options), graph };
}

/** Opens a graph that is too large to be read and edited. */
async function openUnread(
  ort: OrtNode,
  folder: string,
  layout: OnnxLayout,
  configs: ExportedConfigs,
  options: SessionOptions,
): Promise<OpenDecoder> {
  const session = await createFileSession(ort, folder, layout.decoder, options);
  try {
    const { inputMetadata, outputMetadata } = session;
    const signature = decoderSignature(inputMetadata, outputMetadata, genaiNames(configs.genai));
    const facts = exportedFacts(signature, configs, 0);
    const noTaps = "graphs of 1 GiB and more are left as they are";
    const shared = sharesBuffer(configs.genai) === true;
    return { session, graph: { signature, facts, top: false, noTaps, shared } };
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** Where the hidden states are, or why they were not found. */
function streamOf(find: () => ResidualStream): ResidualStream | string {
  try {
    return find();
  } catch (error) {
    if (InferenceError.is(error, "unsupported")) return error.message;
    throw error;
  }
}

async function readConfigs(folder: string): Promise<ExportedConfigs> {
  const files = new FolderFiles(folder);
  const read = async (name: string): Promise<unknown> => {
    const text = await files.text(name);
    if (text === null) return null;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new InferenceError("format", `${name}: not JSON`, { cause });
    }
  };
  return {
    model: await read("config.json"),
    generation: await read("generation_config.json"),
    genai: await read("genai_config.json"),
  };
}
