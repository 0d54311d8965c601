import { buildKernels, createKernels, type SessionKernels } from "@frugal/runtime";

import { createSession } from "./create-session.ts";
import { openDevice } from "./devices.ts";
import type { OrtScripts } from "./engine-start.ts";
import type { KernelOptions } from "./load-kernels.ts";
import { importOrt } from "./load-on-page.ts";
import { configureOrt } from "./ort-web.ts";

/** See {@link loadKernels}. */
export async function openKernels(
  scripts: OrtScripts,
  { device = "wasm", threads = 0 }: KernelOptions,
): Promise<SessionKernels> {
  const ort = await importOrt(scripts, device);
  const gpu = await openDevice(ort, device);
  configureOrt(ort, scripts, gpu === null ? threads : 1);
  const graph = buildKernels(gpu === null ? "cpu" : "portable");
  const session = await createSession(ort, graph, { weights: [], onDevice: [] }, gpu);
  return createKernels(ort, session);
}
