import type { RunningHash } from "@frugal/runtime";
import { sha1 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** The hash behind a digest: SHA-256, or for 40 digits the id that git gives a file of this size. */
export function hashFor(digest: string, size: number | null): RunningHash {
  const hash =
    digest.length === 64 ? sha256.create() : sha1.create().update(utf8(`blob ${size}\0`));
  return { update: (bytes) => hash.update(bytes), digest: () => bytesToHex(hash.digest()) };
}

/** A name for something, of 64 hexadecimal digits whatever is in the text. */
export function nameOf(text: string): string {
  return bytesToHex(sha256(utf8(text)));
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
