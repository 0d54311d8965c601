import { InferenceError } from "@frugal/core";
import { buildProbe } from "@frugal/runtime";

import type { OrtNode } from "./ort-node.ts";

/** A provider of onnxruntime-node. Which ones exist depends on the platform and its package. */
export type Device = "cpu" | "webgpu" | "cuda" | "dml" | "coreml";

const devices: readonly string[] = ["cpu", "webgpu", "cuda", "dml", "coreml"] satisfies Device[];

/**
 * Makes sure that a device can be used, by opening a graph of one node on it.
 *
 * @throws {@link InferenceError} `unsupported`, with ONNX Runtime's reason and what to do.
 */
export async function checkDevice(ort: OrtNode, device: Device): Promise<void> {
  const bundled = ort.listSupportedBackends().map(({ name }) => name);
  if (!devices.includes(device)) {
    throw new InferenceError(
      "unsupported",
      `device: expected ${devices.map((name) => `"${name}"`).join(", ")}, got "${device}"`,
    );
  }
  if (!bundled.includes(device)) {
    throw new InferenceError(
      "unsupported",
      `device: onnxruntime-node has no "${device}" on this platform; it has ${bundled.join(", ")}`,
    );
  }
  if (device === "cpu") return;
  try {
    const session = await ort.InferenceSession.create(buildProbe(), {
      executionProviders: [device],
      logSeverityLevel: 4,
    });
    await session.release();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("unsupported", `device: "${device}" is not available: ${reason}`, {
      cause,
    });
  }
}
