// A server and an empty cache for every test, and the embedded model's files on the server.
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { RetryPolicy } from "@frugal/runtime";
import { afterAll, afterEach, beforeEach, expect } from "vitest";

import { type DownloadOptions, fetchModel } from "../../src/hub/download-model.ts";
import { tinyFolder } from "../tiny-models.ts";
import { type HubServer, sha256, startHub, type Trick } from "./hub-server.ts";

export const names = [
  "config.json",
  "generation_config.json",
  "model.safetensors",
  "tokenizer.json",
];
export const model = new Map<string, Uint8Array>();
for (const name of names)
  model.set(name, await readFile(new URL(name, tinyFolder("frugal-tiny-draft"))));
export const weights = model.get("model.safetensors")!;
export const config = model.get("config.json")!;

export const policy: RetryPolicy = { retries: 3, backoffMs: 1, longestWaitMs: 1500, stallMs: 300 };
export const root = await mkdtemp(join(tmpdir(), "frugal-hub-"));
afterAll(() => rm(root, { recursive: true, force: true }));

export let hub: HubServer;
export let cacheFolder: string;
/** Number of the test. */
export let count = 0;
beforeEach(async () => {
  hub = await startHub(new Map(model));
  cacheFolder = join(root, String(++count), "cache");
});
afterEach(() => hub.close());

/** Downloads `org/name` from the server. */
export function download(
  options: DownloadOptions = {},
  token: string | null = null,
): Promise<string> {
  const settings = { token, endpoint: hub.endpoint, cacheFolder, offline: false };
  return fetchModel({ kind: "hub", repo: "org/name", revision: "main" }, settings, options, policy);
}

export const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => expect.unreachable("should have failed"),
    (reason: unknown) => reason as Error,
  );

export const repo = () => join(cacheFolder, "models--org--name");
export const blob = (bytes: Uint8Array) => join(repo(), "blobs", sha256(bytes));
export const requestsFor = (name: string) =>
  hub.seen.filter(({ path }) => path.endsWith(`/${name}`));
/** Answers the first `times` requests for a file with a trick. */
export function trick(
  name: string,
  answer: (...args: Parameters<Trick>) => void,
  times = Infinity,
): void {
  let left = times;
  hub.tricks.set(name, (...args) => {
    if (left-- <= 0) return false;
    answer(...args);
    return true;
  });
}

/** Every path below a folder. */
export async function everything(folder: string): Promise<string[]> {
  return (await readdir(folder, { recursive: true })).sort();
}

export async function expectModel(folder: string): Promise<void> {
  for (const [name, bytes] of hub.files) {
    expect((await readFile(join(folder, name))).equals(bytes)).toBe(true);
  }
}
