import { getEventListeners } from "node:events";
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { afterAll, describe, expect, test, vi } from "vitest";

import { loadModel } from "../src/index.ts";
import { writeRandomModel } from "./random-model.ts";

// The threads that loadModel starts, so that a test can end one as a crash would.
const threads = vi.hoisted(() => [] as import("node:worker_threads").Worker[]);
vi.mock("node:worker_threads", async (importActual) => {
  const actual = await importActual<typeof import("node:worker_threads")>();
  class Recorded extends actual.Worker {
    constructor(...args: ConstructorParameters<typeof actual.Worker>) {
      super(...args);
      threads.push(this);
    }
  }
  return { ...actual, Worker: Recorded };
});

const random = await writeRandomModel();
afterAll(random.remove);

describe("the engine's thread", () => {
  test("takes the waiting call along when it is killed, and the later ones", async () => {
    const model = await loadModel(random.folder);
    const sequence = await model.createSequence();
    const tokens = new Uint32Array(120);
    const step = sequence.step({ tokens }, { logits: "all" }).catch((error: unknown) => error);
    await threads.at(-1)!.terminate();
    const backend = { name: "InferenceError", code: "backend" };
    expect(await step).toMatchObject({
      ...backend,
      message: expect.stringContaining("its thread ended") as string,
    });
    await expect(sequence.step({ tokens }, { logits: "none" })).rejects.toMatchObject(backend);
    await expect(model.createSequence()).rejects.toMatchObject(backend);
  });

  test("ends when the model is disposed, and when loading fails", async () => {
    const before = threads.length;
    const model = await loadModel(random.folder);
    await model.dispose();
    const load = loadModel(random.folder, { layers: [8, 9] });
    await expect(load).rejects.toMatchObject({ code: "range" });
    await vi.waitFor(() => {
      for (const thread of threads.slice(before)) expect(thread.threadId).toBe(-1);
    });
    expect(threads.length).toBe(before + 2);
  });

  test("leaves no listener on the signal of a step", async () => {
    const model = await loadModel(random.folder);
    const sequence = await model.createSequence();
    const { signal } = new AbortController();
    await sequence.step({ tokens: Uint32Array.of(1) }, { logits: "none", signal });
    expect(getEventListeners(signal, "abort")).toEqual([]);
    await model.dispose();
  });

  test("lets the process end while a model is idle, and keeps it while one works", async () => {
    const source = new URL("../src/index.ts", import.meta.url).href;
    const script = `
      import { loadModel } from ${JSON.stringify(source)};
      const model = await loadModel(${JSON.stringify(random.folder)});
      const sequence = await model.createSequence();
      void sequence.step({ tokens: new Uint32Array(50) }, { logits: "last" }).then(({ logits }) =>
        console.log("rows", logits.rows),
      );
    `;
    const args = ["--conditions=@frugal/source", "--input-type=module", "--eval", script];
    const cwd = fileURLToPath(new URL("..", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, timeout: 20_000 });
    expect(stdout).toBe("rows 1\n");
  });
});
