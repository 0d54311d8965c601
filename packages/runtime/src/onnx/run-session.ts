import { InferenceError } from "@frugal/core";

import type { InferenceSession, Tensor } from "./ort.ts";

/**
 * Runs a session.
 *
 * @throws {@link InferenceError} `backend` with ONNX Runtime's reason.
 */
export async function runSession(
  session: InferenceSession,
  feeds: Record<string, Tensor>,
  names: readonly string[],
): Promise<Record<string, Tensor>> {
  try {
    return await session.run(feeds, names);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("backend", `ONNX Runtime: ${reason}`, { cause });
  }
}
