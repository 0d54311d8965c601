import { defineConfig } from "vite";

// Cross-origin isolation: WebAssembly may use threads, and the page may measure its memory.
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  // Works in any folder of a server.
  base: "./",
  // The models are files of the page: `frugal-tiny/model.safetensors` and so on.
  publicDir: "../../models",
  // Every browser with threads in WebAssembly preloads modules by itself.
  build: {
    target: "es2022",
    reportCompressedSize: false,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
  server: { headers },
  preview: { headers },
});
