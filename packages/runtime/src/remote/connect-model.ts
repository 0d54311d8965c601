import {
  type Block,
  type Capabilities,
  InferenceError,
  type LanguageModel,
  type ModelInfo,
  type Sequence,
  type SequenceOptions,
  type StepOptions,
  type StepOutput,
  throwIfAborted,
} from "@frugal/core";

import { checkSlots } from "../sequence/check-slots.ts";
import type { Call, LoadProgress, ModelPort, RemoteFailure, Reply, Response } from "./protocol.ts";

/** What the owner of the other end wants to know and has to do. */
export interface ConnectionHooks {
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Called when calls begin to wait and when the last one was answered. */
  readonly onBusy: (busy: boolean) => void;
  /** Ends the other side, after the model was disposed. */
  readonly close: () => Promise<void>;
}

/** A connection to a model in another thread. */
export interface Connection {
  /** Resolves when the model is loaded. */
  readonly model: Promise<LanguageModel>;
  /** Rejects every call, now and later, with `backend`: the other side is gone. */
  fail(message: string): void;
}

/**
 * Connects to the {@link serveModel} at the other end of a port.
 *
 * The model is a {@link LanguageModel} like the one served: same results, same errors. A step costs
 * one message each way; logits are transferred, not copied.
 */
export function connectModel(port: ModelPort, hooks: ConnectionHooks): Connection {
  const calls = new CallQueue(port, hooks.onBusy);
  const model = new Promise<LanguageModel>((resolve, reject) => {
    hooks.onBusy(true);
    const settle = (): void => hooks.onBusy(false);
    calls.onFailure = (error) => {
      settle();
      reject(error);
    };
    port.addEventListener("message", ({ data }) => {
      const response = data as Response;
      if ("progress" in response) hooks.onProgress?.(response.progress);
      else if ("ready" in response) {
        settle();
        calls.onFailure = () => {};
        const { info, capabilities } = response.ready;
        resolve(new RemoteModel(calls, info, capabilities, hooks.close));
      } else if ("failed" in response) {
        settle();
        calls.onFailure = () => {};
        // First: closing ends the thread, and its end is a failure too.
        reject(toError(response.failed));
        void hooks.close();
      } else calls.settle(response);
    });
  });
  return { model, fail: (message) => calls.fail(new InferenceError("backend", message)) };
}

/** Calls that wait for their answers. */
class CallQueue {
  readonly #port: ModelPort;
  readonly #onBusy: (busy: boolean) => void;
  readonly #waiting = new Map<
    number,
    { resolve: (reply: Reply) => void; reject: (error: unknown) => void }
  >();
  #count = 0;
  #failure: InferenceError | null = null;
  onFailure: (error: InferenceError) => void = () => {};

  constructor(port: ModelPort, onBusy: (busy: boolean) => void) {
    this.#port = port;
    this.#onBusy = onBusy;
  }

  async send(call: Call, signal?: StepOptions["signal"]): Promise<Reply> {
    if (this.#failure !== null) throw this.#failure;
    const id = ++this.#count;
    const abort = (): void => this.#port.postMessage({ id, abort: true }, []);
    signal?.addEventListener?.("abort", abort);
    try {
      return await new Promise<Reply>((resolve, reject) => {
        // First: what cannot be sent must not be waited for.
        this.#port.postMessage({ id, call }, []);
        if (this.#waiting.size === 0) this.#onBusy(true);
        this.#waiting.set(id, { resolve, reject });
      });
    } finally {
      signal?.removeEventListener?.("abort", abort);
    }
  }

  settle(response: { id: number } & ({ reply: Reply } | { failure: RemoteFailure })): void {
    const waiting = this.#waiting.get(response.id);
    this.#forget(response.id);
    if ("reply" in response) waiting?.resolve(response.reply);
    else waiting?.reject(toError(response.failure));
  }

  fail(error: InferenceError): void {
    this.#failure ??= error;
    this.onFailure(error);
    for (const [id, { reject }] of this.#waiting) {
      this.#forget(id);
      reject(error);
    }
  }

  #forget(id: number): void {
    if (this.#waiting.delete(id) && this.#waiting.size === 0) this.#onBusy(false);
  }
}

class RemoteModel implements LanguageModel {
  readonly #calls: CallQueue;
  readonly #close: () => Promise<void>;
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  #disposed: Promise<void> | null = null;

  constructor(
    calls: CallQueue,
    info: ModelInfo,
    capabilities: Capabilities,
    close: () => Promise<void>,
  ) {
    this.#calls = calls;
    this.#close = close;
    this.info = info;
    this.capabilities = capabilities;
  }

  async createSequence(options: SequenceOptions = {}): Promise<Sequence> {
    const { sequence } = await this.#calls.send({ kind: "create", options });
    return new RemoteSequence(this.#calls, this.info, this.capabilities, sequence!, 0);
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#end();
    return this.#disposed;
  }

  async #end(): Promise<void> {
    try {
      await this.#calls.send({ kind: "dispose-model" });
    } finally {
      this.#calls.fail(new InferenceError("state", "model: used after dispose"));
      await this.#close();
    }
  }
}

class RemoteSequence implements Sequence {
  readonly #calls: CallQueue;
  readonly #id: number;
  readonly info: ModelInfo;
  readonly capabilities: Capabilities;
  #length: number;
  #failure: unknown = null;
  #disposed = false;

  constructor(
    calls: CallQueue,
    info: ModelInfo,
    capabilities: Capabilities,
    id: number,
    length: number,
  ) {
    this.#calls = calls;
    this.info = info;
    this.capabilities = capabilities;
    this.#id = id;
    this.#length = length;
  }

  get length(): number {
    return this.#length;
  }

  async step(block: Block, { logits, taps, signal }: StepOptions): Promise<StepOutput> {
    throwIfAborted(signal);
    const call = {
      kind: "step",
      sequence: this.#id,
      block,
      options: taps === undefined ? { logits } : { logits, taps },
      abortable: signal !== undefined,
    } as const;
    try {
      return (await this.#send(call, signal)).output!;
    } catch (error) {
      // The reason stays on this side; the other one only knows that there was one.
      throwIfAborted(signal);
      throw error;
    }
  }

  /**
   * Checks the slots here and does not wait for the other side: messages arrive in order, so the
   * next step finds the rows gone. What could still fail there fails the next call.
   */
  async keep(positions: Uint32Array): Promise<void> {
    this.#check();
    checkSlots(positions, this.#length);
    this.#length = positions.length;
    this.#send({ kind: "keep", sequence: this.#id, positions }).catch((error: unknown) => {
      this.#failure = error;
    });
  }

  async fork(): Promise<Sequence> {
    const { sequence, length } = await this.#send({ kind: "fork", sequence: this.#id });
    return new RemoteSequence(this.#calls, this.info, this.capabilities, sequence!, length!);
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    const disposed = this.#send({ kind: "dispose-sequence", sequence: this.#id });
    this.#disposed = true;
    await disposed.catch((error: unknown) => {
      // With the model gone there is nothing left to free.
      if (!InferenceError.is(error, "state")) throw error;
    });
  }

  async #send(call: Call, signal?: StepOptions["signal"]): Promise<Reply> {
    this.#check();
    const reply = await this.#calls.send(call, signal);
    if (call.kind === "step") this.#length = reply.length!;
    return reply;
  }

  #check(): void {
    if (this.#disposed) throw new InferenceError("state", "sequence: used after dispose");
    if (this.#failure !== null) throw this.#failure;
  }
}

function toError({ code, message }: RemoteFailure): Error {
  return code === null ? new Error(message) : new InferenceError(code, message);
}
