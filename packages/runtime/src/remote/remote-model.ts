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
import type { CallQueue } from "./call-queue.ts";
import type { Call, Reply } from "./protocol.ts";

/** The {@link LanguageModel} at this end of a connection. */
export class RemoteModel implements LanguageModel {
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
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.#calls.fail(new InferenceError("state", "model: used after dispose"));
      await this.#close();
    }
  }
}

/** A sequence of a {@link RemoteModel}. */
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

  async step(block: Block, { signal, ...options }: StepOptions): Promise<StepOutput> {
    throwIfAborted(signal);
    const call = {
      kind: "step",
      sequence: this.#id,
      block,
      options,
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
      if (!isGone(error)) throw error;
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

/** Whether the model was disposed or its thread has ended: then there is nothing left to free. */
function isGone(error: unknown): boolean {
  return InferenceError.is(error, "state") || InferenceError.is(error, "backend");
}
