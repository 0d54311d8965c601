import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { createChatTemplate } from "../src/index.ts";

test.for(["frugal-tiny", "frugal-tiny-draft"])("renders the template of %s", (name) => {
  const file = new URL(`../../../models/${name}/tokenizer_config.json`, import.meta.url);
  const config = JSON.parse(readFileSync(file, "utf8")) as { chat_template: string };
  const template = createChatTemplate(config.chat_template);
  const messages = [
    { role: "system", content: "Be kind." },
    { role: "user", content: "Hello." },
    { role: "assistant", content: "Good day." },
    { role: "user", content: "A story,\nplease." },
  ];
  const text =
    "<|user|>Be kind.<|end|><|user|>Hello.<|end|><|assistant|>Good day.<|end|>" +
    "<|user|>A story,\nplease.<|end|>";
  expect(template.render(messages)).toBe(`${text}<|assistant|>`);
  expect(template.render(messages, { add_generation_prompt: false })).toBe(text);
  expect(template.render([])).toBe("<|assistant|>");
});
