import { existsSync } from "node:fs";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import {
  blob,
  cacheFolder,
  download,
  expectModel,
  failure,
  hub,
  model,
  policy,
  repo,
  requestsFor,
  trick,
  weights,
} from "./hub-fixture.ts";
import {
  commit,
  entryOf,
  listen,
  rangeOf,
  sendFile,
  sendStatus,
  stop,
  type Trick,
} from "./hub-server.ts";

describe("a bad connection", () => {
  const part = () => `${blob(weights)}.part`;

  test("that is cut is continued where it ended", async () => {
    const cuts = [1000, 200_000, 300_000];
    trick(
      "model.safetensors",
      (request, response, content) => {
        const { status, body, headers } = rangeOf(request, content);
        response.writeHead(status, headers);
        response.write(body.subarray(0, cuts.shift()));
        setTimeout(() => response.destroy(), 100);
      },
      3,
    );
    await expectModel(await download());
    const starts = requestsFor("model.safetensors").map(({ range }) =>
      Number(/\d+/.exec(range ?? "0")![0]),
    );
    expect(starts).toEqual([0, 1000, 201_000, 501_000]);
    expect(existsSync(part())).toBe(false);
  });

  test("to a server without ranges starts again", async () => {
    trick(
      "model.safetensors",
      (_, response, content) => {
        response.writeHead(200, { "content-length": content.length });
        response.write(content.subarray(0, 5000), () => response.destroy());
      },
      1,
    );
    const whole: Trick = (_, response, content) => {
      response.writeHead(200, { "content-length": content.length }).end(content);
      return true;
    };
    const cut = hub.tricks.get("model.safetensors")!;
    hub.tricks.set("model.safetensors", (...args) => cut(...args) || whole(...args));
    await expectModel(await download());
  });

  test("that stalls is given up and continued", async () => {
    trick(
      "model.safetensors",
      (request, response, content) => {
        const { status, body, headers } = rangeOf(request, content);
        response.writeHead(status, headers);
        // One byte now and then keeps the connection open: a slow loris.
        let sent = 4000;
        response.write(body.subarray(0, sent));
        const timer = setInterval(() => response.write(body.subarray(sent, ++sent)), 20);
        response.on("close", () => clearInterval(timer));
      },
      1,
    );
    await expectModel(await download());
    expect(requestsFor("model.safetensors").length).toBe(2);
  });

  test("that never answers ends with an error", async () => {
    hub.tricks.set("api", () => true);
    const error = await failure(download());
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect(error.message).toContain("no data for 300 ms");
  });

  test("to nowhere names the address", async () => {
    const { endpoint } = hub;
    await hub.close();
    const error = await failure(download());
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect(error.message).toContain(`org/name@main on ${endpoint}`);
  });

  test("an abort leaves a part that the next download continues", async () => {
    const abort = new AbortController();
    trick(
      "model.safetensors",
      (request, response, content) => {
        const { status, body, headers } = rangeOf(request, content);
        response.writeHead(status, headers);
        response.write(body.subarray(0, 100_000));
      },
      1,
    );
    const reason = new Error("enough");
    const stopAt = ({ file, bytes }: { file: string; bytes: number }): void => {
      if (file === "model.safetensors" && bytes > 50_000) abort.abort(reason);
    };
    expect(await failure(download({ signal: abort.signal, onProgress: stopAt }))).toBe(reason);
    const { size } = await stat(part());
    expect(size).toBeGreaterThan(0);
    expect(existsSync(blob(weights))).toBe(false);
    expect(existsSync(`${blob(weights)}.lock`)).toBe(false);
    await expectModel(await download());
    expect(requestsFor("model.safetensors").at(-1)!.range).toBe(`bytes=${size}-`);
  });

  test("is not even opened when aborted before", async () => {
    expect(await failure(download({ signal: AbortSignal.abort("no") }))).toBe("no");
    expect(hub.seen).toEqual([]);
  });
});

describe("wrong content", () => {
  const change = (content: Uint8Array): Uint8Array => {
    const changed = new Uint8Array(content);
    changed[12_345]! ^= 1;
    return changed;
  };

  test.for<[string, (content: Uint8Array) => Uint8Array, string]>([
    ["one flipped bit", change, "expected digest"],
    ["one byte too many", (content) => Buffer.concat([content, Uint8Array.of(0)]), "longer than"],
    ["one byte too few", (content) => content.subarray(1), "the part is longer than the file"],
    ["nothing", () => new Uint8Array(), "ends after 0 bytes"],
  ])("%s: nothing of it is used", async ([, spoil, message]) => {
    trick("model.safetensors", (request, response, content) =>
      sendFile(request, response, spoil(content)),
    );
    const error = await failure(download());
    expect(error.message).toContain(message);
    expect(existsSync(blob(weights))).toBe(false);
    expect(existsSync(join(repo(), "snapshots", commit, "model.safetensors"))).toBe(false);
    hub.tricks.clear();
    await expectModel(await download());
  });

  test("a part that was damaged is downloaded again", async () => {
    await mkdir(join(repo(), "blobs"), { recursive: true });
    await writeFile(`${blob(weights)}.part`, change(weights).subarray(0, 20_000));
    await expectModel(await download());
    expect(requestsFor("model.safetensors").map(({ range }) => range)).toEqual([
      "bytes=20000-",
      undefined,
    ]);
  });

  test("a part that is whole needs no bytes, one that is too long counts for nothing", async () => {
    await mkdir(join(repo(), "blobs"), { recursive: true });
    await writeFile(`${blob(weights)}.part`, weights);
    await download();
    expect(requestsFor("model.safetensors")).toEqual([]);
    await rm(blob(weights));
    await writeFile(`${blob(weights)}.part`, Buffer.concat([weights, weights]));
    await expectModel(await download());
  });

  test("answers that are not those of a Hub", async () => {
    for (const body of ["<html>", '{"sha":"../../x"}', "null", "[]"]) {
      trick("api", (_, response) => void response.writeHead(200).end(body));
      const error = await failure(download());
      expect(error).toMatchObject({ name: "InferenceError" });
    }
  });
});

describe("a refusal", () => {
  test.for<[number, string, string]>([
    [404, "format", "404"],
    [401, "backend", "it does not exist, or it needs a token (HF_TOKEN)"],
    [403, "backend", "HF_TOKEN"],
    [400, "backend", "400"],
  ])("with %i is final", async ([status, code, message]) => {
    for (const name of ["api", "model.safetensors"]) {
      hub.tricks.clear();
      hub.seen.length = 0;
      trick(name, (_, response) => sendStatus(response, status));
      const error = await failure(download());
      expect(error).toMatchObject({ name: "InferenceError", code });
      expect(error.message).toContain(message);
      expect(requestsFor(name === "api" ? "main" : name).length).toBe(1);
    }
  });

  test("of a token says so", async () => {
    trick("api", (_, response) => sendStatus(response, 403));
    expect((await failure(download({}, "hf_x"))).message).toContain(
      "the token does not give access",
    );
  });

  test.for([429, 500, 502, 503])("with %i is asked again", async (status) => {
    for (const name of ["api", "config.json"]) {
      trick(name, (_, response) => sendStatus(response, status), 2);
      await expectModel(await download());
    }
  });

  test("with 503 for ever is an error", async () => {
    trick("config.json", (_, response) => sendStatus(response, 503));
    const error = await failure(download());
    expect(error).toMatchObject({ name: "InferenceError", code: "backend" });
    expect(requestsFor("config.json").length).toBe(policy.retries + 1);
  });

  test("with Retry-After waits as long, in seconds or until a date, but not for ever", async () => {
    trick("config.json", (_, response) => sendStatus(response, 429, { "retry-after": "1" }), 1);
    let start = Date.now();
    await download();
    expect(Date.now() - start).toBeGreaterThanOrEqual(990);

    const date = new Date(Date.now() + 3_600_000).toUTCString();
    for (const wait of ["3600", date]) {
      await rm(cacheFolder, { recursive: true });
      start = Date.now();
      trick("config.json", (_, response) => sendStatus(response, 429, { "retry-after": wait }));
      expect(await failure(download())).toMatchObject({ code: "backend" });
      expect(Date.now() - start).toBeLessThan(1000);
    }
  });
});

describe("a redirect", () => {
  test("to another host is followed, and the token stays behind", async () => {
    const other: (string | undefined)[] = [];
    const mirror = createServer((request, response) => {
      other.push(request.headers.authorization);
      sendFile(request, response, weights);
    });
    const address = await listen(mirror);
    trick("model.safetensors", (_, response) =>
      sendStatus(response, 302, { location: `${address}/x` }),
    );
    await expectModel(await download({}, "hf_secret"));
    await stop(mirror);
    expect(other).toEqual([undefined]);
    expect(hub.seen.every(({ authorization }) => authorization === "Bearer hf_secret")).toBe(true);
  });

  test("in the list of files does not carry the token away", async () => {
    const other: (string | undefined)[] = [];
    const stranger = createServer((request, response) => {
      other.push(request.headers.authorization);
      response.writeHead(200, { "content-type": "application/json" }).end("[]");
    });
    const address = await listen(stranger);
    hub.tricks.set("api", (request, response) => {
      if (!request.url!.includes("/tree/")) return false;
      const entries = [...model].map(([name, bytes]) => entryOf(name, bytes));
      response
        .writeHead(200, { link: `<${address}/next>; rel="next"` })
        .end(JSON.stringify(entries));
      return true;
    });
    await expectModel(await download({}, "hf_secret"));
    await stop(stranger);
    expect(other).toEqual([undefined]);
  });

  test("in a circle is an error", async () => {
    trick("config.json", (_, response) =>
      sendStatus(response, 302, { location: `/org/name/resolve/${commit}/config.json` }),
    );
    expect(await failure(download())).toMatchObject({ name: "InferenceError", code: "backend" });
  });
});
