import { env } from "@huggingface/transformers";
import { env as ortEnv } from "onnxruntime-web/wasm";

import type { Contender, Setting, Timed } from "./contender.ts";
import { openFrugal } from "./open-frugal.ts";
import { openTransformers } from "./open-transformers.ts";

/** Who takes part. */
export type Name = "frugal" | "optimum" | "grouped";

/** What the suite calls on the page. */
export interface BenchPage {
  /** Loads a model with a contender, and returns the milliseconds it took. */
  open(name: Name, setting: Setting): Promise<number>;
  generate(name: Name, prompt: readonly number[], count: number): Promise<Timed>;
  /** Lets go of all models. */
  close(): Promise<void>;
  facts(): Promise<PageFacts>;
}

/** What the page runs on. */
export interface PageFacts {
  readonly browser: string;
  readonly isolated: boolean;
  readonly transformers: string;
  /** ONNX Runtime, as Frugal and as transformers.js import it. */
  readonly ort: readonly [string | undefined, string | undefined];
  /** Name of the WebGPU adapter; null where there is none. */
  readonly adapter: string | null;
}

const contenders = new Map<Name, Contender>();

const bench: BenchPage = {
  async open(name, setting) {
    const contender = await (name === "frugal"
      ? openFrugal(setting)
      : openTransformers(setting, name));
    contenders.set(name, contender);
    return contender.loadMs;
  },
  generate: (name, prompt, count) => contenders.get(name)!.generate(prompt, count),
  async close() {
    for (const contender of contenders.values()) await contender.dispose();
    contenders.clear();
  },
  async facts() {
    return {
      browser: navigator.userAgent,
      isolated: crossOriginIsolated,
      transformers: env.version,
      ort: [ortEnv.versions.web, env.backends.onnx.versions?.web],
      adapter: await adapterName(),
    };
  },
};
Object.assign(globalThis, { bench });

async function adapterName(): Promise<string | null> {
  const adapter = await (navigator as Gpu).gpu?.requestAdapter();
  if (!adapter) return null;
  const { vendor, architecture, description } = adapter.info;
  return [vendor, architecture, description].filter((part) => part !== "").join(" ");
}

/** The part of WebGPU that is needed here: TypeScript's own library has none of it. */
interface Gpu {
  readonly gpu?: {
    requestAdapter(): Promise<{
      readonly info: Readonly<Record<"vendor" | "architecture" | "description", string>>;
    } | null>;
  };
}
