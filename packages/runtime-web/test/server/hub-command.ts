// Lets tests in a browser start servers that misbehave: a command that runs in Node.
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";

import {
  type HubServer,
  rangeOf,
  sendFile,
  sendStatus,
  startHub,
} from "../../../runtime-node/test/hub/hub-server.ts";
import type { HubReply, HubRequest, Trick } from "./hub-protocol.ts";

const names = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json"];
const model = new URL("../../../../models/frugal-tiny-draft/", import.meta.url);

interface Running {
  readonly server: HubServer;
  readonly tricks: Trick[];
}
const running = new Map<string, Running>();

/** Does what the browser asks for. */
export async function hubCommand(_context: unknown, request: HubRequest): Promise<HubReply> {
  if (request.kind === "start") return start();
  const { server, tricks } = running.get(request.endpoint)!;
  if (request.kind === "seen") return { endpoint: request.endpoint, seen: server.seen.splice(0) };
  if (request.kind === "trick") tricks.push(request.trick);
  if (request.kind === "well") tricks.length = 0;
  if (request.kind === "file") {
    const { name, text } = request;
    if (text === null) server.files.delete(name);
    else server.files.set(name, new TextEncoder().encode(text));
  }
  if (request.kind === "stop") {
    running.delete(request.endpoint);
    await server.close();
  }
  return { endpoint: request.endpoint, seen: [] };
}

async function start(): Promise<HubReply> {
  const files = new Map<string, Uint8Array>();
  for (const name of names) files.set(name, await readFile(new URL(name, model)));
  const server = await startHub(files);
  const tricks: Trick[] = [];
  for (const name of ["api", ...names]) {
    server.tricks.set(name, (...args) => play(tricks, name, ...args));
  }
  running.set(server.endpoint, { server, tricks });
  return { endpoint: server.endpoint, seen: [] };
}

/** Answers with the first trick for the file that is not used up. */
function play(
  tricks: readonly Trick[],
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
  content: Uint8Array,
): boolean {
  for (const trick of tricks.filter(({ file }) => file === name)) {
    if (trick.kind === "headers") {
      for (const [key, value] of Object.entries(trick.headers)) response.setHeader(key, value);
    }
  }
  const trick = tricks.find((t) => t.file === name && t.kind !== "headers" && (t.times ?? 1) > 0);
  if (trick === undefined || trick.kind === "headers") return false;
  // A version is asked for by the first byte; tricks are for the rest.
  if (request.headers.range === "bytes=0-0" && trick.kind !== "status") return false;
  trick.times = (trick.times ?? 1) - 1;
  if (trick.kind === "status") sendStatus(response, trick.status, trick.headers);
  if (trick.kind === "send") sendFile(request, response, spoil(content, trick.how));
  if (trick.kind === "whole") {
    response.writeHead(200, { "content-length": content.length }).end(content);
  }
  if (trick.kind === "cut") {
    const { status, body, headers } = rangeOf(request, content);
    response.writeHead(status, headers);
    response.write(body.subarray(0, trick.at));
    if (trick.thenStall !== true) setTimeout(() => response.destroy(), 50);
  }
  return true;
}

function spoil(content: Uint8Array, how: "flip" | "add" | "drop" | "html"): Uint8Array {
  if (how === "add") return Buffer.concat([content, Uint8Array.of(0)]);
  if (how === "drop") return content.subarray(1);
  if (how === "html") return new TextEncoder().encode("<!doctype html>");
  const flipped = new Uint8Array(content);
  flipped[12_345 % content.length]! ^= 1;
  return flipped;
}
