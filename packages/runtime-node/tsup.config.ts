import { defineConfig } from "tsup";

export default defineConfig({
  // The worker is a script of its own, started by the file beside it.
  entry: ["src/index.ts", "src/worker.ts"],
  format: ["esm"],
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  clean: true,
  target: "es2022",
  platform: "node",
});
