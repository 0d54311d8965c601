import { describe, expect, test } from "vitest";

import { checkFileName } from "../../src/index.ts";

describe("checkFileName", () => {
  test.for(["config.json", "onnx/model_q4.onnx", "a-b_c.1/模型.bin", "console.json"])(
    "%s is safe",
    (name) => {
      expect(() => checkFileName(name)).not.toThrow();
    },
  );

  test.for([
    "",
    ".",
    "..",
    "a/..",
    "/a",
    "a/",
    "a//b",
    "\\a",
    "a\\b",
    "c:a",
    "a:b",
    "a\0",
    "a\n",
    "nul",
    "COM1.txt",
    "a/Aux",
    "a.",
    "a ",
    "a?",
    "a*",
    `${"a/".repeat(600)}a`,
    null,
    5,
    {},
  ])("%j is not", (name) => {
    expect(() => checkFileName(name)).toThrow(expect.objectContaining({ code: "format" }));
  });
});
