import { drafters } from "./drafters.ts";
import { element } from "./element.ts";
import { type Engine, openEngine, run, type Run, type Settings, type Show } from "./engine.ts";
import { compareRuns, type Verdict } from "./figures.ts";
import { chosenDrafter, fillForm, readSettings } from "./form.ts";
import { addRunCard } from "./run-card.ts";

const button = (id: string): HTMLButtonElement => element(id, HTMLButtonElement);
const status = element("status", HTMLElement);
const error = element("error", HTMLElement);
const output = element("output", HTMLElement);
const runs = element("runs", HTMLElement);
const verdict = element("verdict", HTMLElement);

/** Ends what is running; null while nothing is. */
let running: AbortController | null = null;

fillForm();
showButtons(false);
await openEngine((part) => say(`Loading the model … ${Math.round(part * 100)} %`)).then(
  start,
  fail,
);

function start(engine: Engine): void {
  say("Ready.");
  showButtons(true);
  element("form", HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    if (running === null) void during(engine, generateOnce);
  });
  element("prompt", HTMLElement).addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) button("generate").click();
  });
  element("drafter", HTMLElement).addEventListener("change", () => showButtons(true));
  button("compare").addEventListener("click", () => void during(engine, compare));
  button("stop").addEventListener("click", () => running?.abort());
}

/** Runs one task with the page set to it, and shows in one line what goes wrong. */
async function during(
  engine: Engine,
  task: (engine: Engine, settings: Settings, signal: AbortSignal) => Promise<string>,
): Promise<void> {
  const settings = readSettings();
  if (settings === null) return;
  running = new AbortController();
  showButtons(true);
  error.hidden = true;
  verdict.hidden = true;
  runs.replaceChildren();
  output.ariaBusy = "true";
  say("Writing …");
  try {
    say(await task(engine, settings, running.signal));
  } catch (reason) {
    fail(reason);
  } finally {
    running = null;
    output.ariaBusy = "false";
    showButtons(true);
  }
}

async function generateOnce(
  engine: Engine,
  settings: Settings,
  signal: AbortSignal,
): Promise<string> {
  const { reason } = await runOnCard(engine, settings, signal);
  return reason === "stopped" ? "Stopped." : "Done.";
}

/** The same text without and with the drafter, after a few tokens to warm both up. */
async function compare(engine: Engine, settings: Settings, signal: AbortSignal): Promise<string> {
  const without: Settings = { ...settings, drafter: "none" };
  for (const warmed of [without, settings]) {
    await run(engine, { ...warmed, maxTokens: Math.min(16, settings.maxTokens) }, ignore, signal);
  }
  const plain = await runOnCard(engine, without, signal);
  const drafted = await runOnCard(engine, settings, signal);
  if (plain.reason === "stopped" || drafted.reason === "stopped") return "Stopped.";
  showVerdict(compareRuns(plain, drafted));
  return "Done.";
}

function showVerdict({ equal, figures }: Verdict): void {
  element("verdict-words", HTMLElement).textContent = equal ? "equal text" : "different text";
  element("verdict-figures", HTMLElement).textContent = `: ${figures}`;
  verdict.dataset["equal"] = String(equal);
  verdict.hidden = false;
}

const ignore: Show = () => {};

async function runOnCard(engine: Engine, settings: Settings, signal: AbortSignal): Promise<Run> {
  const { label } = drafters[settings.drafter];
  const title = settings.drafter === "none" ? "Without a drafter" : `With ${label.toLowerCase()}`;
  const card = addRunCard(runs, title, settings.prompt);
  const result = await run(engine, settings, card.show, signal);
  card.finish(result);
  return result;
}

function showButtons(loaded: boolean): void {
  const idle = loaded && running === null;
  button("generate").disabled = !idle;
  button("compare").disabled = !idle || chosenDrafter() === "none";
  button("stop").disabled = running === null;
}

function say(text: string): void {
  status.textContent = text;
}

function fail(reason: unknown): void {
  say("That did not work:");
  error.textContent = reason instanceof Error ? reason.message : String(reason);
  error.hidden = false;
}
