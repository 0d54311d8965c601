import { type AbortLike, InferenceError, type LanguageModel, type Sequence } from "@frugal/core";

import type {
  Call,
  LoadProgress,
  ModelPort,
  RemoteFailure,
  Reply,
  Request,
  Response,
} from "./protocol.ts";

/**
 * Loads a model and serves it to the {@link connectModel} at the other end of a port.
 *
 * Progress and failure of loading go to the other end too. Calls of one sequence run one after
 * another, as the port of a sequence demands; buffers of results are transferred, not copied.
 */
export async function serveModel(
  port: ModelPort,
  load: (onProgress: (progress: LoadProgress) => void) => Promise<LanguageModel>,
): Promise<void> {
  const post = (response: Response, transfer: ArrayBuffer[] = []): void =>
    port.postMessage(response, transfer);
  try {
    const model = await load((progress) => post({ progress }));
    answerCalls(port, model, post);
    post({ ready: { info: model.info, capabilities: model.capabilities } });
  } catch (error) {
    post({ failed: describeFailure(error) });
  }
}

function answerCalls(
  port: ModelPort,
  model: LanguageModel,
  post: (response: Response, transfer?: ArrayBuffer[]) => void,
): void {
  const sequences = new Map<number, Sequence>();
  /** By sequence, the end of its last keep: the other side goes on without waiting for it. */
  const kept = new Map<number, Promise<unknown>>();
  const running = new Map<number, { aborted: boolean }>();
  let created = 0;

  const add = (sequence: Sequence): Reply => {
    sequences.set(++created, sequence);
    return { sequence: created, length: sequence.length };
  };

  const answer = async (call: Call, signal: AbortLike): Promise<Reply> => {
    if (call.kind === "create") return add(await model.createSequence(call.options));
    if (call.kind === "dispose-model") {
      await model.dispose();
      return {};
    }
    while (kept.has(call.sequence)) await kept.get(call.sequence);
    const sequence = sequences.get(call.sequence);
    if (sequence === undefined) {
      throw new InferenceError("state", `sequence ${call.sequence}: used after dispose`);
    }
    if (call.kind === "fork") return add(await sequence.fork());
    if (call.kind === "keep") {
      const keep = sequence.keep(call.positions);
      const end = keep.catch(() => {}).finally(() => kept.delete(call.sequence));
      kept.set(call.sequence, end);
      await keep;
    }
    if (call.kind === "dispose-sequence") {
      await sequence.dispose();
      sequences.delete(call.sequence);
    }
    if (call.kind !== "step") return { length: sequence.length };
    const options = call.abortable ? { ...call.options, signal } : call.options;
    const output = await sequence.step(call.block, options);
    return { length: sequence.length, output };
  };

  port.addEventListener("message", ({ data }) => {
    const request = data as Request;
    if ("abort" in request) {
      const signal = running.get(request.id);
      if (signal !== undefined) signal.aborted = true;
      return;
    }
    const signal = { aborted: false };
    running.set(request.id, signal);
    void answer(request.call, signal)
      .then(
        (reply) => post({ id: request.id, reply }, buffersOf(reply)),
        (error: unknown) => post({ id: request.id, failure: describeFailure(error) }),
      )
      .finally(() => running.delete(request.id));
  });
}

/** Bytes from which handing a buffer over is cheaper than copying it. */
const worthTransferring = 16_384;

/** Buffers that a reply can hand over instead of copying. */
function buffersOf({ output }: Reply): ArrayBuffer[] {
  if (output === undefined) return [];
  const { logits, taps, top, scores } = output;
  const views = [
    ...(logits === null ? [] : [logits.data]),
    ...(top === null ? [] : [top.ids, top.values, top.logSumExp]),
    ...taps.map((tap) => tap.data),
    ...(scores === undefined ? [] : [scores.data]),
  ];
  const large = views.filter((view) => view.byteLength >= worthTransferring);
  return [...new Set(large.map((view) => view.buffer as ArrayBuffer))];
}

/** What of an error can be sent. */
function describeFailure(error: unknown): RemoteFailure {
  return {
    code: InferenceError.is(error) ? error.code : null,
    message: error instanceof Error ? error.message : String(error),
  };
}
