import { fileURLToPath } from "node:url";

import { InferenceError } from "@frugal/core";

/** Where a model comes from. */
export type ModelSource =
  | { readonly kind: "folder"; readonly folder: string }
  | { readonly kind: "hub"; readonly repo: string; readonly revision: string }
  | { readonly kind: "web"; readonly base: URL };

const segment = "[A-Za-z0-9][\\w.-]*";
const hubId = new RegExp(`^(?<repo>${segment}/${segment})(?:@(?<revision>[^@]+))?$`);

/**
 * Reads what a user gives: a path or `file:` URL; a Hub id `org/name` or `org/name@revision`, also
 * as `hf://org/name@revision` or as the address of its page below `endpoint`; or the `http(s):` URL
 * of a folder that a plain server serves.
 *
 * An id and a relative path of two names look alike: `isFolder` decides, and folders come first.
 *
 * @throws {@link InferenceError} `format` for an address of the Hub that names no model or a
 *   revision that cannot be one; `unsupported` for a URL of another kind.
 */
export async function parseModelSource(
  source: string | URL,
  endpoint: string,
  isFolder: (path: string) => Promise<boolean>,
): Promise<ModelSource> {
  const text = String(source);
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) return fromUrl(text, endpoint);
  const match = hubId.exec(text)?.groups;
  if (match === undefined || (await isFolder(text))) return { kind: "folder", folder: text };
  return hubSource(text, match["repo"]!, match["revision"]);
}

/**
 * Parts a source that names a GGUF file from the name: `models/x.gguf`, `org/name/x.gguf`, or the
 * address of the file on the Hub or on another server. Others are returned as they are.
 */
export function splitGguf(source: string | URL): {
  readonly at: string | URL;
  readonly file?: string;
} {
  const path = /^(?:(?<at>.*)[/\\])?(?<file>[^/\\]+\.gguf)$/is.exec(String(source))?.groups;
  if (path === undefined) return { at: source };
  const { at, file } = path;
  const isUrl = /^[a-z][a-z0-9+.-]+:\/\//i.test(String(source));
  const name = isUrl ? decodeURIComponent(file!) : file!;
  return { at: at === undefined ? "." : at === "" ? "/" : at, file: name };
}

function fromUrl(text: string, endpoint: string): ModelSource {
  if (text.startsWith("hf://")) {
    const match = hubId.exec(text.slice("hf://".length))?.groups;
    if (match === undefined) throw notAModel(text);
    return hubSource(text, match["repo"]!, match["revision"]);
  }
  const url = new URL(text);
  if (url.protocol === "file:") return { kind: "folder", folder: fileURLToPath(url) };
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new InferenceError(
      "unsupported",
      `source: expected a folder, a Hub id, or a file:, hf:, http: or https: URL, got ${text}`,
    );
  }
  if (url.origin !== new URL(endpoint).origin) {
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return { kind: "web", base: url };
  }
  const page = /^\/(?<repo>[^/]+\/[^/]+)(?:\/(?:tree|blob|resolve)\/(?<revision>.+?))?\/?$/.exec(
    url.pathname,
  )?.groups;
  if (page === undefined || !hubId.test(page["repo"]!)) throw notAModel(text);
  const revision = page["revision"];
  return hubSource(text, page["repo"]!, revision && decodeURIComponent(revision));
}

function hubSource(text: string, repo: string, revision = "main"): ModelSource {
  // Branches become file names below `refs`.
  const parts = revision.split("/");
  const isSafe = parts.every((part) => /^[\w.+-]+$/.test(part) && !/^\.+$/.test(part));
  if (!isSafe || repo.includes("..")) throw notAModel(text);
  return { kind: "hub", repo, revision };
}

function notAModel(text: string): InferenceError {
  return new InferenceError(
    "format",
    `source: expected org/name or org/name@revision, got ${JSON.stringify(text)}`,
  );
}
