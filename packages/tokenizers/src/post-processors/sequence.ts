import type { PostProcessor } from "./post-processor.ts";

/** Post-processors one after the other. */
export function postProcessorSequence(steps: readonly PostProcessor[]): PostProcessor {
  return (tokens, context) => steps.reduce((result, step) => step(result, context), tokens);
}
