import { Interruption, judgeAnswer, type OpenAnswer, type RetryPolicy } from "@frugal/runtime";

/** Bytes that must arrive within {@link RetryPolicy.stallMs}. */
const leastBytes = 1024;

/**
 * Sends a GET request and judges its status; the body ends with an {@link Interruption} if it stalls.
 *
 * `token` is sent to the URL's own origin only: fetch drops the header where a redirect leads to
 * another one.
 *
 * @throws {@link InferenceError} `format` for 404 and 410; `backend` for other refusals.
 * @throws {@link Interruption} for 408, 429 and 5xx, and when nothing comes.
 */
export async function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  token: string | null,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
): Promise<OpenAnswer & { readonly answer: Response }> {
  const watch = watchdog(policy.stallMs, signal);
  try {
    const answer = await fetch(url, {
      headers: {
        "accept-encoding": "identity",
        ...headers,
        ...(token !== null && { authorization: `Bearer ${token}` }),
      },
      signal: watch.signal,
    });
    const question = { url, hasToken: token !== null, tokenName: "HF_TOKEN", now: Date.now() };
    judgeAnswer(answer, question);
    return {
      answer,
      chunks: () => watch.body(answer),
      cancel: () => watch.stop(true),
    };
  } catch (error) {
    watch.stop(true);
    throw watch.reason() ?? error;
  }
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
