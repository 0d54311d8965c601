import { InferenceError } from "@frugal/core";

import { Interruption } from "./retry.ts";

/** The part of a `Response` that says how a transfer goes on. */
export interface HttpAnswer {
  readonly status: number;
  readonly statusText: string;
  /** Where it came from in the end, after redirects. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
}

/** What was asked for. */
export interface HttpQuestion {
  readonly url: string;
  readonly hasToken: boolean;
  /** Where a user sets a token, for the message. */
  readonly tokenName: string;
  /** The time, for servers that ask to be left alone until a date. */
  readonly now: number;
}

/**
 * Judges the status of an answer to a GET request. What can be used is 2xx, and 416 for a part that
 * is longer than its file.
 *
 * @throws {@link InferenceError} `format` for 404 and 410; `backend` for other refusals, and for a
 *   redirect that leaves encryption.
 * @throws {@link Interruption} for 408, 429 and 5xx, with the wait of a `Retry-After`.
 */
export function judgeAnswer(answer: HttpAnswer, question: HttpQuestion): void {
  const { status, statusText, headers } = answer;
  const { url, hasToken, tokenName, now } = question;
  if (/^https:/i.test(url) && !answer.url.startsWith("https:")) {
    throw new InferenceError("backend", `${url}: redirects to an address without encryption`);
  }
  if ((status >= 200 && status < 300) || status === 416) return;
  const reason = `${status} ${statusText}`.trimEnd();
  if (status === 408 || status === 429 || status >= 500) {
    throw new Interruption(reason, waitOf(headers.get("retry-after"), now));
  }
  if (status === 404 || status === 410) throw new InferenceError("format", `${url}: ${reason}`);
  const hint =
    status !== 401 && status !== 403
      ? ""
      : hasToken
        ? "; the token does not give access to it"
        : `; it does not exist, or it needs a token (${tokenName})`;
  throw new InferenceError("backend", `${url}: ${reason}${hint}`);
}

/** Milliseconds that a `Retry-After` header asks for, given in seconds or as a date. */
function waitOf(header: string | null, now: number): number {
  if (header === null) return 0;
  const seconds = Number(header);
  const wait = Number.isNaN(seconds) ? Date.parse(header) - now : seconds * 1000;
  return wait > 0 ? wait : 0;
}

/**
 * What a server calls this version of a file: its `ETag`, else the date of its last change; null if
 * it says neither.
 */
export function validatorOf({ headers }: HttpAnswer): string | null {
  return headers.get("etag") ?? headers.get("last-modified");
}

/** The length that an answer announces for its body as it is read; null if it does not say. */
export function announcedLength({ headers }: HttpAnswer): number | null {
  const length = Number(headers.get("content-length") ?? Number.NaN);
  return isEncoded(headers) || !Number.isSafeInteger(length) ? null : length;
}

/** Length of the whole file that an answer is about, of which it may hold a part; null: unknown. */
export function totalLength(answer: HttpAnswer): number | null {
  if (answer.status === 200) return announcedLength(answer);
  const total = Number(/^bytes .+\/(\d+)$/.exec(answer.headers.get("content-range") ?? "")?.[1]);
  return isEncoded(answer.headers) || !Number.isSafeInteger(total) ? null : total;
}

/** Whether the body is compressed on the way: then its lengths and ranges are not the file's. */
export function isEncoded(headers: HttpAnswer["headers"]): boolean {
  return (headers.get("content-encoding") ?? "identity") !== "identity";
}
