import { InferenceError } from "@frugal/core";

/**
 * Bytes of a file on the user's disk.
 *
 * @throws {@link InferenceError} `backend` if it cannot be read, because it has changed or because
 *   there is no memory for it.
 */
export async function readBlob(
  name: string,
  file: Blob,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  try {
    return new Uint8Array(await file.slice(offset, offset + length).arrayBuffer());
  } catch (cause) {
    throw new InferenceError("backend", `${name}: ${String(cause)}`, { cause });
  }
}
