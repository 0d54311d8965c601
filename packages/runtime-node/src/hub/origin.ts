import type { RemoteFile } from "@frugal/runtime";

/** The files of one model on a server, and where they go. */
export interface Origin {
  /** Folder that the files appear in. */
  readonly folder: string;
  /** Names relative to the folder. */
  readonly names: readonly string[];
  /** Sent with requests to {@link RemoteFile.url}. */
  readonly token: string | null;
  file(name: string): RemoteFile;
  /** Path to download a file to. */
  pathFor(name: string): Promise<string>;
  /** Makes a downloaded file appear under its name. */
  publish(name: string): Promise<void>;
}
