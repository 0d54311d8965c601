import { generate } from "@frugal/decoding";
import { loadModel } from "@frugal/runtime-web";

/**
 * Loads the model beside the page, writes the ids that follow a prompt into the page, and once more
 * with the model from the cache and two threads.
 *
 * @param {import("@frugal/runtime-web").LoadOptions} options
 */
export async function run(options) {
  try {
    const runs = [await write(options), await write({ ...options, threads: 2 })];
    document.body.dataset.ids = JSON.stringify(runs);
  } catch (error) {
    document.body.dataset.ids = String(error);
  }
}

/** @param {import("@frugal/runtime-web").LoadOptions} options */
async function write(options) {
  const model = await loadModel("./model/", options);
  const sequence = await model.createSequence();
  /** @type {number[]} */
  const ids = [];
  for await (const event of generate(sequence, Uint32Array.of(1, 2, 3), { maxTokens: 8 })) {
    if (event.type === "token-accepted") ids.push(event.token);
  }
  await model.dispose();
  return ids;
}
