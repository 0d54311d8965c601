import {
  copyFile,
  mkdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { dirname, join, relative, sep } from "node:path";

import { InferenceError } from "@frugal/core";
import { checkFileName } from "@frugal/runtime";
import { getRepoFolderName } from "@huggingface/hub";

/**
 * One model in the cache of the Hub, as the Python tools lay it out: `blobs/{digest}` holds files,
 * `snapshots/{commit}/{name}` links to them, and `refs/{branch}` says at which commit a branch was.
 */
export class HubCache {
  readonly #folder: string;

  constructor(cacheFolder: string, repo: string) {
    this.#folder = join(cacheFolder, getRepoFolderName({ name: repo, type: "model" }));
  }

  /** Path of a blob, whether it is there or not. */
  async blob(digest: string): Promise<string> {
    await mkdir(join(this.#folder, "blobs"), { recursive: true });
    return join(this.#folder, "blobs", digest);
  }

  /** Folder of a snapshot. */
  snapshot(commit: string): string {
    return join(this.#folder, "snapshots", commit);
  }

  /** The commit that a branch, a tag or a commit was when it was last seen online, or null. */
  async commitOf(revision: string): Promise<string | null> {
    if (isCommit(revision)) return revision;
    const text = await readFile(join(this.#folder, "refs", revision), "utf8").catch(() => "");
    return isCommit(text.trim()) ? text.trim() : null;
  }

  /** Notes where a branch is. */
  async setRef(revision: string, commit: string): Promise<void> {
    if (revision === commit) return;
    const path = join(this.#folder, "refs", revision);
    await mkdir(dirname(path), { recursive: true });
    await replace(path, (fresh) => writeFile(fresh, commit));
  }

  /**
   * Makes a blob appear under its name in a snapshot: as a link, or as a copy where the system has
   * none.
   *
   * @throws {@link InferenceError} `format` for a name that could lead out of the snapshot.
   */
  async link(commit: string, name: string, digest: string): Promise<void> {
    checkFileName(name);
    const path = join(this.snapshot(commit), name);
    await mkdir(dirname(path), { recursive: true });
    await this.#checkInside(dirname(path), commit);
    const blob = join(this.#folder, "blobs", digest);
    const target = relative(dirname(path), blob);
    if ((await readlink(path).catch(() => null)) === target) return;
    await replace(path, (fresh) =>
      symlink(target, fresh).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "EPERM" && error.code !== "ENOSYS") throw error;
        return copyFile(blob, fresh);
      }),
    );
  }

  /** A folder of the snapshot could itself be a link that somebody made. */
  async #checkInside(folder: string, commit: string): Promise<void> {
    const [actual, root] = [await realpath(folder), await realpath(this.snapshot(commit))];
    if (actual === root || actual.startsWith(root + sep)) return;
    throw new InferenceError("format", `${folder}: leads out of the cache, to ${actual}`);
  }
}

/** Whether a revision is a commit, which never changes. */
export function isCommit(revision: unknown): revision is string {
  return typeof revision === "string" && /^[0-9a-f]{40}$/.test(revision);
}

/** Makes a new file and gives it its name in one step. */
async function replace(path: string, make: (fresh: string) => Promise<void>): Promise<void> {
  const fresh = `${path}.${randomUUID()}`;
  try {
    await make(fresh);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
}
