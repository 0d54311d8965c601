import type { RunningSession } from "@frugal/runtime";

import type { OrtWeb } from "./ort-web.ts";

/** By engine, what was asked of it last. */
const last: WeakMap<OrtWeb, Promise<unknown>> = /* @__PURE__ */ new WeakMap();

/**
 * Does something once the engine is done with what was asked of it before: ONNX Runtime with WebGPU
 * suspends while the device works, and refuses to be entered a second time meanwhile.
 */
export function takeTurn<T>(ort: OrtWeb, act: () => Promise<T>): Promise<T> {
  const result = (last.get(ort) ?? Promise.resolve()).then(act);
  last.set(
    ort,
    result.catch(() => {}),
  );
  return result;
}

/** A session that takes turns with the others of its engine. */
export function inTurn(ort: OrtWeb, session: RunningSession): RunningSession {
  return {
    run: (feeds, outputs) => takeTurn(ort, () => session.run(feeds, outputs)),
    release: () => takeTurn(ort, () => session.release()),
  };
}
