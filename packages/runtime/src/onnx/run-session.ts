import { InferenceError } from "@frugal/core";

import type { Fetches, RunningSession, Tensor } from "./ort.ts";

/**
 * Runs a session. Outputs are named, or given a tensor each to be written into, or null.
 *
 * @throws {@link InferenceError} `backend` with ONNX Runtime's reason.
 */
export async function runSession(
  session: Pick<RunningSession, "run">,
  feeds: Record<string, Tensor>,
  outputs: readonly string[] | Fetches,
): Promise<Record<string, Tensor>> {
  try {
    return await session.run(feeds, outputs);
  } catch (cause) {
    if (InferenceError.is(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("backend", `ONNX Runtime: ${reason}`, { cause });
  }
}
