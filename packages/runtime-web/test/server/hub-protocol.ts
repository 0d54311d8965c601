// What tests in a browser say to the servers that they start, and hear from them.

/** What a server does instead of answering well, the first `times` times (default once). */
export type Trick = { readonly file: string; times?: number } & (
  | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Content with one bit flipped, one byte more or fewer, or a page of HTML. */
  | { readonly kind: "send"; readonly how: "flip" | "add" | "drop" | "html" }
  /** Everything, whatever range was asked for. */
  | { readonly kind: "whole" }
  /** Some bytes, then the end of the connection, or nothing more. */
  | { readonly kind: "cut"; readonly at: number; readonly thenStall?: boolean }
  /** Headers of every answer. */
  | { readonly kind: "headers"; readonly headers: Readonly<Record<string, string>> }
);

/** What a test asks for. */
export type HubRequest =
  | { readonly kind: "start" }
  | { readonly kind: "trick"; readonly endpoint: string; readonly trick: Trick }
  | {
      readonly kind: "file";
      readonly endpoint: string;
      readonly name: string;
      readonly text: string | null;
    }
  | { readonly kind: "seen" | "well" | "stop"; readonly endpoint: string };

/** What it hears. */
export interface HubReply {
  readonly endpoint: string;
  /** Requests since this was last asked. */
  readonly seen: readonly {
    readonly path: string;
    readonly range?: string | undefined;
    readonly authorization?: string | undefined;
  }[];
}

declare module "vitest/browser" {
  interface BrowserCommands {
    hub(request: HubRequest): Promise<HubReply>;
  }
}
