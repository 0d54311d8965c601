import type { GenerateStats } from "@frugal/decoding";

import { element } from "./element.ts";
import type { Run, Show } from "./engine.ts";
import { reasons, tokensPerSecond } from "./figures.ts";

/** The part of the page that shows one run. */
export interface RunCard {
  /** Adds a piece of text; the page changes once per frame, however many pieces come. */
  readonly show: Show;
  finish(run: Run): void;
}

/** Adds a card to the page. */
export function addRunCard(parent: HTMLElement, title: string, prompt: string): RunCard {
  const template = element("run", HTMLTemplateElement);
  const card = (template.content.cloneNode(true) as DocumentFragment).firstElementChild!;
  const text = card.querySelector(".text")!;
  card.querySelector("h2")!.textContent = title;
  text.append(piece("span", "prompt", prompt));
  parent.append(card);

  const waiting: { text: string; drafted: boolean }[] = [];
  let stats: GenerateStats | null = null;
  let frame = 0;
  const flush = (): void => {
    frame = 0;
    for (const { text: added, drafted } of waiting.splice(0)) appendPiece(text, added, drafted);
    if (stats !== null) showStats(card, stats);
  };
  return {
    show(added, drafted, now) {
      stats = now;
      const last = waiting.at(-1);
      if (last?.drafted === drafted) last.text += added;
      else if (added !== "") waiting.push({ text: added, drafted });
      frame ||= requestAnimationFrame(flush);
    },
    finish(run) {
      cancelAnimationFrame(frame);
      stats = run.stats;
      flush();
      setFigure(card, "reason", reasons[run.reason]);
    },
  };
}

/** Lengthens the last piece where it is of the same kind. */
function appendPiece(text: Element, added: string, drafted: boolean): void {
  const last = text.lastElementChild;
  const kind = drafted ? "drafted" : "written";
  if (last?.className === kind) last.append(added);
  else text.append(piece(drafted ? "mark" : "span", kind, added));
}

function piece(tag: string, className: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function showStats(card: Element, stats: GenerateStats): void {
  setFigure(card, "speed", tokensPerSecond(stats).toFixed(0));
  setFigure(card, "perStep", stats.tokensPerStep.toFixed(2));
  setFigure(card, "tokens", String(stats.tokens));
}

function setFigure(card: Element, name: string, value: string): void {
  card.querySelector(`[data-figure=${name}]`)!.textContent = value;
}
