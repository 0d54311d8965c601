import type { OpenPart } from "./model-store.ts";

/** Bytes that are read at once. */
const pieceBytes = 2 ** 20;

/** What workers have, and no other thread. */
interface SyncHandle {
  getSize(): number;
  read(buffer: Uint8Array, options: { readonly at: number }): number;
  write(buffer: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}

type FileHandle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncHandle> };

/** Whether this thread can write files at all. */
export function canWrite(): boolean {
  const { prototype } = globalThis.FileSystemFileHandle;
  return "createSyncAccessHandle" in prototype || "createWritable" in prototype;
}

/** Does something and says what failed. */
type Guard = <T>(act: () => T | Promise<T>) => Promise<T>;

/**
 * Opens a file of the private file system to continue it.
 *
 * In a worker every byte is in the file as soon as it is written, so that what there is survives the
 * end of the worker. On a page the browser writes to a copy, which takes the file's place when the
 * part is closed.
 */
export async function openPart(handle: FileHandle, guard: Guard): Promise<OpenPart> {
  if (handle.createSyncAccessHandle !== undefined) {
    return syncPart(await handle.createSyncAccessHandle(), guard);
  }
  const file = await handle.getFile();
  const writable = await handle.createWritable({ keepExistingData: true });
  let isBroken = false;
  const change = (act: () => Promise<void>): Promise<void> =>
    guard(async () => {
      isBroken = true;
      await act();
      isBroken = false;
    });
  return {
    size: file.size,
    async *stream(length) {
      for (let at = 0; at < length; at += pieceBytes) {
        const piece = file.slice(at, Math.min(length, at + pieceBytes));
        yield new Uint8Array(await guard(() => piece.arrayBuffer()));
      }
    },
    write: (bytes, position) =>
      change(() =>
        writable.write({ type: "write", position, data: bytes as Uint8Array<ArrayBuffer> }),
      ),
    truncate: (size) => change(() => writable.truncate(size)),
    // After a failure there is nothing to close: what was there before stays.
    close: () => guard(async () => void (isBroken || (await writable.close()))),
  };
}

function syncPart(file: SyncHandle, guard: Guard): OpenPart {
  return {
    size: file.getSize(),
    async *stream(length) {
      const piece = new Uint8Array(Math.min(length, pieceBytes));
      for (let at = 0; at < length;) {
        const got = await guard(() => file.read(piece.subarray(0, length - at), { at }));
        if (got === 0) return;
        at += got;
        yield piece.subarray(0, got);
      }
    },
    write: (bytes, at) => guard(() => writeAll(file, bytes, at)),
    truncate: (size) => guard(() => file.truncate(size)),
    close: () =>
      guard(() => {
        try {
          file.flush();
        } finally {
          file.close();
        }
      }),
  };
}

/** Replaces the content of a file. */
export async function writeWhole(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  if ("createWritable" in handle) {
    const writable = await handle.createWritable();
    await writable.write(bytes as Uint8Array<ArrayBuffer>);
    await writable.close();
    return;
  }
  const file = await (handle as Required<FileHandle>).createSyncAccessHandle();
  try {
    file.truncate(0);
    writeAll(file, bytes, 0);
    file.flush();
  } finally {
    file.close();
  }
}

/** Browsers say in two ways that there is no room: with an error, and with fewer bytes. */
function writeAll(file: SyncHandle, bytes: Uint8Array, at: number): void {
  const written = file.write(bytes, { at });
  if (written === bytes.length) return;
  throw new DOMException(`${written} of ${bytes.length} bytes were written`, "QuotaExceededError");
}
