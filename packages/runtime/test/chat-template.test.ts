import { describe, expect, test } from "vitest";

import { createChatTemplate } from "../src/index.ts";

const messages = [
  { role: "user", content: "Hi {{ 1 + 1 }}" },
  { role: "assistant", content: "Yes?" },
  { role: "user", content: "<b>'Bye'</b>" },
];

const strict = `{%- for message in messages -%}
{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}
{{- raise_exception('roles must alternate') -}}
{%- endif -%}
[{{ message.role }}] {{ message.content | trim }}
{% endfor -%}
{%- if add_generation_prompt -%}[assistant]{%- endif -%}`;

describe("createChatTemplate", () => {
  test("renders a conversation up to where the answer begins", () => {
    expect(createChatTemplate(strict).render(messages)).toBe(
      "[user] Hi {{ 1 + 1 }}\n[assistant] Yes?\n[user] <b>'Bye'</b>\n[assistant]",
    );
  });

  test("leaves the beginning of the answer out when asked to", () => {
    const text = createChatTemplate(strict).render(messages, { add_generation_prompt: false });
    expect(text.endsWith("</b>\n")).toBe(true);
  });

  test("hands over variables", () => {
    const template = createChatTemplate(
      "{{ bos_token }}{{ tools | length }}{% if think is defined %}!{% endif %}",
    );
    expect(template.render([], { bos_token: "<s>", tools: [1, 2] })).toBe("<s>2");
    expect(template.render([], { bos_token: "", tools: [], think: true })).toBe("0!");
  });

  test("passes the template's refusal on", () => {
    const render = () => createChatTemplate(strict).render(messages.slice(1));
    expect(render).toThrow(expect.objectContaining({ name: "InferenceError", code: "format" }));
    expect(render).toThrow("chat template: roles must alternate");
  });

  test.for(["{% for m in messages %}", "{{ 'open", "{% endif %}", "{% unknown %}", "{{ }}"])(
    "refuses %s, which is no template",
    (source) => {
      expect(() => createChatTemplate(source)).toThrow(
        expect.objectContaining({ name: "InferenceError", code: "format" }),
      );
    },
  );

  test("refuses what a template cannot do when it runs", () => {
    for (const source of [
      "{{ messages | nofilter }}",
      "{{ none() }}",
      "{% for m in 7 %}{% endfor %}",
    ]) {
      expect(() => createChatTemplate(source).render(messages)).toThrow(
        expect.objectContaining({ name: "InferenceError", code: "format" }),
      );
    }
  });
});
