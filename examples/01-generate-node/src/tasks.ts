/** A prompt that shows something the embedded model does well, in the format it was trained on. */
export interface Task {
  readonly prompt: string;
  /** The prompt is a turn of a conversation, not the beginning of a text. */
  readonly chat?: true;
  /** An answer of one line that is right or wrong: greedy, and over at the line's end. */
  readonly exact?: true;
}

const passage =
  "The old road ran along the river and over the hill. Nobody had walked it since the spring. " +
  "The passkey is 48213. Remember it. At the top of the hill stood a mill with a broken wheel, " +
  "and beside the mill grew three apple trees. The miller's daughter came every morning with a " +
  "basket, and every evening she went home with the basket full.";

const words =
  "river lamp stone garden window silver basket morning apple hill road mill wheel spring " +
  "daughter evening door bridge feather candle";

/** The built-in prompts by name. */
export const tasks = {
  story: { prompt: "Story: Once upon a time there was a fox named Lily." },
  prose: { prompt: "Once upon a time there lived a king who had three sons, and the youngest" },
  passkey: {
    prompt: `Text: ${passage}\n\nQuestion: What is the passkey?\nAnswer:`,
    exact: true,
  },
  table: {
    prompt:
      "Table:\n- lamp: 27\n- garden: 914\n- bridge: 5\n- candle: 380\n\n" +
      "Question: What is bridge?\nAnswer:",
    exact: true,
  },
  copy: { prompt: `Copy: ${words}\nCopy:`, exact: true },
  json: {
    prompt: "Record:\nname: Tom\nage: 7\ncity: York\nhappy: yes\nJSON:",
    exact: true,
  },
  chat: { prompt: "Tell me a short story about a mouse named Otto.", chat: true },
} as const satisfies Record<string, Task>;

/** Name of a built-in prompt. */
export type TaskName = keyof typeof tasks;
