import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import { InferenceError } from "@frugal/core";
import { getHFHubCachePath, HUB_URL } from "@huggingface/hub";

/** How models are downloaded and where they are kept. */
export interface HubOptions {
  /** Default: `$HF_TOKEN`, else the file that `hf auth login` writes. `null` sends none. */
  readonly token?: string | null;
  /** Default: `$HF_ENDPOINT`, else `https://huggingface.co`. */
  readonly endpoint?: string;
  /**
   * Folder with the layout that the Python tools use and share. Default: `$HF_HUB_CACHE`, else
   * `hub` in `$HF_HOME` or `~/.cache/huggingface`.
   */
  readonly cacheFolder?: string;
  /** Works from the cache alone. Default: what `$HF_HUB_OFFLINE` says. */
  readonly offline?: boolean;
}

/** {@link HubOptions} with everything decided. */
export interface HubSettings {
  readonly token: string | null;
  readonly endpoint: string;
  readonly cacheFolder: string;
  readonly offline: boolean;
}

/**
 * Fills in what the options leave open from the environment, as the Python tools read it.
 *
 * @throws {@link InferenceError} `range` for an endpoint that is no http(s) URL.
 */
export async function hubSettings(options: HubOptions = {}): Promise<HubSettings> {
  const { HF_ENDPOINT, HF_HUB_OFFLINE } = process.env;
  const endpoint = (options.endpoint ?? (HF_ENDPOINT || HUB_URL)).replace(/\/+$/, "");
  if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? "")) {
    throw new InferenceError("range", `endpoint: expected an http(s) URL, got "${endpoint}"`);
  }
  return {
    token: options.token === undefined ? await storedToken() : options.token,
    endpoint,
    cacheFolder: options.cacheFolder ?? getHFHubCachePath(),
    offline: options.offline ?? /^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE ?? ""),
  };
}

async function storedToken(): Promise<string | null> {
  const { HF_TOKEN, HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  if (HF_TOKEN) return HF_TOKEN.trim();
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface");
  const text = await readFile(HF_TOKEN_PATH || join(home, "token"), "utf8").catch(() => "");
  return text.trim() || null;
}
