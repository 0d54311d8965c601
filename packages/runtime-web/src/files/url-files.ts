import { fetchFile } from "./fetch-file.ts";
import type { TransferOptions, WholeFiles } from "./open-files.ts";

/**
 * Files of a folder on a web server.
 *
 * A file is fetched whole when something of it is first asked for: that needs no more of the server
 * than that it serves files, and a model is read whole anyway.
 */
export class UrlFiles implements WholeFiles {
  readonly #base: string;
  readonly #token: string | null;
  readonly #transfer: TransferOptions;
  readonly #fetched = new Map<string, Promise<Uint8Array | null>>();

  constructor(base: string, token: string | null, transfer: TransferOptions) {
    this.#base = base;
    this.#token = token;
    this.#transfer = transfer;
  }

  async text(name: string): Promise<string | null> {
    const bytes = await this.whole(name);
    return bytes === null ? null : new TextDecoder().decode(bytes);
  }

  async size(name: string): Promise<number | null> {
    return (await this.whole(name))?.length ?? null;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    return (await this.whole(name))?.subarray(offset, offset + length) ?? new Uint8Array();
  }

  whole(name: string): Promise<Uint8Array | null> {
    const known = this.#fetched.get(name);
    if (known !== undefined) return known;
    const fetched = fetchFile(new URL(name, this.#base), this.#token, this.#transfer);
    this.#fetched.set(name, fetched);
    fetched.catch(() => this.#fetched.delete(name));
    return fetched;
  }
}
