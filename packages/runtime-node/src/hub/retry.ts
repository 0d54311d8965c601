import { setTimeout as pause } from "node:timers/promises";

import type { RetryContext, RetryPolicy } from "@frugal/runtime";

/** What `withRetries` works by, in Node. */
export function retryContext(policy: RetryPolicy, signal: AbortSignal | undefined): RetryContext {
  return {
    policy,
    signal,
    pause: (ms) => pause(ms, undefined, { ...(signal && { signal }) }).catch(() => {}),
  };
}
