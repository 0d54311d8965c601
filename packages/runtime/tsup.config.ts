import { defineConfig } from "tsup";

export default defineConfig({
  // Apart, so that bundlers can leave them out: the engine from a page whose engine is in a worker,
  // and the template library from one that writes its prompts itself.
  entry: ["src/index.ts", "src/remote/connect-model.ts", "src/chat/chat-template.ts"],
  format: ["esm"],
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  clean: true,
  target: "es2022",
  platform: "neutral",
});
