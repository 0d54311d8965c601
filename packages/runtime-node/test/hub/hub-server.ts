// A server that speaks as much of the Hub's HTTP as a download uses, over real bytes, and that
// misbehaves on request.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** The commit that branch `main` of every model is at. */
export const commit = "0123456789abcdef0123456789abcdef01234567";

/** A request that came. */
export interface Seen {
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Handles a request for a file instead of the server; false leaves it to the server. */
export type Trick = (
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
) => boolean;

/** A running server. */
export interface HubServer {
  readonly endpoint: string;
  readonly files: Map<string, Uint8Array>;
  /** Requests in their order. */
  readonly seen: Seen[];
  /** By file name; `api` for calls of the API. */
  readonly tricks: Map<string, Trick>;
  /** Entries of the list that replace those computed from the files. */
  readonly listing: Map<string, object>;
  close(): Promise<void>;
}

/** Starts a server for the model `org/name` with these files. Files of a kilobyte count as LFS. */
export async function startHub(files: Map<string, Uint8Array>): Promise<HubServer> {
  const seen: Seen[] = [];
  const tricks = new Map<string, Trick>();
  const listing = new Map<string, object>();
  const server = createServer((request, response) => {
    if (allowPages(request, response)) return;
    const path = decodeURIComponent(request.url!.split("?")[0]!);
    const { range, authorization } = request.headers;
    seen.push({ path, range, authorization });
    const file = new RegExp(`^(?:/org/name/resolve/${commit}|/plain)/(.+)$`).exec(path)?.[1];
    const content = file === undefined ? new Uint8Array() : files.get(file);
    if (tricks.get(file ?? "api")?.(request, response, content ?? new Uint8Array()) === true)
      return;
    if (file !== undefined && content !== undefined) sendFile(request, response, content);
    else if (path === "/api/models/org/name/revision/main")
      sendJson(response, { id: "org/name", sha: commit, siblings: siblingsOf(files) });
    else if (path === `/api/models/org/name/tree/${commit}`) {
      sendJson(
        response,
        [...files].map(([name, bytes]) => listing.get(name) ?? entryOf(name, bytes)),
      );
    } else sendStatus(response, 404);
  });
  const endpoint = await listen(server);
  return { endpoint, files, seen, tricks, listing, close: () => stop(server) };
}

/** Lets pages of other origins in, as the Hub does; true for a request that only asks for that. */
function allowPages(request: IncomingMessage, response: ServerResponse): boolean {
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-expose-headers", "*");
  if (request.method !== "OPTIONS") return false;
  const allowed = { "access-control-allow-headers": "authorization, range" };
  response.writeHead(204, allowed).end();
  return true;
}

/** What the answer for a revision says of files, with `?blobs=true`. */
function siblingsOf(files: ReadonlyMap<string, Uint8Array>): object[] {
  return [...files].map(([rfilename, bytes]) => {
    const { length: size } = bytes;
    if (size < 1024) return { rfilename, size, blobId: gitDigest(bytes) };
    const lfs = { sha256: sha256(bytes), size, pointerSize: 130 };
    return { rfilename, size, blobId: "0".repeat(40), lfs };
  });
}

/** Starts any server on a free port; resolves to its address. */
export async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Ends a server and its connections. */
export async function stop(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** What the list of files says of one. */
export function entryOf(path: string, bytes: Uint8Array): object {
  const entry = { type: "file", path, size: bytes.length, oid: gitDigest(bytes) };
  if (bytes.length < 1024) return entry;
  return {
    ...entry,
    oid: "0".repeat(40),
    lfs: { oid: sha256(bytes), size: bytes.length, pointerSize: 130 },
  };
}

/** Digest that names an LFS blob. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Digest that names a git blob. */
export function gitDigest(bytes: Uint8Array): string {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

/** Sends a file, or the range of it that was asked for. */
export function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
): void {
  const { status, body, headers } = rangeOf(request, content);
  response.writeHead(status, headers).end(body);
}

/** Status, headers and body of the answer to a request for a file. */
export function rangeOf(request: IncomingMessage, content: Uint8Array) {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const size = content.length;
  if (match === null) return { status: 200, body: content, headers: { "content-length": size } };
  const start = Number(match[1]);
  const end = match[2] === "" ? size : Math.min(size, Number(match[2]) + 1);
  const range = {
    "content-range": start < size ? `bytes ${start}-${end - 1}/${size}` : `bytes */${size}`,
  };
  if (start >= size) return { status: 416, body: new Uint8Array(), headers: range };
  const body = content.subarray(start, end);
  return { status: 206, body, headers: { ...range, "content-length": body.length } };
}

/** Answers with a status alone. */
export function sendStatus(response: ServerResponse, status: number, headers = {}): void {
  response.writeHead(status, headers).end();
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(value));
}
