import { readSafetensors as readGolden } from "@frugal/testkit";
import { describe, expect, test } from "vitest";

import { loadModel, type LoadOptions, type LoadProgress, openFiles } from "../src/index.ts";
import { randomModel } from "./random-model.ts";

// Vite serves the repository.
const tiny = "/models/frugal-tiny/";
const draft = "/models/frugal-tiny-draft/";
const { files } = randomModel();

const failure = (load: Promise<unknown>) => load.catch((reason: unknown) => reason);

/** The best id after every position of the first golden text. */
async function bestIds(source: Parameters<typeof loadModel>[0], options: LoadOptions) {
  const model = await loadModel(source, options);
  const golden = await openFiles(tiny).read("golden.safetensors", 0, 2 ** 30);
  const prompt = readGolden(golden).integers.get("prompt0.input_ids")!.data;
  const sequence = await model.createSequence();
  const { top } = await sequence.step(
    { tokens: Uint32Array.from(prompt) },
    { logits: { top: 1, rows: "all" } },
  );
  await model.dispose();
  return [...top!.ids];
}

describe("loadModel reads", { timeout: 60_000 }, () => {
  test("a folder on a server, and tells how far it is", async () => {
    const progress: LoadProgress[] = [];
    const ids = await bestIds(draft, {
      cache: "none",
      onProgress: (p) => progress.push(p),
    });
    const url = new URL(draft, location.href);
    expect(await bestIds(url, { inline: true })).toEqual(ids);
    const weights = progress.filter(
      (p) => p.phase === "download" && p.file.includes("safetensors"),
    );
    expect(weights.at(-1)).toMatchObject({ fraction: 1, bytes: 1_789_288 });
    expect(progress.at(-1)).toEqual({ phase: "load", fraction: 1 });
  });

  test("files and folders that the user chose", async () => {
    const chosen = await Promise.all(
      ["config.json", "generation_config.json", "model.safetensors"].map(async (name) => {
        const response = await fetch(draft + name);
        return new File([await response.arrayBuffer()], name);
      }),
    );
    const ids = await bestIds(draft, {});
    expect(await bestIds(chosen, {})).toEqual(ids);
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("chosen", { create: true });
    for (const file of chosen) {
      const handle = await folder.getFileHandle(file.name, { create: true });
      const writable = await handle.createWritable();
      await writable.write(file);
      await writable.close();
    }
    expect(await bestIds(folder, {})).toEqual(ids);
    await root.removeEntry("chosen", { recursive: true });
  });

  test("a model of the Hub, at its revision", async () => {
    const original = globalThis.fetch;
    const asked: string[] = [];
    const commit = "c".repeat(40);
    const siblings = await Promise.all(
      ["config.json", "model.safetensors"].map(async (rfilename) => {
        const bytes = await (await fetch(draft + rfilename)).arrayBuffer();
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
        return { rfilename, lfs: { sha256, size: bytes.byteLength } };
      }),
    );
    globalThis.fetch = async (input, init) => {
      const { pathname, search } = new URL(input as string);
      asked.push(pathname + search);
      if (pathname.includes("/api/")) return Response.json({ sha: commit, siblings });
      return original(pathname.replace(`/hub/org/name/resolve/${commit}/`, draft), init);
    };
    try {
      const hub = { endpoint: `${location.origin}/hub/` };
      const model = await loadModel("org/name@v1/2", { inline: true, cache: "none", hub });
      expect(model.info.layers).toBe(2);
      await model.dispose();
    } finally {
      globalThis.fetch = original;
    }
    expect(asked).toEqual([
      "/hub/api/models/org/name/revision/v1%2F2?blobs=true",
      `/hub/org/name/resolve/${commit}/config.json`,
      `/hub/org/name/resolve/${commit}/model.safetensors`,
    ]);
  });

  test("weights in blocks", async () => {
    const phases = new Set<string>();
    const exact = await bestIds(draft, {});
    for (const [quantize, share] of [["q8", 0.9] as const, ["q4", 0.7] as const]) {
      const onProgress = ({ phase }: LoadProgress) => phases.add(phase);
      const ids = await bestIds(draft, { quantize, cache: "none", onProgress });
      const equal = ids.filter((id, i) => id === exact[i]).length;
      expect(equal).toBeGreaterThan(share * ids.length);
    }
    expect([...phases]).toEqual(["download", "quantize", "load"]);
  });

  test("some layers", async () => {
    const model = await loadModel(draft, { layers: [1] });
    expect(model.capabilities.tokens).toBe(false);
    await model.dispose();
  });
});

describe("loadModel refuses", { timeout: 60_000 }, () => {
  test.for<[string, Parameters<typeof loadModel>[0], LoadOptions, string, string]>([
    ["a folder that is not there", "/nowhere/", {}, "format", "config.json: no such file"],
    ["files without weights", files.slice(0, 1), {}, "format", "no such file"],
    ["a URL of another kind", "ftp://example.invalid/x", {}, "unsupported", "got ftp://"],
    ["a server that is not there", "http://127.0.0.1:9/", {}, "backend", "127.0.0.1:9"],
    ["an address of no model", "hf://name", {}, "format", 'got "hf://name"'],
    ["an endpoint that is none", "a/b", { hub: { endpoint: "ftp://x" } }, "range", "endpoint"],
    ["no threads", files, { threads: 0 }, "range", "threads: expected a positive integer, got 0"],
    ["chunks of half a row", files, { chunk: 0.5 }, "range", "chunk"],
    ["other bits", files, { quantize: "q5" as "q4" }, "range", 'got "q5"'],
    ["other accuracies", files, { accuracyLevel: 2 as 1 }, "range", "accuracyLevel"],
    ["layers that it lacks", files, { layers: [0, 9] }, "range", "got [0, 9)"],
    ["a script that is none", files, { ort: "/nowhere.mjs" }, "backend", "/nowhere.mjs"],
  ])("%s", async ([, source, options, code, message]) => {
    for (const inline of [true, false]) {
      const error = await failure(loadModel(source, { ...options, inline }));
      expect(error).toMatchObject({ name: "InferenceError", code });
      expect((error as Error).message).toContain(message);
    }
  });

  test.for([true, false])("to go on when it is aborted, inline: %o", async (inline) => {
    const early = AbortSignal.abort("enough");
    expect(await failure(loadModel(files, { inline, signal: early }))).toBe("enough");
    const { signal, abort } = abortable();
    const load = loadModel(draft, {
      inline,
      signal,
      cache: "none",
      onProgress: () => abort("later"),
    });
    expect(await failure(load)).toBe("later");
  });
});

describe("loadModel loads the engine", { timeout: 60_000 }, () => {
  test("from a URL, which needs no bundler", async () => {
    const ort = new URL(
      "../node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs",
      import.meta.url,
    );
    const ids = await bestIds(draft, { ort });
    expect(await bestIds(draft, { ort, inline: true })).toEqual(ids);
  });

  test("with one thread or two, without a hint on a page that has threads", async () => {
    expect(crossOriginIsolated).toBe(true);
    const hints: string[] = [];
    const onHint = (hint: string) => hints.push(hint);
    const ids = await bestIds(tiny, { threads: 1, onHint });
    expect(await bestIds(tiny, { threads: 2, onHint })).toEqual(ids);
    expect(hints).toEqual([]);
  });
});

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: (why: string) => controller.abort(why) };
}
