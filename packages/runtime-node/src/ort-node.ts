import { InferenceError } from "@frugal/core";

/** The namespace of onnxruntime-node. */
export type OrtNode = typeof import("onnxruntime-node");

/**
 * Imports onnxruntime-node, the peer dependency.
 *
 * @throws {@link InferenceError} `backend` if it is not installed or has no binary for this
 *   platform, saying which.
 */
export async function importOrt(): Promise<OrtNode> {
  try {
    return await import("onnxruntime-node");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    throw new InferenceError(
      "backend",
      `onnxruntime-node could not be loaded on ${process.platform} ${process.arch}: ${reason}; ` +
        "install it with: npm install onnxruntime-node",
      { cause },
    );
  }
}
