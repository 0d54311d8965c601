import { InferenceError, type LanguageModel, type Matrix, type Sequence } from "@frugal/core";
import { markovModel, seededRandom, testLanguageModel } from "@frugal/testkit";
import { describe, expect, test, vi } from "vitest";

import { connectModel, type Connection, type LoadProgress, serveModel } from "../src/index.ts";

const vocabSize = 12;
const random = seededRandom(1);
const law: Matrix = {
  data: Float32Array.from({ length: vocabSize ** 2 }, () => 4 * random.next() - 2),
  rows: vocabSize,
  cols: vocabSize,
};
const load = async (): Promise<LanguageModel> => markovModel(law);

/** Both ends of a connection through a real channel, which copies and transfers as threads do. */
function connect(
  serve: (onProgress: (progress: LoadProgress) => void) => Promise<LanguageModel> = load,
) {
  const { port1, port2 } = new MessageChannel();
  port1.start();
  port2.start();
  const busy: boolean[] = [];
  const progress: LoadProgress[] = [];
  const close = vi.fn<() => Promise<void>>(async () => port1.close());
  const connection: Connection = connectModel(port1, {
    onProgress: (step) => progress.push(step),
    onBusy: (state) => busy.push(state),
    close,
  });
  void serveModel(port2, serve);
  const fail = (message: string): void => connection.fail(message);
  return { model: connection.model, fail, busy, progress, close };
}

/** A model whose steps wait until they are let go, in any order. */
function gatedModel() {
  const inner = markovModel(law);
  const gates: (() => void)[] = [];
  const gate = (sequence: Sequence): Sequence => ({
    info: sequence.info,
    capabilities: sequence.capabilities,
    get length() {
      return sequence.length;
    },
    async step(block, options) {
      await new Promise<void>((resolve) => gates.push(resolve));
      return sequence.step(block, options);
    },
    keep: (slots) => sequence.keep(slots),
    fork: async () => gate(await sequence.fork()),
    dispose: () => sequence.dispose(),
  });
  const model: LanguageModel = {
    ...inner,
    createSequence: async (options) => gate(await inner.createSequence(options)),
  };
  return { model, gates };
}

const token = (id: number) => ({ tokens: Uint32Array.of(id) });
const backend = { name: "InferenceError", code: "backend" };
const state = { name: "InferenceError", code: "state" };

testLanguageModel("a model at the other end of a channel", () => connect().model, {
  reference: load,
});

describe("serveModel and connectModel", () => {
  test("report progress while loading, and then the model's facts", async () => {
    const { model, progress, busy } = connect(async (onProgress) => {
      onProgress({ phase: "quantize", fraction: 0.5 });
      onProgress({ phase: "load", fraction: 1 });
      return load();
    });
    const { info, capabilities } = await load();
    expect(await model).toMatchObject({ info, capabilities });
    expect(progress).toEqual([
      { phase: "quantize", fraction: 0.5 },
      { phase: "load", fraction: 1 },
    ]);
    expect(busy).toEqual([true, false]);
    await (await model).dispose();
  });

  test("pass the failure of loading on, and close", async () => {
    const { model, close, busy } = connect(async () => {
      throw new InferenceError("unsupported", "weights: none");
    });
    await expect(model).rejects.toMatchObject({ code: "unsupported", message: "weights: none" });
    await vi.waitFor(() => expect(close).toHaveBeenCalledTimes(1));
    expect(busy).toEqual([true, false]);
    const strange = connect(() => Promise.reject(new TypeError("odd")));
    await expect(strange.model).rejects.toThrow("odd");
  });

  test("keep the reason of a failed load when the other end dies of it", async () => {
    const { model, fail, busy } = connect(() =>
      Promise.reject(new InferenceError("format", "config.json: not JSON")),
    );
    await expect(model).rejects.toMatchObject({ code: "format" });
    fail("engine: its thread ended with code 1");
    expect(busy).toEqual([true, false]);
  });

  test("stop waiting when the other end dies while loading", async () => {
    const { model, fail, busy } = connect(() => new Promise(() => {}));
    fail("engine: gone");
    await expect(model).rejects.toMatchObject({ ...backend, message: "engine: gone" });
    expect(busy).toEqual([true, false]);
  });

  test("reject waiting and later calls when the other end dies", async () => {
    const { model: served, gates } = gatedModel();
    const { model: loading, fail, busy } = connect(async () => served);
    const model = await loading;
    const sequence = await model.createSequence();
    const waiting = [
      sequence.step(token(1), { logits: "last" }),
      sequence.fork(),
      model.createSequence(),
    ];
    const outcomes = Promise.all(
      waiting.map((call) => expect(call).rejects.toMatchObject(backend)),
    );
    fail("engine: gone");
    await outcomes;
    expect(busy.at(-1)).toBe(false);
    await expect(sequence.step(token(1), { logits: "none" })).rejects.toThrow("engine: gone");
    await expect(sequence.fork()).rejects.toMatchObject(backend);
    await expect(model.createSequence()).rejects.toMatchObject(backend);
    fail("engine: gone again");
    await expect(model.createSequence()).rejects.toThrow("engine: gone");
    for (const open of gates) open();
  });

  test("match answers to calls in whatever order they come", async () => {
    const { model: served, gates } = gatedModel();
    const model = await connect(async () => served).model;
    const sequences = await Promise.all([1, 2, 3].map(() => model.createSequence()));
    const order: number[] = [];
    const steps = sequences.map(async (sequence, i) => {
      const { logits } = await sequence.step(token(i + 1), { logits: "last" });
      order.push(i);
      return logits!.data;
    });
    await vi.waitFor(() => expect(gates.length).toBe(3));
    for (const i of [2, 0, 1]) {
      gates[i]!();
      await steps[i];
    }
    expect(order).toEqual([2, 0, 1]);
    for (const [i, data] of (await Promise.all(steps)).entries()) {
      expect(data).toEqual(law.data.subarray((i + 1) * vocabSize, (i + 2) * vocabSize));
    }
    await model.dispose();
  });

  test("carry an abort over, with the reason of this side", async () => {
    const { model: served, gates } = gatedModel();
    const model = await connect(async () => served).model;
    const sequence = await model.createSequence();
    const controller = new AbortController();
    const { signal } = controller;
    const step = sequence
      .step(token(1), { logits: "last", signal })
      .catch((reason: unknown) => reason);
    await vi.waitFor(() => expect(gates.length).toBe(1));
    controller.abort("enough");
    // A message round trip later the other side knows.
    await model.createSequence();
    gates[0]!();
    expect(await step).toBe("enough");
    expect(sequence.length).toBe(0);
    await model.dispose();
  });

  test("do not wait for what cannot be sent", async () => {
    const { model: loading, busy } = connect();
    const model = await loading;
    const sequence = await model.createSequence();
    const block = { ...token(1), note: () => {} };
    await expect(sequence.step(block, { logits: "none" })).rejects.toThrow("clone");
    expect(busy.at(-1)).toBe(false);
    await sequence.step(token(1), { logits: "none" });
    expect(sequence.length).toBe(1);
    await model.dispose();
  });

  test("dispose once, however often they are asked to", async () => {
    const { model: loading, close, busy } = connect();
    const model = await loading;
    const sequence = await model.createSequence();
    const fork = await sequence.fork();
    await Promise.all([fork.dispose(), fork.dispose()]);
    await Promise.all([model.dispose(), model.dispose()]);
    await model.dispose();
    expect(close).toHaveBeenCalledTimes(1);
    await expect(sequence.step(token(1), { logits: "none" })).rejects.toMatchObject(state);
    await sequence.dispose();
    await sequence.dispose();
    await expect(model.createSequence()).rejects.toMatchObject(state);
    expect(busy.at(-1)).toBe(false);
  });

  test("refuse bad slots at once, and count the cache without asking", async () => {
    const model = await connect().model;
    const sequence = await model.createSequence();
    await sequence.step({ tokens: Uint32Array.of(1, 2, 3) }, { logits: "none" });
    await expect(sequence.keep(Uint32Array.of(3))).rejects.toMatchObject({ code: "range" });
    expect(sequence.length).toBe(3);
    const kept = sequence.keep(Uint32Array.of(0, 2));
    expect(sequence.length).toBe(2);
    await kept;
    await sequence.step(token(1), { logits: "none" });
    expect(sequence.length).toBe(3);
    await model.dispose();
  });
});
