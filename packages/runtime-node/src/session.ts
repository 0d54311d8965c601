import { join } from "node:path";

import { InferenceError } from "@frugal/core";
import { checkFileName } from "@frugal/runtime";

import type { Device } from "./devices.ts";
import { FolderFiles } from "./folder-files.ts";
import type { OrtNode } from "./ort-node.ts";

/** A session of onnxruntime-node. */
export type Session = Awaited<ReturnType<OrtNode["InferenceSession"]["create"]>>;

/** How sessions are opened. */
export interface SessionOptions {
  readonly device: Device;
  /** 0: ONNX Runtime's choice. */
  readonly threads: number;
}

/** Models below this size run on one thread: their steps are over before a second one helps. */
const singleThreadParameters = 4_000_000;

/** How many threads a model of this size runs on; 0 is ONNX Runtime's choice. */
export function threadsFor(parameters: number): number {
  return parameters < singleThreadParameters ? 1 : 0;
}

/**
 * Folder and names of external data behind links, which ONNX Runtime does not follow.
 *
 * @param locations files, and how many bytes each must have
 * @throws {@link InferenceError} `format` for a file that is missing or too short; `unsupported` if
 *   they lie in several folders.
 */
export async function locateData(
  folder: string,
  locations: ReadonlyMap<string, number>,
): Promise<{ readonly folder: string; readonly names: ReadonlyMap<string, string> }> {
  const names = new Map<string, string>();
  const folders = new Set<string>();
  const files = new FolderFiles(folder);
  for (const [location, least] of locations) {
    checkFileName(location);
    const size = await files.size(location);
    if (size === null || size < least) {
      const found = size === null ? "no such file" : `found ${size}`;
      throw new InferenceError("format", `${location}: expected ${least} bytes, ${found}`);
    }
    const target = await files.resolve(location);
    names.set(location, target.name);
    folders.add(target.folder);
  }
  if (folders.size <= 1) return { folder: [...folders][0] ?? folder, names };
  throw new InferenceError(
    "unsupported",
    `external data: expected all files in one folder, they lie in ${[...folders].join(" and ")}`,
  );
}

/** Opens a graph as it is in its file, with the external data beside it. */
export async function createFileSession(
  ort: OrtNode,
  folder: string,
  name: string,
  options: SessionOptions,
): Promise<Session> {
  return open(() => ort.InferenceSession.create(join(folder, name), sessionOptions(options)));
}

/** Opens a graph in memory whose constants lie in files below `dataFolder`. */
export async function createSession(
  ort: OrtNode,
  model: Uint8Array,
  dataFolder: string,
  options: SessionOptions,
): Promise<Session> {
  const session = { model_external_initializers_file_folder_path: dataFolder };
  return open(() =>
    ort.InferenceSession.create(model, { ...sessionOptions(options), extra: { session } }),
  );
}

function sessionOptions({ device, threads }: SessionOptions) {
  return {
    executionProviders: [device],
    intraOpNumThreads: threads,
    logSeverityLevel: 3,
  } as const;
}

/** What ONNX Runtime says of a file that is no model, or not a sound one. */
const unsound = /protobuf parsing failed|INVALID_PROTOBUF|INVALID_GRAPH|invalid model|not acyclic/i;

async function open(create: () => Promise<Session>): Promise<Session> {
  try {
    return await create();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const code = unsound.test(reason) ? "format" : "backend";
    throw new InferenceError(code, `ONNX Runtime: ${reason}`, { cause });
  }
}
