import { InferenceError, type StepOptions } from "@frugal/core";

import type { Call, ModelPort, RemoteFailure, Reply } from "./protocol.ts";

/** Calls that wait for their answers. */
export class CallQueue {
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

/** The error that a message describes. */
export function toError({ code, message }: RemoteFailure): Error {
  return code === null ? new Error(message) : new InferenceError(code, message);
}
