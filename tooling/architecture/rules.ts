/**
 * The shape of the project as data: which packages exist, which edges are allowed between them, and
 * what each may name from outside. An arrow that is missing here is a decision, not a fix.
 */
export interface PackageRule {
  /** Packages of this project it may depend on. */
  readonly internal: readonly string[];
  /** Outside modules it may name; an entry that ends in `:*` allows a whole scheme. */
  readonly outside: readonly string[];
  /** Runs anywhere: no platform modules, no platform globals. */
  readonly neutral: boolean;
  /**
   * Outside modules that its command line may name besides; without it, it has none. A command line
   * is `src/cli.ts` and what is in `src/cli/`. It runs in Node, reads the package as its users do,
   * and nothing else of the package imports it.
   */
  readonly cli?: readonly string[];
}

export const rules: Readonly<Record<string, PackageRule>> = {
  core: { internal: [], outside: [], neutral: true },
  tokenizers: {
    internal: ["core"],
    outside: [],
    neutral: true,
    cli: ["commander", "node:*"],
  },
  "vision-tokens": { internal: ["core"], outside: [], neutral: true },
  decoding: { internal: ["core"], outside: [], neutral: true },
  "kv-cache": { internal: ["core"], outside: [], neutral: true },
  runtime: {
    internal: ["core"],
    outside: ["onnxruntime-common", "@huggingface/jinja"],
    neutral: true,
  },
  "runtime-node": {
    internal: ["core", "runtime"],
    outside: ["@huggingface/gguf", "@huggingface/hub", "onnxruntime-node", "sharp", "node:*"],
    neutral: false,
  },
  "runtime-web": {
    internal: ["core", "runtime"],
    // Without a bundler ONNX Runtime's script comes from a URL, which is a computed name. Browsers
    // have no hashes that take a file in pieces.
    outside: [
      "@noble/hashes",
      "@noble/hashes/legacy.js",
      "@noble/hashes/sha2.js",
      "@noble/hashes/utils.js",
      "onnxruntime-web",
      "onnxruntime-web/wasm",
      "onnxruntime-web/webgpu",
      "a computed name",
    ],
    neutral: false,
  },
};

/** What a neutral package must not reach for: platforms, and ambient time, randomness, network. */
export const platformGlobals: readonly string[] = [
  "Buffer",
  "__dirname",
  "__filename",
  "console",
  "document",
  "fetch",
  "global",
  "localStorage",
  "navigator",
  "performance",
  "process",
  "require",
  "self",
  "setImmediate",
  "window",
];

/** The same for members of ECMAScript's own objects. */
export const ambientMembers: readonly string[] = ["Math.random", "Date.now"];
