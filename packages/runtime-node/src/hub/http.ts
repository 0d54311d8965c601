import { InferenceError } from "@frugal/core";

import { Interruption, type RetryPolicy } from "./retry.ts";

/** Bytes that must arrive within {@link RetryPolicy.stallMs}. */
const leastBytes = 1024;

/** A response whose body is watched. */
export interface WatchedResponse {
  readonly response: Response;
  /** The body; ends with an {@link Interruption} if it stalls. */
  readonly chunks: () => AsyncGenerator<Uint8Array, void, void>;
  /** Ends the connection. */
  readonly cancel: () => void;
}

/**
 * Sends a GET request and judges its status.
 *
 * `token` is sent to the URL's own origin only: fetch drops the header where a redirect leads to
 * another one.
 *
 * @throws {@link InferenceError} `format` for 404 and 410; `backend` for other refusals.
 * @throws {@link Interruption} for 408, 429 and 5xx, and when nothing comes.
 */
export async function get(
  url: string | URL,
  headers: Readonly<Record<string, string>>,
  token: string | null,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<WatchedResponse> {
  const watch = watchdog(policy.stallMs, signal);
  try {
    const response = await fetch(url, {
      headers: {
        "accept-encoding": "identity",
        ...headers,
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      signal: watch.signal,
    });
    await judge(url, response, token !== null);
    return {
      response,
      chunks: () => watch.body(response),
      cancel: () => watch.stop(true),
    };
  } catch (error) {
    watch.stop(true);
    throw watch.reason() ?? error;
  }
}

async function judge(url: string | URL, response: Response, hasToken: boolean): Promise<void> {
  const { status, statusText, headers } = response;
  const from = new URL(url);
  if (from.protocol === "https:" && !response.url.startsWith("https:")) {
    throw new InferenceError("backend", `${from.href}: redirects to an address without encryption`);
  }
  if (response.ok || status === 416) return;
  const answer = `${status} ${statusText}`.trimEnd();
  if (status === 408 || status === 429 || status >= 500) {
    throw new Interruption(answer, waitOf(headers.get("retry-after")));
  }
  const what = `${from.href}: ${answer}`;
  if (status === 404 || status === 410) throw new InferenceError("format", what);
  const hint =
    status !== 401 && status !== 403
      ? ""
      : hasToken
        ? "; the token does not give access to it"
        : "; it does not exist, or it needs a token (HF_TOKEN)";
  throw new InferenceError("backend", what + hint);
}

/** Milliseconds that a `Retry-After` header asks for, given in seconds or as a date. */
function waitOf(header: string | null): number {
  if (header === null) return 0;
  const seconds = Number(header);
  const wait = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000;
  return wait > 0 ? wait : 0;
}

/** Aborts a request whose bytes come too slowly, or with the signal that it is given. */
function watchdog(stallMs: number, signal: AbortSignal | undefined) {
  const stalled = new AbortController();
  let received = 0;
  let before = 0;
  const timer = setInterval(() => {
    if (received - before < leastBytes) {
      stalled.abort(new Interruption(`no data for ${stallMs} ms`));
    }
    before = received;
  }, stallMs);
  const stop = (cancel = false): void => {
    clearInterval(timer);
    if (cancel) stalled.abort();
  };
  const reason = (): Interruption | null =>
    stalled.signal.reason instanceof Interruption ? stalled.signal.reason : null;
  return {
    signal: signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]),
    stop,
    reason,
    async *body(response: Response): AsyncGenerator<Uint8Array, void, void> {
      try {
        for await (const chunk of response.body ?? []) {
          received += chunk.length;
          yield chunk;
        }
      } catch (error) {
        throw reason() ?? error;
      } finally {
        stop(true);
      }
    },
  };
}
