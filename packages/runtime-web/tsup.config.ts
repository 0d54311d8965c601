import { defineConfig, type Options } from "tsup";

const shared: Options = {
  format: ["esm"],
  sourcemap: true,
  target: "es2022",
  platform: "browser",
};

export default defineConfig([
  { ...shared, entry: ["src/index.ts"], dts: true, clean: true },
  // Workers are scripts of their own, started by the file beside them. Import maps do not reach
  // them, so they carry everything but ONNX Runtime.
  {
    ...shared,
    entry: ["src/wasm-worker.ts", "src/webgpu-worker.ts", "src/plain-worker.ts"],
    noExternal: [/^@/],
  },
]);
