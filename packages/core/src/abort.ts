/**
 * The structural part of `AbortSignal` that neutral code uses, so that it compiles without the DOM
 * library. Every `AbortSignal` is one.
 */
export interface AbortLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener?(type: "abort", listener: () => void): void;
  removeEventListener?(type: "abort", listener: () => void): void;
}

/**
 * Throws the signal's reason if it was aborted, as `AbortSignal.throwIfAborted` does.
 *
 * @throws the reason given to `abort()`; an `Error` named `AbortError` where there is none.
 */
export function throwIfAborted(signal: AbortLike | undefined): void {
  if (signal?.aborted !== true) return;
  if (signal.reason !== undefined) throw signal.reason;
  const error = new Error("The operation was aborted");
  error.name = "AbortError";
  throw error;
}
