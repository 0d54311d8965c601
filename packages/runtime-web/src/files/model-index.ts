import { InferenceError } from "@frugal/core";

import { nameOf } from "./hashes.ts";

/** What is known of the content of a file on a server; see `RemoteFile`. */
export interface FileFacts {
  readonly size: number | null;
  readonly digest: string | null;
  readonly validator: string | null;
}

/** One state of a model. */
export interface Revision {
  /** When it was last opened, in milliseconds since 1970. */
  used: number;
  /** By name; null: the server has no such file. */
  readonly files: Map<string, FileFacts | null>;
}

/** What is known of a model and of its files that are here. */
export interface ModelIndex {
  /** `org/name`, or the URL of a folder. */
  readonly id: string;
  /** Where a model of the Hub is from; null for a folder on a web server. */
  readonly endpoint: string | null;
  /** Commits by the branches that pointed to them. */
  readonly branches: Map<string, string>;
  /** By commit; a folder on a web server has one, which is called "". */
  readonly revisions: Map<string, Revision>;
  /** Sizes of the blobs that are here whole and were checked; all others are parts. */
  readonly whole: Map<string, number>;
}

/** The model without anything known of it. */
export function emptyIndex(id: string, endpoint: string | null): ModelIndex {
  return { id, endpoint, branches: new Map(), revisions: new Map(), whole: new Map() };
}

/** Whether something says which bytes a file has; if nothing does, they must be fetched to know. */
export function isIdentified({ digest, validator }: FileFacts): boolean {
  return digest !== null || validator !== null;
}

/**
 * The name under which the bytes of a file are kept: its digest, so that revisions share what they
 * have in common, or one that follows from what identifies them. Hexadecimal digits in any case, so
 * that no name leads anywhere else.
 */
export function blobOf(name: string, { size, digest, validator }: FileFacts): string {
  return digest ?? nameOf([name, validator, size].join("\n"));
}

/** Blobs that a revision refers to. */
export function blobsOf(index: ModelIndex): ReadonlySet<string> {
  const blobs = new Set<string>();
  for (const { files } of index.revisions.values()) {
    for (const [name, facts] of files) if (facts !== null) blobs.add(blobOf(name, facts));
  }
  return blobs;
}

/** The index as text. */
export function formatIndex({ id, endpoint, branches, revisions, whole }: ModelIndex): string {
  return JSON.stringify({
    id,
    endpoint,
    branches: [...branches],
    revisions: [...revisions].map(([revision, { used, files }]) => [revision, used, [...files]]),
    whole: [...whole],
  });
}

/**
 * Reads what {@link formatIndex} wrote.
 *
 * @throws {@link InferenceError} `format` if it is something else, or was cut short.
 */
export function parseIndex(text: string): ModelIndex {
  try {
    const { id, endpoint, branches, revisions, whole } = JSON.parse(text) as {
      id: string;
      endpoint: string | null;
      branches: [string, string][];
      revisions: [string, number, [string, FileFacts | null][]][];
      whole: [string, number][];
    };
    return {
      id,
      endpoint,
      branches: new Map(branches),
      revisions: new Map(
        revisions.map(([revision, used, files]) => [revision, { used, files: new Map(files) }]),
      ),
      whole: new Map(whole),
    };
  } catch (cause) {
    throw new InferenceError("format", "cache: the index of a model is damaged", { cause });
  }
}
