import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Bytes, compressed, of the scripts that a built page names: all it runs outside of workers. */
export function scriptBytes(dist: URL): number {
  const html = readFileSync(new URL("index.html", dist), "utf8");
  const names = [...html.matchAll(/(?:src|href)="(\.\/assets\/[^"]+\.js)"/g)].map(
    ([, name]) => name!,
  );
  if (names.length === 0) throw new Error("index.html: expected scripts, got none");
  return names
    .map((name) => gzipSync(readFileSync(new URL(name, dist))).length)
    .reduce((sum, bytes) => sum + bytes);
}
