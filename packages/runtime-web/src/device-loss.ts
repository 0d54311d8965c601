import { InferenceError } from "@frugal/core";
import type { RunningSession } from "@frugal/runtime";

import type { GpuDevice } from "./devices.ts";

/**
 * A session whose runs reject with `backend` when the device is gone: its driver was restarted, or the
 * browser took it away. ONNX Runtime would have them wait for ever.
 */
export function unlessLost(session: RunningSession, { lost }: GpuDevice): RunningSession {
  let error: InferenceError | null = null;
  const waiting = new Set<(error: InferenceError) => void>();
  const end = (why: string): void => {
    error = new InferenceError("backend", `the WebGPU device was lost: ${why}`);
    for (const reject of waiting) reject(error);
  };
  void lost.then(({ reason, message }) => end(message || reason));
  return {
    run: (feeds, outputs) =>
      new Promise((resolve, reject) => {
        if (error !== null) throw error;
        waiting.add(reject);
        session
          .run(feeds, outputs)
          .then(resolve, reject)
          .finally(() => waiting.delete(reject));
      }),
    // What was on the device went with it.
    release: async () => {
      if (error === null) await session.release();
    },
  };
}
