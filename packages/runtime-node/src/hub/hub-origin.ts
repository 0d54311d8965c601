import { InferenceError } from "@frugal/core";
import { type RemoteFile, type RetryPolicy, withRetries } from "@frugal/runtime";
import { HubApiError, type ListFileEntry, listFiles, modelInfo } from "@huggingface/hub";

import { get } from "./http.ts";
import { HubCache, isCommit } from "./hub-cache.ts";
import type { HubSettings } from "./hub-settings.ts";
import type { Origin } from "./origin.ts";
import { retryContext } from "./retry.ts";

/**
 * A model on the Hub at the commit that `revision` names now, and its place in the cache.
 *
 * The branch is resolved first, so that files of one load cannot come from two commits.
 *
 * @throws {@link InferenceError} `format` if there is no such model or revision, or the server's
 *   answers are not those of a Hub; `backend` if it refuses or cannot be reached.
 */
export async function hubOrigin(
  repo: string,
  revision: string,
  settings: HubSettings,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<Origin> {
  const { token, endpoint } = settings;
  const ask = <T>(call: () => Promise<T>): Promise<T> =>
    withRetries(`${repo}@${revision} on ${endpoint}`, retryContext(policy, signal), () =>
      named(repo, call),
    );
  const api = { hubUrl: endpoint, fetch: hubFetch(settings, policy, signal) };
  const { sha: commit } = await ask(() =>
    modelInfo({ ...api, name: repo, revision, additionalFields: ["sha"] }),
  );
  if (!isCommit(commit)) {
    throw new InferenceError("format", `${repo}@${revision}: ${endpoint} names no commit`);
  }
  const files = await ask(async () => {
    const entries = new Map<string, ListFileEntry>();
    const list = { ...api, repo: { type: "model", name: repo }, revision: commit } as const;
    for await (const entry of listFiles({ ...list, recursive: true })) {
      if (entry.type === "file") entries.set(entry.path, entry);
    }
    return entries;
  });
  const cache = new HubCache(settings.cacheFolder, repo);
  await cache.setRef(revision, commit);
  const file = (name: string): RemoteFile & { readonly digest: string } => ({
    url: `${endpoint}/${repo}/resolve/${commit}/${name.split("/").map(encodeURIComponent).join("/")}`,
    ...contentOf(name, files.get(name)),
    validator: null,
  });
  return {
    folder: cache.snapshot(commit),
    names: [...files.keys()],
    token,
    file,
    pathFor: (name) => cache.blob(file(name).digest),
    publish: (name) => cache.link(commit, name, file(name).digest),
  };
}

/** Size and digest of a file, which is also the name of its blob. */
function contentOf(
  name: string,
  entry: ListFileEntry | undefined,
): { size: number; digest: string } {
  if (entry === undefined) throw new InferenceError("format", `${name}: no such file on the Hub`);
  const digest = entry.lfs?.oid ?? entry.oid ?? "";
  const bytes = entry.lfs?.size ?? entry.size;
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(digest) || !Number.isSafeInteger(bytes) || bytes < 0) {
    throw new InferenceError("format", `${name}: the Hub gives no digest and size of it`);
  }
  return { size: bytes, digest };
}

/** `fetch` for calls of the API: watched, and with the token for the endpoint alone. */
function hubFetch(
  { endpoint, token }: HubSettings,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): typeof fetch {
  const { origin } = new URL(endpoint);
  return async (input) => {
    const url = input instanceof Request ? input.url : String(input);
    // The server names further pages of a list by their URL.
    const isOwn = new URL(url).origin === origin;
    const { answer, chunks } = await get(url, {}, isOwn ? token : null, policy, signal);
    const parts: Uint8Array[] = [];
    for await (const part of chunks()) parts.push(part);
    return new Response(new Uint8Array(Buffer.concat(parts)), answer);
  };
}

/** Says which model it was about; anything but JSON where a Hub answers JSON is not a Hub. */
async function named<T>(repo: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof HubApiError) {
      throw new InferenceError("format", `${repo}: not the answer of a Hub: ${cause.message}`, {
        cause,
      });
    }
    if (InferenceError.is(cause)) {
      throw new InferenceError(cause.code, `${repo}: ${cause.message}`, { cause });
    }
    throw cause;
  }
}
