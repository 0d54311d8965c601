// A server of the model org/name for a test in a browser.
import { commands } from "vitest/browser";

import { filesAt } from "../../src/files/files-at.ts";
import { type CacheKind, addressOf } from "../../src/files/model-source.ts";
import type { TransferOptions, WholeFiles } from "../../src/files/open-files.ts";
import type { HubReply, Trick } from "./hub-protocol.ts";

export const commit = "0123456789abcdef0123456789abcdef01234567";

/** Patient enough to see what happens, and not for long. */
export const policy = { retries: 3, backoffMs: 1, longestWaitMs: 1500, stallMs: 300 };

/** A server that a test started. */
export class Hub {
  readonly endpoint: string;

  private constructor(endpoint: string) {
    this.endpoint = endpoint;
  }

  static async start(): Promise<Hub> {
    const { endpoint } = await commands.hub({ kind: "start" });
    return new Hub(endpoint);
  }

  trick(trick: Trick): Promise<HubReply> {
    return commands.hub({ kind: "trick", endpoint: this.endpoint, trick });
  }

  /** Ends all tricks. */
  well(): Promise<HubReply> {
    return commands.hub({ kind: "well", endpoint: this.endpoint });
  }

  /** Puts a file, or takes one away. */
  file(name: string, text: string | null): Promise<HubReply> {
    return commands.hub({ kind: "file", endpoint: this.endpoint, name, text });
  }

  /** Requests since this was last asked; of those for a file, the ranges. */
  async seen(): Promise<HubReply["seen"]> {
    return (await commands.hub({ kind: "seen", endpoint: this.endpoint })).seen;
  }

  async ranges(name: string): Promise<readonly (string | undefined)[]> {
    return (await this.seen())
      .filter(({ path }) => path.endsWith(`/${name}`))
      .map(({ range }) => range);
  }

  stop(): Promise<HubReply> {
    return commands.hub({ kind: "stop", endpoint: this.endpoint });
  }

  /** Files of the model, or of the folder that the server serves without being a Hub. */
  files(
    options: TransferOptions & {
      readonly revision?: string;
      readonly plain?: boolean;
      readonly cache?: CacheKind;
      readonly token?: string;
    } = {},
  ): WholeFiles {
    const { revision = "main", plain = false, cache = "opfs", token, ...transfer } = options;
    const source = plain ? `${this.endpoint}/plain/` : `org/name@${revision}`;
    const hub = { endpoint: this.endpoint, ...(token !== undefined && { token }) };
    return filesAt(addressOf(source, location.href, { hub, cache }), transfer, policy);
  }
}
