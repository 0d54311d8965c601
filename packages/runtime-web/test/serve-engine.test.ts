import { InferenceError } from "@frugal/core";
import { expect, test } from "vitest";

import { serveEngine, type WorkerStart } from "../src/serve-engine.ts";

test("what ONNX Runtime tells its threads, which run the worker's script, starts no engine", async () => {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<unknown>((resolve) => {
    port1.addEventListener("message", ({ data }) => resolve(data));
    port1.start();
  });
  let started = 0;
  serveEngine(async () => {
    started++;
    throw new InferenceError("backend", "no engine here");
  });
  const say = (data: unknown): unknown =>
    globalThis.dispatchEvent(new MessageEvent("message", { data }));
  for (const data of [{ cmd: "load", wasmModule: {} }, null, "setup"]) say(data);
  expect(started).toBe(0);
  const start: WorkerStart = {
    port: port2,
    address: { kind: "files", files: [] },
    engine: {},
    scripts: { ort: null, wasmFolder: null },
  };
  say(start);
  say(start);
  expect(await answer).toEqual({ failed: { code: "backend", message: "no engine here" } });
  expect(started).toBe(1);
});
