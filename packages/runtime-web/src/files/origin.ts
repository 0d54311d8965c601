import { InferenceError } from "@frugal/core";
import type { RemoteFile } from "@frugal/runtime";

import type { FileFacts } from "./model-index.ts";

/** The files of one model on a server. */
export interface Origin {
  /** What is known of a file; null if there is none. */
  file(name: string): Promise<RemoteFile | null>;
  /** Other files that will be needed too: the shards of a checkpoint. */
  companions(name: string): readonly (readonly [name: string, facts: FileFacts])[];
}

/**
 * Whether a server could not be reached, or not now: then what is here has to do. Refusals and
 * answers that make no sense are no such case.
 */
export function isUnreachable(error: unknown): boolean {
  return InferenceError.is(error, "backend") && error.cause !== undefined;
}

/** The URL of a file below another one, whatever characters are in its name. */
export function urlBelow(base: string, name: string): string {
  return new URL(name.split("/").map(encodeURIComponent).join("/"), base).href;
}
