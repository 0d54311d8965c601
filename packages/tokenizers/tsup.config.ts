import { defineConfig } from "tsup";

export default defineConfig({
  // The command line is a program of its own, which imports the package as its users do.
  entry: ["src/index.ts", "src/cli.ts"],
  external: ["@frugal/tokenizers", /^node:/],
  format: ["esm"],
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  clean: true,
  target: "es2022",
  platform: "neutral",
});
