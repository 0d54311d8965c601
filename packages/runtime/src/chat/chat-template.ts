import { InferenceError } from "@frugal/core";
import { Template } from "@huggingface/jinja";

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

/** Renders conversations as a model was trained to see them. */
export interface ChatTemplate {
  /**
   * The prompt for a conversation.
   *
   * @param variables what else the template may use: `tools`, `bos_token`, `enable_thinking` ...
   * @throws {@link InferenceError} `format` if the template refuses the messages.
   */
  render(messages: readonly ChatMessage[], variables?: Readonly<Record<string, unknown>>): string;
}

/**
 * Compiles the Jinja template of a `tokenizer_config.json`.
 *
 * The prompt ends where the assistant's answer begins: `add_generation_prompt` is true unless the
 * variables say otherwise. Encode it with special tokens recognised and none added.
 *
 * @throws {@link InferenceError} `format` if the template does not compile.
 * @see huggingface/huggingface.js: packages/jinja
 */
export function createChatTemplate(source: string): ChatTemplate {
  const template = attempt("chat template", () => new Template(source));
  return {
    render: (messages, variables = {}) =>
      attempt("chat template", () =>
        template.render({ messages, add_generation_prompt: true, ...variables }),
      ),
  };
}

function attempt<T>(what: string, run: () => T): T {
  try {
    return run();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new InferenceError("format", `${what}: ${reason}`, { cause });
  }
}
