import { open, rm, stat, utimes } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

/** A holder shows that it lives at this interval. */
const heartbeatMs = 2000;

/** A lock without a sign of life for this long is left over from a process that died. */
const staleMs = 15_000;

const pollMs = 100;

/**
 * Runs `use` while no other process that takes the same lock does.
 *
 * The lock is a file that exists: Node has no advisory locks. It saves work, and nothing rests on
 * it: where two processes slip in, digests and renames still keep broken files out of the cache.
 */
export async function withFileLock<T>(
  path: string,
  signal: AbortSignal | undefined,
  use: () => Promise<T>,
): Promise<T> {
  while (!(await take(path))) {
    if (await isStale(path)) await rm(path, { force: true });
    else await pause(pollMs, undefined, { ...(signal && { signal }) }).catch(() => {});
    signal?.throwIfAborted();
  }
  const timer = setInterval(() => {
    const now = new Date();
    void utimes(path, now, now).catch(() => {});
  }, heartbeatMs);
  try {
    return await use();
  } finally {
    clearInterval(timer);
    await rm(path, { force: true });
  }
}

async function take(path: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function isStale(path: string): Promise<boolean> {
  const entry = await stat(path).catch(() => null);
  return entry !== null && Date.now() - entry.mtimeMs > staleMs;
}
