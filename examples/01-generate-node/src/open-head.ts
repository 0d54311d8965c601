import type { CachePolicy } from "@frugal/core";
import { type Drafter, eagleDrafter, medusaDrafter } from "@frugal/decoding";
import type { LoadedDraftHead } from "@frugal/runtime-node";

/** A drafter for one text, and the end of what it holds. */
export interface OpenHead {
  readonly drafter: Drafter;
  dispose(): Promise<void>;
}

/** The drafter of a head. */
export async function openHead(
  head: LoadedDraftHead,
  cache: CachePolicy | null,
): Promise<OpenHead> {
  if (head.kind === "medusa") {
    return { drafter: medusaDrafter(head.heads), dispose: () => Promise.resolve() };
  }
  const sequence = await head.model.createSequence();
  const drafter = eagleDrafter(sequence, { ...(cache && { cache }) });
  return { drafter, dispose: () => sequence.dispose() };
}
