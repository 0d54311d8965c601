import { InferenceError } from "@frugal/core";

/**
 * What a model can be loaded from:
 *
 * - a Hub id, `org/name` or `org/name@revision`, also as `hf://org/name`;
 * - the URL of a folder on a web server; a relative one begins with `.` or `/` or ends with `/`,
 *   which sets it apart from an id;
 * - files that the user chose, by their names;
 * - a folder that the user opened, or one of the origin's private file system.
 */
export type ModelSource = string | URL | Iterable<File> | FileSystemDirectoryHandle;

/** Where models of the Hub come from. */
export interface HubOptions {
  /** Default: `https://huggingface.co`. */
  readonly endpoint?: string;
  /** Sent to the endpoint's own origin. Default: none; a page should not hold one for its users. */
  readonly token?: string;
}

/**
 * Where downloads are kept: in the origin's private file system, or in memory while the model is
 * loaded.
 */
export type CacheKind = "opfs" | "none";

/** How a source is read. */
export interface SourceOptions {
  readonly hub?: HubOptions;
  /**
   * Default: `"opfs"`, and `"none"` where the browser has no private file system: on pages without
   * encryption, and in some private windows.
   */
  readonly cache?: CacheKind;
}

/** A model of a Hub. */
export interface HubAddress {
  readonly kind: "hub";
  readonly endpoint: string;
  readonly repo: string;
  readonly revision: string;
  readonly token: string | null;
  readonly cache: CacheKind | null;
}

/** A folder on a web server. */
export interface WebAddress {
  readonly kind: "web";
  /** Ends with a slash. */
  readonly base: string;
  readonly cache: CacheKind | null;
}

/** A {@link ModelSource} with everything decided; can be sent to a worker. */
export type SourceAddress =
  | HubAddress
  | WebAddress
  | { readonly kind: "files"; readonly files: readonly File[] }
  | { readonly kind: "folder"; readonly folder: FileSystemDirectoryHandle };

const segment = "[A-Za-z0-9][\\w.-]*";
const hubId = new RegExp(`^(?:hf://)?(?<repo>${segment}/${segment})(?:@(?<revision>[^@]+))?$`);

/**
 * Decides what a source is.
 *
 * @param baseUrl what relative URLs are relative to
 * @throws {@link InferenceError} `format` for an `hf:` address that names no model; `unsupported` for
 *   a URL of another kind; `range` for an endpoint that is no http(s) URL, and for another cache.
 */
export function addressOf(
  source: ModelSource,
  baseUrl: string,
  { hub: { endpoint = "https://huggingface.co", token } = {}, cache }: SourceOptions = {},
): SourceAddress {
  if (cache !== undefined && cache !== "opfs" && cache !== "none") {
    throw new InferenceError("range", `cache: expected "opfs" or "none", got ${String(cache)}`);
  }
  if (typeof source !== "string" && !(source instanceof URL)) return localAddress(source);
  const text = String(source);
  const match = hubId.exec(text)?.groups;
  if (match !== undefined) {
    const hub = httpUrl("endpoint", endpoint, baseUrl, "range");
    return {
      kind: "hub",
      endpoint: hub.href.replace(/\/+$/, ""),
      repo: match["repo"]!,
      revision: match["revision"] ?? "main",
      token: token ?? null,
      cache: cache ?? null,
    };
  }
  if (text.startsWith("hf://")) {
    throw new InferenceError(
      "format",
      `source: expected org/name or org/name@revision, got ${JSON.stringify(text)}`,
    );
  }
  const url = httpUrl("source", text, baseUrl, "unsupported");
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return { kind: "web", base: url.href, cache: cache ?? null };
}

function localAddress(source: Iterable<File> | FileSystemDirectoryHandle): SourceAddress {
  if (Symbol.iterator in source) return { kind: "files", files: [...source] };
  return { kind: "folder", folder: source };
}

function httpUrl(
  subject: string,
  text: string,
  baseUrl: string,
  code: "range" | "unsupported",
): URL {
  const url = URL.canParse(text, baseUrl) ? new URL(text, baseUrl) : null;
  if (url !== null && /^https?:$/.test(url.protocol)) return url;
  throw new InferenceError(code, `${subject}: expected an http(s) URL, got ${text}`);
}
