import { InferenceError } from "@frugal/core";

import { describeValue } from "./describe-value.ts";

/** A parsed JSON object whose fields nobody has checked yet. */
export type Json = Readonly<Record<string, unknown>>;

/**
 * The value as an object.
 *
 * @throws {@link InferenceError} `format` naming `what`, as do all functions of this file.
 */
export function object(what: string, value: unknown): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new InferenceError("format", `${what}: expected an object, got ${describeValue(value)}`);
  }
  return value as Json;
}

/** A positive integer that a 32-bit dimension can hold; null counts as absent everywhere here. */
export function count(json: Json, field: string, fallback?: number): number {
  const value = json[field] ?? fallback;
  if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > 2 ** 31) {
    throw wrong(field, "a positive integer", value);
  }
  return value as number;
}

/** A positive, finite number. */
export function positive(json: Json, field: string, fallback?: number): number {
  const value = json[field] ?? fallback;
  if (typeof value !== "number" || !(value > 0) || value === Infinity) {
    throw wrong(field, "a positive number", value);
  }
  return value;
}

/** True or false. */
export function flag(json: Json, field: string, fallback: boolean): boolean {
  const value = json[field] ?? fallback;
  if (typeof value !== "boolean") throw wrong(field, "true or false", value);
  return value;
}

/**
 * One of some values.
 *
 * @throws {@link InferenceError} `unsupported` for any other value.
 */
export function oneOf<T extends string | number | boolean>(
  json: Json,
  field: string,
  allowed: readonly T[],
  fallback?: T,
): T {
  const value = json[field] ?? fallback;
  if (allowed.includes(value as T)) return value as T;
  const names = allowed.map((item) => JSON.stringify(item)).join(" or ");
  throw new InferenceError(
    "unsupported",
    `config.json: ${field}: expected ${names}, got ${describeValue(value)}`,
  );
}

function wrong(field: string, expected: string, value: unknown): InferenceError {
  return new InferenceError(
    "format",
    `config.json: ${field}: expected ${expected}, got ${describeValue(value)}`,
  );
}
