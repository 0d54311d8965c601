import type { RetryPolicy } from "@frugal/runtime";

import { DownloadedFiles } from "./downloaded-files.ts";
import { FolderFiles } from "./folder-files.ts";
import { ListedFiles } from "./listed-files.ts";
import type { SourceAddress } from "./model-source.ts";
import type { TransferOptions, WholeFiles } from "./open-files.ts";

/** The files at an address. */
export function filesAt(
  address: SourceAddress,
  transfer: TransferOptions = {},
  policy?: RetryPolicy,
): WholeFiles {
  if (address.kind === "files") return new ListedFiles(address.files);
  if (address.kind === "folder") return new FolderFiles(address.folder);
  return new DownloadedFiles(address, transfer, policy);
}
