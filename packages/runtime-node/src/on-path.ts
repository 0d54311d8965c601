import { InferenceError } from "@frugal/core";

/**
 * Works on a path, so that a failure of the file system is one of ours.
 *
 * @throws {@link InferenceError} `backend` naming the path, for any error that is not ours already.
 */
export async function onPath<T>(path: string, run: (path: string) => Promise<T>): Promise<T> {
  try {
    return await run(path);
  } catch (cause) {
    if (InferenceError.is(cause)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("backend", `${path}: ${reason}`, { cause });
  }
}
