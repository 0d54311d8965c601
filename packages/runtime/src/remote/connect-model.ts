import { InferenceError, type LanguageModel } from "@frugal/core";

import { CallQueue, toError } from "./call-queue.ts";
import type { LoadProgress, ModelPort, Response } from "./protocol.ts";
import { RemoteModel } from "./remote-model.ts";

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
