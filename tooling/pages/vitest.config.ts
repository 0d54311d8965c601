import { defineConfig } from "vitest/config";

// Builds and drives pages over the built packages; the steps of `npm test` build those first.
export default defineConfig({
  test: { include: ["drive/*.test.ts"], testTimeout: 300_000, hookTimeout: 300_000 },
});
