import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

import { hubCommand } from "./packages/runtime-web/test/server/hub-command.ts";

// Workspace packages resolve to their sources, so no test needs a build.
const conditions = ["@frugal/source", "module", "development|production"];

// WebGPU without a graphics card: Chromium's software adapter. WEBGPU=hardware uses a real one.
const webgpu =
  process.env["WEBGPU"] === "hardware"
    ? []
    : ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];

const launchOptions = {
  ...(process.env["CHROMIUM"] ? { executablePath: process.env["CHROMIUM"] } : {}),
  // The separate headless shell has no WebGPU, so start the full browser, windowless.
  args: [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    ...webgpu,
  ],
};

const neutral = "{core,tokenizers,vision-tokens,decoding,kv-cache,runtime}";

export default defineConfig({
  resolve: { conditions: [...conditions, "browser"] },
  ssr: { resolve: { conditions: [...conditions, "node"] } },
  // Cross-origin isolation: SharedArrayBuffer for threaded WebAssembly.
  server: {
    headers: {
      "Cross-Origin-Opener-Policy": "same-origin",
      "Cross-Origin-Embedder-Policy": "require-corp",
    },
  },
  test: {
    // A hang is noticed; that the machine is busy is not.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    coverage: { provider: "v8", include: ["packages/*/src/**"] },
    projects: [
      {
        extends: true,
        test: {
          name: "node",
          include: [
            "architecture.test.ts",
            `packages/${neutral}/test/**/*.test.ts`,
            "packages/runtime-node/test/**/*.test.ts",
            "tooling/*/test/**/*.test.ts",
            "examples/*/test/**/*.test.ts",
            "bench/test/**/*.test.ts",
          ],
        },
      },
      {
        extends: true,
        test: {
          name: "browser",
          include: [
            `packages/${neutral}/test/**/*.test.ts`,
            "packages/runtime-web/test/**/*.test.ts",
            "tooling/*/test/**/*.test.ts",
          ],
          exclude: ["**/*.node.test.ts"],
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions }),
            instances: [{ browser: "chromium" }],
            commands: { hub: hubCommand },
          },
        },
      },
    ],
  },
});
