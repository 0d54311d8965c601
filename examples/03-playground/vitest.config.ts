import { defineConfig } from "vitest/config";

// Drives the built page; the steps of `npm test` build it first.
export default defineConfig({
  test: { include: ["drive/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 },
});
