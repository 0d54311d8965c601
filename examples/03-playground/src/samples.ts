/** A prompt in a format that the model was trained on. */
export interface Sample {
  readonly name: string;
  readonly prompt: string;
  /** Has a right answer of one line: greedy, and over at the line's end. */
  readonly exact?: true;
}

const passage =
  "The old road ran along the river and over the hill. Nobody had walked it since the spring. " +
  "The passkey is 48213. Remember it. At the top of the hill stood a mill with a broken wheel, " +
  "and beside the mill grew three apple trees.";

const words = "river lamp stone garden window silver basket morning apple hill road mill";

/** One prompt for each of the tasks in `models/MODEL_CARD.md` that the model does well. */
export const samples: readonly Sample[] = [
  { name: "Story", prompt: "Story: Once upon a time there was a fox named Lily." },
  {
    name: "Prose",
    prompt: "Once upon a time there lived a king who had three sons, and the youngest",
  },
  {
    name: "Chat",
    prompt: "<|user|>Tell me a short story about a mouse named Otto.<|end|><|assistant|>",
  },
  {
    name: "Passkey",
    prompt: `Text: ${passage}\n\nQuestion: What is the passkey?\nAnswer:`,
    exact: true,
  },
  {
    name: "Table",
    prompt:
      "Table:\n- lamp: 27\n- garden: 914\n- bridge: 5\n- candle: 380\n\n" +
      "Question: What is bridge?\nAnswer:",
    exact: true,
  },
  {
    name: "JSON",
    prompt: "Record:\nname: Tom\nage: 7\ncity: York\nhappy: yes\nJSON:",
    exact: true,
  },
  { name: "Copy", prompt: `Copy: ${words}\nCopy:`, exact: true },
];
