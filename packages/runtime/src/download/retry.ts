import { type AbortLike, InferenceError, throwIfAborted } from "@frugal/core";

/** How long a transfer puts up with a network. */
export interface RetryPolicy {
  /** Failures in a row, without a byte gained in between, that are put up with. */
  readonly retries: number;
  /** Wait after the first failure; doubles with each further one. */
  readonly backoffMs: number;
  /** A server that asks to wait longer is not waited for. */
  readonly longestWaitMs: number;
  /** A connection that delivers less than a kilobyte in this time is given up. */
  readonly stallMs: number;
}

/** What the runtimes use for downloads. */
export const defaultRetryPolicy: RetryPolicy = {
  retries: 5,
  backoffMs: 500,
  longestWaitMs: 120_000,
  stallMs: 30_000,
};

/** A failure that may go away: worth another attempt, after `waitMs` if the server said so. */
export class Interruption extends Error {
  readonly waitMs: number;

  constructor(message: string, waitMs = 0) {
    super(message);
    this.waitMs = waitMs;
  }
}

/** What {@link withRetries} works by. */
export interface RetryContext {
  readonly policy: RetryPolicy;
  readonly signal: AbortLike | undefined;
  /** Resolves after so many milliseconds, or as soon as `signal` is aborted. */
  readonly pause: (ms: number) => Promise<void>;
}

/**
 * Runs `attempt` until it succeeds. It calls `gained` whenever it came further than ever before,
 * which makes the count of failures start again.
 *
 * @throws the signal's reason; {@link InferenceError} what `attempt` throws of this kind, at once,
 *   and `backend` with the last reason once there were too many failures.
 */
export async function withRetries<T>(
  subject: string,
  { policy, signal, pause }: RetryContext,
  attempt: (gained: () => void) => Promise<T>,
): Promise<T> {
  let failures = 0;
  for (;;) {
    throwIfAborted(signal);
    try {
      return await attempt(() => (failures = 0));
    } catch (error) {
      throwIfAborted(signal);
      if (InferenceError.is(error)) throw error;
      const wait = error instanceof Interruption ? error.waitMs : 0;
      if (++failures > policy.retries || wait > policy.longestWaitMs) {
        throw new InferenceError("backend", `${subject}: ${reasonOf(error)}`, { cause: error });
      }
      await pause(Math.max(wait, policy.backoffMs * 2 ** (failures - 1)));
    }
  }
}

/** `fetch` hides why it failed in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
