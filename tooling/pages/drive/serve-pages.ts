import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};

/** A page at `/`, and folders by the paths that they are served under. */
export interface Site {
  readonly html: string;
  readonly folders: Readonly<Record<string, URL>>;
}

/** A server of one page. */
export interface SiteServer {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves a page under the strictest content security policy that the README promises to be enough:
 * scripts of the page's own origin and WebAssembly, no `unsafe-eval`, no inline scripts but an import
 * map by its hash.
 */
export async function serveSite({ html, folders }: Site): Promise<SiteServer> {
  const map = /<script type="importmap">([^]*?)<\/script>/.exec(html)?.[1];
  const hash = map === undefined ? "" : ` 'sha256-${sha256(map)}'`;
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'wasm-unsafe-eval'${hash}`,
    "worker-src 'self'",
    "connect-src 'self'",
  ];
  const server = createServer((request, response) => {
    void (async () => {
      const path = request.url!;
      const prefix = Object.keys(folders).find((folder) => path.startsWith(folder));
      const body =
        path === "/"
          ? html
          : prefix === undefined
            ? null
            : await readFile(new URL(`.${path.slice(prefix.length - 1)}`, folders[prefix])).catch(
                () => null,
              );
      response.writeHead(body === null ? 404 : 200, {
        "content-type": path === "/" ? "text/html" : (types[extname(path)] ?? "text/plain"),
        "content-security-policy": policy.join("; "),
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        ...(body !== null && { etag: `"${sha256(body)}"` }),
      });
      response.end(body);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

function sha256(text: string | Uint8Array): string {
  return createHash("sha256").update(text).digest("base64");
}
