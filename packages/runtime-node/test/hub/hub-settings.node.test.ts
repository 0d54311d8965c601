import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { hubSettings } from "../../src/hub/hub-settings.ts";
import { parseModelSource } from "../../src/hub/model-source.ts";

const home = await mkdtemp(join(tmpdir(), "frugal-home-"));
afterAll(() => rm(home, { recursive: true }));

const names = [
  "HF_TOKEN",
  "HF_TOKEN_PATH",
  "HF_HOME",
  "HF_HUB_CACHE",
  "HF_ENDPOINT",
  "HF_HUB_OFFLINE",
];
beforeEach(() => {
  for (const name of [...names, "HUGGINGFACE_HUB_CACHE"]) vi.stubEnv(name, undefined);
  vi.stubEnv("XDG_CACHE_HOME", home);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe("hubSettings", () => {
  test("are the Hub and the cache of the Python tools, without a token", async () => {
    expect(await hubSettings()).toEqual({
      token: null,
      endpoint: "https://huggingface.co",
      cacheFolder: join(home, "huggingface", "hub"),
      offline: false,
    });
  });

  test("follow the environment", async () => {
    vi.stubEnv("HF_HOME", join(home, "own"));
    expect(await hubSettings()).toMatchObject({ cacheFolder: join(home, "own", "hub") });
    vi.stubEnv("HF_HUB_CACHE", join(home, "cache"));
    vi.stubEnv("HF_ENDPOINT", "https://mirror.example/hub/");
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    vi.stubEnv("HF_TOKEN", " hf_env\n");
    expect(await hubSettings()).toEqual({
      token: "hf_env",
      endpoint: "https://mirror.example/hub",
      cacheFolder: join(home, "cache"),
      offline: true,
    });
  });

  test("take the token from the file of a login", async () => {
    await writeFile(join(home, "token"), "hf_file\n");
    vi.stubEnv("HF_HOME", home);
    expect((await hubSettings()).token).toBe("hf_file");
    await writeFile(join(home, "other"), "hf_other");
    vi.stubEnv("HF_TOKEN_PATH", join(home, "other"));
    expect((await hubSettings()).token).toBe("hf_other");
    vi.stubEnv("HF_TOKEN", "hf_env");
    expect((await hubSettings()).token).toBe("hf_env");
    expect((await hubSettings({ token: null })).token).toBe(null);
    expect((await hubSettings({ token: "hf_own" })).token).toBe("hf_own");
  });

  test.for(["", "0", "no", "false"])("HF_HUB_OFFLINE=%s is online", async (value) => {
    vi.stubEnv("HF_HUB_OFFLINE", value);
    expect((await hubSettings()).offline).toBe(false);
    expect((await hubSettings({ offline: true })).offline).toBe(true);
  });

  test.for(["ftp://x", "huggingface.co", "file:///x"])(
    "endpoint %s is refused",
    async (endpoint) => {
      await expect(hubSettings({ endpoint })).rejects.toMatchObject({ code: "range" });
    },
  );
});

describe("parseModelSource", () => {
  const parse = (source: string | URL, folders: readonly string[] = []) =>
    parseModelSource(source, "https://huggingface.co", async (path) => folders.includes(path));

  test.for<[string, object]>([
    ["org/name", { kind: "hub", repo: "org/name", revision: "main" }],
    ["org/name@v1.0", { kind: "hub", repo: "org/name", revision: "v1.0" }],
    ["hf://org/na-me_1.5@refs/pr/3", { kind: "hub", repo: "org/na-me_1.5", revision: "refs/pr/3" }],
    ["https://huggingface.co/org/name", { kind: "hub", repo: "org/name", revision: "main" }],
    ["https://huggingface.co/org/name/tree/refs%2Fpr%2F3", { kind: "hub", revision: "refs/pr/3" }],
    ["./org/name", { kind: "folder", folder: "./org/name" }],
    ["/models/x", { kind: "folder", folder: "/models/x" }],
    ["name", { kind: "folder", folder: "name" }],
    ["models/../x", { kind: "folder" }],
  ])("%s", async ([source, expected]) => {
    expect(await parse(source)).toMatchObject(expected);
  });

  test("a folder of two names is a folder if it is there", async () => {
    expect(await parse("org/name", ["org/name"])).toEqual({ kind: "folder", folder: "org/name" });
    expect(await parse("hf://org/name", ["org/name"])).toMatchObject({ kind: "hub" });
  });

  test("other addresses are folders of web servers", async () => {
    for (const address of ["https://example.org/models/tiny", "https://example.org/models/tiny/"]) {
      const source = await parse(new URL(address));
      expect(source).toMatchObject({ kind: "web" });
      expect(String((source as { base: URL }).base)).toBe("https://example.org/models/tiny/");
    }
  });

  test.for([
    "https://huggingface.co/org",
    "https://huggingface.co/org/name/commits/main",
    "hf://",
    "hf://org/name@",
  ])("%s names no model", async (source) => {
    await expect(parse(source)).rejects.toMatchObject({ name: "InferenceError", code: "format" });
  });
});
