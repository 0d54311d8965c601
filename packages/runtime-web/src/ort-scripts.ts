import type { OrtScripts } from "./engine-start.ts";
import { baseUrl } from "./files/open-files.ts";

/** Where ONNX Runtime is, where no bundler knows. */
export interface OrtLocation {
  /**
   * URL of ONNX Runtime's script, `ort.wasm.bundle.min.mjs` or `ort.webgpu.bundle.min.mjs`, for
   * pages without a bundler; its `.wasm` file lies beside it. Default: what the bundler finds.
   */
  readonly ort?: string | URL;
  /** Folder of ONNX Runtime's `.wasm` file, where it does not lie beside the script. */
  readonly wasmFolder?: string | URL;
}

/** The same as absolute URLs, which mean the same in a worker. */
export function ortScripts({ ort, wasmFolder }: OrtLocation): OrtScripts {
  const absolute = (url: string | URL | undefined): string | null =>
    url === undefined ? null : new URL(url, baseUrl()).href;
  return { ort: absolute(ort), wasmFolder: absolute(wasmFolder) };
}
