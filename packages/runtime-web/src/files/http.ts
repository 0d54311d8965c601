import { InferenceError } from "@frugal/core";
import { Interruption, judgeAnswer, type OpenAnswer, type RetryContext } from "@frugal/runtime";

/** Bytes that must arrive within `stallMs`. */
const leastBytes = 1024;

/** How a browser talks to one server. */
export interface Connection {
  readonly token: string | null;
  readonly context: RetryContext;
  readonly signal: AbortSignal | undefined;
  /** Whether the server has ever answered: if not, it is not there, rather than busy. */
  isReached: boolean;
}

/**
 * Sends a GET request and judges its status; the body ends with an {@link Interruption} if it stalls.
 *
 * The browser's own cache is passed by: it would keep a second copy, and of a file that changes an
 * old one.
 *
 * @throws {@link InferenceError} as `judgeAnswer` does, and `backend` if the first request of all
 *   gets no answer.
 */
export async function get(
  url: string,
  headers: Readonly<Record<string, string>>,
  connection: Connection,
): Promise<OpenAnswer & { readonly answer: Response }> {
  const { token, context, signal } = connection;
  const watch = watchdog(context.policy.stallMs, signal);
  try {
    const answer = await fetch(url, {
      cache: "no-store",
      headers: { ...headers, ...(token !== null && { authorization: `Bearer ${token}` }) },
      signal: watch.signal,
    });
    connection.isReached = true;
    const question = { url, hasToken: token !== null, tokenName: "hub.token", now: Date.now() };
    judgeAnswer(answer, question);
    return { answer, chunks: () => watch.body(answer), cancel: watch.stop };
  } catch (error) {
    watch.stop();
    if (!connection.isReached && error instanceof TypeError) {
      throw new InferenceError("backend", `${url}: ${error.message}`, { cause: error });
    }
    throw watch.reason() ?? error;
  }
}

/**
 * The JSON that a server answers.
 *
 * @throws {@link InferenceError} `format` for anything else.
 */
export async function getJson(url: string, connection: Connection): Promise<unknown> {
  const { answer, cancel } = await get(url, {}, connection);
  try {
    return await answer.json();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new InferenceError("format", `${url}: expected JSON: ${cause.message}`, { cause });
  } finally {
    cancel();
  }
}

/** Aborts a request whose bytes come too slowly, or with the signal that it is given. */
function watchdog(stallMs: number, signal: AbortSignal | undefined) {
  const own = new AbortController();
  const forward = (): void => own.abort(signal?.reason);
  if (signal?.aborted === true) forward();
  signal?.addEventListener("abort", forward);
  let received = 0;
  let before = 0;
  const timer = setInterval(() => {
    if (received - before < leastBytes) {
      own.abort(new Interruption(`no data for ${stallMs} ms`));
    }
    before = received;
  }, stallMs);
  const stop = (): void => {
    clearInterval(timer);
    signal?.removeEventListener("abort", forward);
    own.abort();
  };
  const reason = (): Interruption | null =>
    own.signal.reason instanceof Interruption ? own.signal.reason : null;
  return {
    signal: own.signal,
    stop,
    reason,
    async *body({ body }: Response): AsyncGenerator<Uint8Array, void, void> {
      // Not every browser iterates over streams.
      const reader = body?.getReader();
      try {
        for (;;) {
          const next = await reader?.read();
          if (next?.value === undefined) return;
          received += next.value.length;
          yield next.value;
        }
      } catch (error) {
        throw reason() ?? error;
      } finally {
        stop();
      }
    },
  };
}
