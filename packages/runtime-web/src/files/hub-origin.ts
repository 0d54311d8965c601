import { InferenceError } from "@frugal/core";
import { withRetries } from "@frugal/runtime";

import { type Connection, getJson } from "./http.ts";
import type { FileFacts } from "./model-index.ts";
import type { HubAddress } from "./model-source.ts";
import type { ModelStore } from "./model-store.ts";
import { isUnreachable, type Origin, urlBelow } from "./origin.ts";

/**
 * A model on the Hub, at the commit that its revision names now.
 *
 * The branch is resolved first, so that files of one load cannot come from two commits. A commit
 * that is known does not have to be asked for; a branch that cannot be asked for is where it was
 * when it was last seen.
 *
 * @throws {@link InferenceError} `format` if there is no such model or revision, or the server's
 *   answer is not that of a Hub; `backend` if it refuses or cannot be reached.
 */
export async function hubOrigin(
  address: HubAddress,
  store: ModelStore,
  connection: Connection,
): Promise<Origin> {
  const { endpoint, repo, revision } = address;
  const index = await store.index();
  let commit = isCommit(revision) ? revision : (index.branches.get(revision) ?? null);
  let files = commit === null ? undefined : index.revisions.get(commit)?.files;
  if (files === undefined || commit !== revision) {
    try {
      ({ commit, files } = await ask(address, connection, files !== undefined));
    } catch (error) {
      if (files === undefined || !isUnreachable(error)) throw error;
    }
  }
  const [at, known] = [commit!, files];
  await store.update(({ branches, revisions }) => {
    if (at !== revision) branches.set(revision, at);
    revisions.set(at, { used: Date.now(), files: known });
  });
  const base = `${endpoint}/${repo}/resolve/${at}/`;
  return {
    file: async (name) => {
      const facts = known.get(name) ?? null;
      return facts && { url: urlBelow(base, name), ...facts };
    },
    companions: (name) => {
      const rest = shardPattern.exec(name)?.[1];
      return [...known].filter(
        (entry): entry is [string, FileFacts] =>
          rest !== undefined &&
          entry[0] !== name &&
          entry[1] !== null &&
          shardPattern.exec(entry[0])?.[1] === rest,
      );
    },
  };
}

/** Number of a shard, and what follows it, which shards of one checkpoint share. */
const shardPattern = /-\d+(-of-\d+\.\w+)$/;

/** Asks where the revision is, and what files there are; once if there is another way. */
async function ask(
  { endpoint, repo, revision }: HubAddress,
  connection: Connection,
  isOptional: boolean,
): Promise<{ commit: string; files: Map<string, FileFacts | null> }> {
  const url = `${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const { policy } = connection.context;
  const context = {
    ...connection.context,
    policy: { ...policy, ...(isOptional && { retries: 0 }) },
  };
  const subject = `${repo}@${revision} on ${endpoint}`;
  const answer = await withRetries(subject, context, () => getJson(url, connection));
  const { sha, siblings } = (answer ?? {}) as { sha?: unknown; siblings?: unknown };
  if (!isCommit(sha)) throw new InferenceError("format", `${subject}: the answer names no commit`);
  if (!Array.isArray(siblings)) {
    throw new InferenceError("format", `${subject}: the answer lists no files`);
  }
  return { commit: sha, files: new Map(siblings.map((entry) => factsOf(subject, entry))) };
}

/** Name, size and digest of a file that the Hub lists. */
function factsOf(subject: string, entry: unknown): [string, FileFacts] {
  const { rfilename, size, blobId, lfs } = (entry ?? {}) as Record<string, unknown>;
  const large = (lfs ?? {}) as { sha256?: unknown; size?: unknown };
  const digest = large.sha256 ?? blobId;
  const bytes = large.size ?? size;
  if (
    typeof rfilename !== "string" ||
    typeof digest !== "string" ||
    !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(digest) ||
    !Number.isSafeInteger(bytes) ||
    (bytes as number) < 0
  ) {
    const what = JSON.stringify(entry)?.slice(0, 200);
    throw new InferenceError(
      "format",
      `${subject}: expected a file with digest and size, got ${what}`,
    );
  }
  return [rfilename, { size: bytes as number, digest, validator: null }];
}

/** Whether a revision is a commit, which never changes. */
function isCommit(revision: unknown): revision is string {
  return typeof revision === "string" && /^[0-9a-f]{40}$/.test(revision);
}
