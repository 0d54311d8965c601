import { describe, expect, test } from "vitest";

import { InferenceError, throwIfAborted } from "../src/index.ts";

describe("InferenceError", () => {
  test("carries its code and its cause", () => {
    const cause = new Error("device lost");
    const error = new InferenceError("backend", "run: expected a result, got none", { cause });
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code, error.cause]).toEqual(["InferenceError", "backend", cause]);
  });

  test("is recognised by name, also from another copy of the package", () => {
    const foreign = Object.assign(new Error("x"), { name: "InferenceError", code: "range" });
    expect(InferenceError.is(foreign)).toBe(true);
    expect(InferenceError.is(foreign, "range")).toBe(true);
    expect(InferenceError.is(foreign, "shape")).toBe(false);
  });

  test("is not anything else", () => {
    for (const value of [null, undefined, 1, "InferenceError", new RangeError("x"), {}]) {
      expect(InferenceError.is(value)).toBe(false);
    }
  });
});

describe("throwIfAborted", () => {
  test("throws the reason it was given", () => {
    const controller = new AbortController();
    expect(() => throwIfAborted(controller.signal)).not.toThrow();
    const reason = new Error("enough");
    controller.abort(reason);
    expect(() => throwIfAborted(controller.signal)).toThrow(reason);
  });

  test("makes up an AbortError where there is no reason", () => {
    expect(() => throwIfAborted({ aborted: true })).toThrow(
      expect.objectContaining({ name: "AbortError" }),
    );
  });

  test("does nothing without a signal", () => {
    expect(() => throwIfAborted(undefined)).not.toThrow();
  });
});
