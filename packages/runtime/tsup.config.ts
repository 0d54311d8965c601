import { defineConfig } from "tsup";

export default defineConfig({
  // Apart, so that a page whose engine is in a worker is spared the engine.
  entry: ["src/index.ts", "src/remote/connect-model.ts"],
  format: ["esm"],
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  clean: true,
  target: "es2022",
  platform: "neutral",
});
