import { InferenceError } from "@frugal/core";
import { totalLength, validatorOf, withRetries } from "@frugal/runtime";

import { type Connection, get } from "./http.ts";
import { blobOf, type FileFacts } from "./model-index.ts";
import { dropUnused, type ModelStore } from "./model-store.ts";
import { isUnreachable, type Origin, urlBelow } from "./origin.ts";

/** The one revision of a folder that has none. */
const revision = "";

/**
 * A model in a folder of a plain web server.
 *
 * Such a server lists nothing and knows no digests. It is asked for the version of each file that is
 * wanted, by its `ETag` or the date of its last change; where it cannot be reached, the version that
 * was last seen counts.
 */
export async function webOrigin(
  base: string,
  store: ModelStore,
  connection: Connection,
): Promise<Origin> {
  let known: ReadonlyMap<string, FileFacts | null> = new Map();
  await store.update(({ revisions }) => {
    known = revisions.get(revision)?.files ?? known;
    revisions.set(revision, { used: Date.now(), files: new Map(known) });
  });
  let isOffline = false;
  const ask = async (name: string): Promise<FileFacts | null> => {
    const { policy } = connection.context;
    const retries = known.has(name) ? 0 : policy.retries;
    const context = { ...connection.context, policy: { ...policy, retries } };
    const url = urlBelow(base, name);
    const facts = await withRetries(url, context, () => factsAt(url, connection));
    let isNew = false;
    await store.update(({ revisions }) => {
      const { files } = revisions.get(revision)!;
      const before = files.get(name) ?? null;
      isNew = before !== null && (facts === null || blobOf(name, before) !== blobOf(name, facts));
      files.set(name, facts);
    });
    if (isNew) await dropUnused(store);
    return facts;
  };
  const factsOf = async (name: string): Promise<FileFacts | null> => {
    const before = known.get(name);
    if (before !== undefined && isOffline) return before;
    try {
      return await ask(name);
    } catch (error) {
      if (before === undefined || !isUnreachable(error)) throw error;
      isOffline = true;
      return before;
    }
  };
  return {
    file: async (name) => {
      const facts = await factsOf(name);
      return facts && { url: urlBelow(base, name), ...facts };
    },
    companions: () => [],
  };
}

/**
 * What a server says of a file, null if there is none.
 *
 * It is asked for the first byte, which more servers and proxies answer well than a HEAD request. A
 * page of HTML counts as none: that is what development servers and single-page hosts answer for
 * files that do not exist.
 */
async function factsAt(url: string, connection: Connection): Promise<FileFacts | null> {
  try {
    const { answer, cancel } = await get(url, { range: "bytes=0-0" }, connection);
    cancel();
    const { headers } = answer;
    if (headers.get("content-type")?.startsWith("text/html") === true) return null;
    return {
      size: totalLength(answer),
      digest: hubDigest(headers),
      validator: validatorOf(answer),
    };
  } catch (error) {
    if (InferenceError.is(error, "format")) return null;
    throw error;
  }
}

/** Of a server that calls itself a Hub, the digest that its tags are. */
function hubDigest(headers: Headers): string | null {
  if (!headers.has("x-repo-commit")) return null;
  const tag = headers.get("x-linked-etag") ?? headers.get("etag") ?? "";
  return /^(?:W\/)?"([0-9a-f]{40}|[0-9a-f]{64})"$/.exec(tag)?.[1] ?? null;
}
