import { InferenceError } from "@frugal/core";

import { blobOf, type ModelIndex, type Revision } from "./model-index.ts";
import { dropUnused } from "./model-store.ts";
import { openStores, type OpfsStore, removeStores } from "./opfs-store.ts";

/** A file of a model that is kept. */
export interface CachedFile {
  readonly name: string;
  /** What is here of it. */
  readonly bytes: number;
  /** Whether that is all, and was checked; if not, the next download continues it. */
  readonly isWhole: boolean;
}

/** A state of a model that is kept. */
export interface CachedModel {
  /** `org/name`, or the URL of a folder. */
  readonly id: string;
  /** The Hub that it is from; null for a folder on a web server. */
  readonly endpoint: string | null;
  /** A commit; null for a folder on a web server. */
  readonly revision: string | null;
  readonly files: readonly CachedFile[];
  /** Of all files. Revisions share the files that they have in common. */
  readonly bytes: number;
  /** When it was last opened. */
  readonly lastUsed: Date;
}

/** Which models are meant: all revisions if none is given, of all Hubs if no endpoint is. */
export interface CachedModelName {
  readonly id: string;
  readonly endpoint?: string | null;
  /** A commit, or a branch at its commit when it was last seen. */
  readonly revision?: string | null;
}

/**
 * The models that `loadModel` and `openFiles` keep in the origin's private file system, the one that
 * was used last first.
 *
 * @throws {@link InferenceError} `unsupported` where the browser has no such file system; `backend`
 *   if it cannot be read.
 */
export async function listCachedModels(): Promise<readonly CachedModel[]> {
  const models: CachedModel[] = [];
  for (const store of await openStores()) {
    const index = await store.index();
    for (const [revision, state] of index.revisions) {
      models.push(await describe(store, index, revision, state));
    }
  }
  return models.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
}

/**
 * Deletes a model, or one revision of it. Files that other revisions need stay. A page that has
 * loaded the model goes on.
 *
 * @returns whether there was such a model.
 * @throws {@link InferenceError} `state` while a page is downloading it; as
 *   {@link listCachedModels}.
 */
export async function deleteCachedModel(model: CachedModelName): Promise<boolean> {
  let found = false;
  for (const store of await openStores()) {
    const index = await store.index();
    if (index.id !== model.id) continue;
    if (model.endpoint !== undefined && model.endpoint !== index.endpoint) continue;
    const revision = model.revision ?? undefined;
    const chosen = [...index.revisions.keys()].filter(
      (commit) =>
        revision === undefined || revision === commit || index.branches.get(revision) === commit,
    );
    if (chosen.length === 0) continue;
    found = true;
    await checkIdle(store, index.id);
    await store.update(({ revisions, branches }) => {
      for (const commit of chosen) revisions.delete(commit);
      for (const [branch, commit] of branches) if (chosen.includes(commit)) branches.delete(branch);
    });
    await dropUnused(store);
    if ((await store.index()).revisions.size === 0) await removeStores(store);
  }
  return found;
}

/**
 * Deletes all models that are kept.
 *
 * @throws {@link InferenceError} as {@link deleteCachedModel}.
 */
export async function deleteCachedModels(): Promise<void> {
  for (const store of await openStores()) await checkIdle(store, (await store.index()).id);
  await removeStores();
}

async function checkIdle(store: OpfsStore, id: string): Promise<void> {
  if (!(await store.isBusy())) return;
  throw new InferenceError("state", `cache: ${id} is being downloaded`);
}

async function describe(
  store: OpfsStore,
  { id, endpoint, whole }: ModelIndex,
  revision: string,
  { used, files }: Revision,
): Promise<CachedModel> {
  const kept: CachedFile[] = [];
  for (const [name, facts] of files) {
    if (facts === null) continue;
    const blob = blobOf(name, facts);
    const bytes = (await store.blob(blob))?.size ?? 0;
    if (bytes > 0 || whole.has(blob))
      kept.push({ name, bytes, isWhole: whole.get(blob) === bytes });
  }
  return {
    id,
    endpoint,
    revision: revision === "" ? null : revision,
    files: kept,
    bytes: kept.reduce((sum, { bytes }) => sum + bytes, 0),
    lastUsed: new Date(used),
  };
}
