import { type DrafterChoice, type DrafterName, drafters } from "./drafters.ts";
import { element } from "./element.ts";
import type { Settings } from "./engine.ts";
import { type Sample, samples } from "./samples.ts";

const input = (id: string): HTMLInputElement => element(id, HTMLInputElement);

/** Fills in samples and drafters, and shows the first of each. */
export function fillForm(): void {
  const select = element("drafter", HTMLSelectElement);
  for (const [name, { label }] of Object.entries(drafters)) select.add(new Option(label, name));
  select.addEventListener("change", describeDrafter);
  const list = element("samples", HTMLElement);
  for (const sample of samples) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sample.name;
    button.addEventListener("click", () => choose(sample));
    list.append(button);
  }
  input("seed").value = "1";
  input("maxTokens").value = "160";
  choose(samples[0]!);
  describeDrafter();
}

function describeDrafter(): void {
  const { help }: DrafterChoice = drafters[chosenDrafter()];
  element("drafter-help", HTMLElement).textContent = help;
}

function choose({ prompt, exact }: Sample): void {
  element("prompt", HTMLTextAreaElement).value = prompt;
  input("temperature").value = exact ? "0" : "0.8";
  input("oneLine").checked = exact ?? false;
}

/** The drafter that is chosen. */
export function chosenDrafter(): DrafterName {
  return element("drafter", HTMLSelectElement).value as DrafterName;
}

/** What the form asks for, or null after the browser has told the user what is wrong with it. */
export function readSettings(): Settings | null {
  if (!element("form", HTMLFormElement).reportValidity()) return null;
  return {
    prompt: element("prompt", HTMLTextAreaElement).value,
    drafter: chosenDrafter(),
    temperature: input("temperature").valueAsNumber,
    seed: input("seed").valueAsNumber,
    maxTokens: input("maxTokens").valueAsNumber,
    oneLine: input("oneLine").checked,
  };
}
