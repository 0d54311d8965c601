import { readdir } from "node:fs/promises";
import { join } from "node:path";

import { FolderFiles } from "./folder-files.ts";
import { type LayoutOptions, type ModelLayout, modelLayout } from "./model-layout.ts";
import { onPath } from "./on-path.ts";

/**
 * What a folder can be loaded as; see {@link modelLayout}.
 *
 * @throws {@link InferenceError} `format` if there is nothing of the wanted kind, naming what there
 *   is; `backend` if the folder cannot be read.
 */
export async function folderLayout(folder: string, options: LayoutOptions): Promise<ModelLayout> {
  const names = await onPath(folder, (path) => readdir(path));
  const graphs = names.includes("onnx")
    ? await onPath(join(folder, "onnx"), (path) => readdir(path))
    : [];
  const all = [...names, ...graphs.map((name) => `onnx/${name}`)].sort();
  return modelLayout(all, await new FolderFiles(folder).text("genai_config.json"), options);
}
