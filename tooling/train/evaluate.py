#!/usr/bin/env python3
"""Compute all figures quoted in MODEL_CARD.md, with greedy decoding in fp32."""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import math
import random
import time
from collections.abc import Callable, Sequence
from random import Random

import torch

import bpe
import data
import reference
import tasks

NEEDLE_KINDS = ("passkey", "kv-number", "kv-word", "thread")
WINDOW, STRIDE = 1024, 512
FIRST_ORDINARY_ID = 16
END_OF_TEXT, END_OF_TURN = 0, 4
DRAFT_LENGTH = 4

SAMPLE_PROMPTS = [
    "Once upon a time there lived a king who had three sons, and the youngest",
    "The little girl opened the door and saw",
    '"Where have you been?" said the old woman.',
    "Story: Long ago there was a little fox called Rosie.",
    "<|user|>Tell me a short story about a mouse named Otto.<|end|><|assistant|>",
]


def join(segments: Sequence[tasks.Segment]) -> str:
    """Give the text of segments."""
    return "".join(text for text, _ in segments)


def bits_per_byte(
    model: reference.Llama, tokenizer: bpe.Tokenizer, text: str, limit: int = 60_000
) -> tuple[float, int]:
    """Score the first `limit` tokens in overlapping windows; also give the bytes scored."""
    ids = tokenizer.encode(text)[:limit]
    nats = 0.0
    start = done = 0
    while done < len(ids) - 1:
        window = torch.tensor(ids[start : start + WINDOW])
        log_probabilities = torch.log_softmax(model(window[None])[0].float(), -1)
        scores = log_probabilities[:-1].gather(1, window[1:, None])[:, 0]
        nats -= float(scores[max(0, done - start) :].sum())
        done = start + len(window) - 1
        start += STRIDE
        if start + STRIDE >= len(ids):
            break
    size = len(tokenizer.decode(ids[1 : done + 1]).encode())
    return nats / math.log(2) / size, size


def draw_question(rng: Random, kind: str) -> tuple[list[tasks.Needle], tasks.QuestionAnswer, int]:
    """Draw needles, one question, and which needle must lie far from it."""
    if kind == "passkey":
        needles, questions = tasks.needles_passkey(rng)
        return needles, questions[0], 0
    if kind in ("kv-number", "kv-word"):
        suitable: list[tasks.QuestionAnswer] = []
        while not suitable:
            needles, questions = tasks.needles_kv(rng, 4)
            suitable = [q for q in questions if q[1].isdigit() == (kind == "kv-number")]
        question, answer = suitable[0]
        name = question.split("of the ")[1][:-1]
        far = next(
            i for i, needle in enumerate(needles) if name in needle[0][0] and needle[1][0] == answer
        )
        return needles, suitable[0], far
    # A path of two hops, and one fact that has nothing to do with it.
    places = tasks.keys(rng, 5)
    steps = [(places[0], places[1]), (places[1], places[2]), (places[3], places[4])]
    needles = [tasks.path_needle(start, end) for start, end in steps]
    rng.shuffle(needles)
    question = f"Start at the {places[0]}. Where are you after 2 steps?"
    on_path = [
        i
        for i, needle in enumerate(needles)
        if any(place + " go" in needle[0][0] for place in places[:2])
    ]
    return needles, (question, " -> ".join(places[:3])), rng.choice(on_path)


def needle_prompt(
    rng: Random,
    tokenizer: bpe.Tokenizer,
    filler: data.Filler,
    kind: str,
    distance: int,
    length: int,
) -> tuple[str, str]:
    """Make a prompt of about `length` tokens and its answer.

    The value that is asked for (of a path, one of its steps) lies about `distance` tokens before
    the answer.
    """
    needles, (question, answer), far = draw_question(rng, kind)

    def size(text: str) -> int:
        return len(tokenizer.encode(" " + text))

    tail = "\n\nQuestion: " + question + "\nAnswer:"
    tail_size = len(tokenizer.encode(tail))
    room = length - tail_size - sum(size(join(needle)) for needle in needles) - 4
    sentences: list[str] = []
    left = room
    while True:
        sentences += filler.get(rng, left)
        left = room - sum(size(sentence) for sentence in sentences)
        if left < 45:
            break

    # The far needle is placed by its distance; a path's other steps after it, other facts anywhere.
    sizes = [size(sentence) for sentence in sentences]
    at = len(sentences)
    covered: float = tail_size
    while at > 0 and covered + sizes[at - 1] / 2 < distance:
        at -= 1
        covered += sizes[at]
    places: dict[int, list[str]] = {}
    first = at if kind == "thread" else 0
    others = [needle for i, needle in enumerate(needles) if i != far]
    drawn = [rng.randint(first, len(sentences)) for _ in others]
    for needle, place in zip(others, drawn):
        places.setdefault(place, []).append(join(needle))
    places.setdefault(at, []).insert(0, join(needles[far]))
    parts: list[str] = []
    for i in range(len(sentences) + 1):
        parts += places.get(i, [])
        parts += sentences[i : i + 1]
    return "Text: " + " ".join(parts) + tail, answer


class Evaluation:
    """The two models, the held-out books and the random state, which all figures share."""

    def __init__(self, target: str, draft: str, held_out: str, count: int) -> None:
        self.tokenizer = bpe.load(target)
        self.target, self.draft = reference.Llama(target), reference.Llama(draft)
        self.documents = data.load_docs(held_out)
        self.rng = random.Random(99)
        self.filler = data.Filler(self.documents, self.tokenizer)
        self.count = count
        self.started = time.time()
        # Ends an answer: end of text, end of turn, or any token that holds a line break.
        self.answer_ends = (END_OF_TEXT, END_OF_TURN) + tuple(
            i
            for i, token in enumerate(self.tokenizer.tokens)
            if i >= FIRST_ORDINARY_ID and b"\n" in token
        )

    def report(self, *values: object) -> None:
        print(*values, f"{time.time() - self.started:.0f}s", flush=True)

    def compression(self) -> dict[str, dict[str, float]]:
        """Bits per byte of the held-out books, with gzip and xz for scale."""
        out = {}
        for name, text in self.documents:
            bits, size = bits_per_byte(self.target, self.tokenizer, text)
            draft_bits, _ = bits_per_byte(self.draft, self.tokenizer, text)
            raw = text.encode()[:size]
            out["bits per byte " + name] = dict(
                target=round(bits, 3),
                draft=round(draft_bits, 3),
                gzip9=round(8 * len(gzip.compress(raw, 9)) / size, 3),
                xz=round(8 * len(lzma.compress(raw, preset=9)) / size, 3),
                bytes=size,
            )
            self.report(name, out["bits per byte " + name])
        return out

    def finds(self, model: reference.Llama, prompt: str, answer: str) -> bool:
        """Tell whether the model's first line is the answer."""
        ids = model.generate(self.tokenizer.encode(prompt), 24, stop=self.answer_ends)
        return self.tokenizer.decode(ids).split("\n")[0].strip() == answer

    def needles(self) -> dict[str, list[float | None]]:
        """Recall by distance in a text of about 1000 tokens, and in a short one."""
        out: dict[str, list[float | None]] = {}
        for distance in (256, 512, 1000):
            length = 1005 if distance == 1000 else 1000
            for kind in NEEDLE_KINDS:
                hits = [0, 0]
                for _ in range(self.count):
                    prompt, answer = self.needle_prompt(kind, distance, length)
                    hits[0] += self.finds(self.target, prompt, answer)
                    hits[1] += self.finds(self.draft, prompt, answer)
                out[f"{kind}@{distance}"] = [hit / self.count for hit in hits]
                self.report(kind, distance, out[f"{kind}@{distance}"])
        for kind in NEEDLE_KINDS:
            prompts = (self.needle_prompt(kind, 150, 240) for _ in range(self.count))
            hits_short = sum(self.finds(self.target, *prompt) for prompt in prompts)
            out[f"{kind}@150 of 240"] = [hits_short / self.count, None]
            self.report(kind, "short", hits_short / self.count)
        return out

    def needle_prompt(self, kind: str, distance: int, length: int) -> tuple[str, str]:
        prompt, answer = needle_prompt(
            self.rng, self.tokenizer, self.filler, kind, distance, length
        )
        if len(self.tokenizer.encode(prompt)) > 1010:
            raise AssertionError("the prompt leaves no room for the answer")
        return prompt, answer

    def answers(self, model: reference.Llama, prompt: str) -> str:
        """Give the model's answer without special tokens."""
        in_chat = "<|assistant|>" in prompt[-20:]
        stop = (END_OF_TEXT, END_OF_TURN) if in_chat else self.answer_ends
        ids = model.generate(self.tokenizer.encode(prompt), 130, stop=stop)
        return self.tokenizer.decode(i for i in ids if i >= FIRST_ORDINARY_ID).strip()

    def exact(self, segments: list[tasks.Segment]) -> tuple[bool, bool]:
        """Tell for both models whether they give the last answer of a task exactly."""
        last = max(i for i, (_, weight) in enumerate(segments) if weight >= tasks.CHAT)
        prompt = join(segments[:last])
        answer = segments[last][0].replace("<|end|>", "").strip()
        target, draft = (self.answers(model, prompt) for model in (self.target, self.draft))
        return target == answer, draft == answer

    def quotation(self, length: int) -> list[tasks.Segment]:
        """Draw a quotation task, up to its first answer."""
        while True:
            sentences = self.filler.get(self.rng, length)
            if len(sentences) <= 3:
                continue
            segments = tasks.quote(self.rng, sentences, False, self.filler.common)
            if segments:
                first = next(i for i, (_, weight) in enumerate(segments) if weight >= tasks.CHAT)
                return segments[: first + 1]

    def story_question(self) -> list[tasks.Segment]:
        """Draw a story that is asked about."""
        while True:
            segments = tasks.story(self.rng)
            if any(weight >= tasks.CHAT for _, weight in segments):
                return segments

    def tasks(self) -> dict[str, list[float]]:
        """Exact matches of the other tasks."""
        rng = self.rng
        draws: dict[str, Callable[[], list[tasks.Segment]]] = {
            "records to JSON": lambda: tasks.to_json(rng, False),
            "records to JSON, chat": lambda: tasks.to_json(rng, True),
            "JSON edit": lambda: tasks.edit_json(rng, False),
            "JSON edit, chat": lambda: tasks.edit_json(rng, True),
            "copy 10 words": lambda: tasks.copy(rng, False, 10),
            "copy 30 words": lambda: tasks.copy(rng, False, 30),
            "table of 10": lambda: tasks.table(rng, False, 10),
            "quote a sentence, 300 tokens": lambda: self.quotation(300),
            "quote a sentence, 800 tokens": lambda: self.quotation(800),
            "chat turn": lambda: tasks.chat(rng, 3),
            "story question": self.story_question,
        }
        out = {}
        for name, draw in draws.items():
            results = [self.exact(draw()) for _ in range(self.count)]
            out[name] = [sum(hits) / self.count for hits in zip(*results)]
            self.report(name, out[name])
        return out

    def agreement(self) -> dict[str, float]:
        """How often the draft's greedy choice, and its distribution, agree with the target's."""
        agreed = total = 0
        overlap = 0.0
        for _, text in self.documents:
            ids = self.tokenizer.encode(text[40_000:70_000])
            for start in range(0, len(ids) - STRIDE, STRIDE):
                window = torch.tensor([ids[start : start + STRIDE]])
                target, draft = self.target(window)[0], self.draft(window)[0]
                agreed += int((target.argmax(-1) == draft.argmax(-1)).sum())
                laws = torch.softmax(target, -1), torch.softmax(draft, -1)
                overlap += float(torch.minimum(*laws).sum())
                total += STRIDE
        out = dict(
            greedy_agreement=round(agreed / total, 3),
            acceptance_at_temperature_1=round(overlap / total, 3),
        )
        self.report(out)
        return out

    def speculation_prompts(self) -> dict[str, list[str]]:
        """Give the prompts of four kinds of text."""
        books = [text.split(". ") for _, text in self.documents]
        pairs = list(zip(tasks.ANIMALS, tasks.NAMES))[:12]
        last_pairs = list(zip(tasks.ANIMALS[::-1], tasks.NAMES[::-1]))[:12]
        records = [
            join(tasks.edit_json(self.rng, False) if i % 2 else tasks.to_json(self.rng, False))
            for i in range(12)
        ]
        return {
            "prose": [book[5 + 10 * i][:160] + "." for book in books for i in range(8)],
            "story": [
                f"Story: Once upon a time there was a {animal} named {name}."
                for animal, name in pairs
            ],
            "chat": [
                f"<|user|>Tell me a short story about a {animal} named {name}.<|end|><|assistant|>"
                for animal, name in last_pairs
            ],
            "JSON": [record[: record.rindex("JSON:") + 5] for record in records],
        }

    def draft_round(self, ids: list[int], expected: Sequence[int]) -> int:
        """Count how many of the expected tokens the draft would guess, up to its first mistake."""
        cache: reference.Cache = []
        block = torch.tensor([ids])
        for accepted, token in enumerate(expected[:DRAFT_LENGTH]):
            if int(self.draft(block, cache, last=True)[0, -1].argmax()) != token:
                return accepted
            block = torch.tensor([[token]])
        return min(DRAFT_LENGTH, len(expected))

    def speculation(self) -> dict[str, dict[str, float]]:
        """Accepted drafts of four tokens in greedy decoding."""
        out = {}
        for kind, prompts in self.speculation_prompts().items():
            rounds = accepted = emitted = 0
            for prompt in prompts:
                ids = self.tokenizer.encode(prompt)
                text = self.target.generate(ids, 100, stop=(END_OF_TEXT,))
                at = 0
                while at < len(text):
                    kept = self.draft_round(ids + text[:at], text[at:])
                    rounds += 1
                    accepted += kept
                    emitted += min(kept + 1, len(text) - at)
                    at += kept + 1
            out[kind] = dict(
                accepted_per_round=round(accepted / rounds, 2),
                tokens_per_round=round(emitted / rounds, 2),
                rounds=rounds,
            )
            self.report(kind, out[kind])
        return out

    def samples(self) -> list[list[str]]:
        """Continue the sample prompts at temperature 0.8 with a fixed seed."""
        generator = torch.Generator().manual_seed(5)
        out = []
        for prompt in SAMPLE_PROMPTS:
            ids = self.target.generate(
                self.tokenizer.encode(prompt),
                90,
                stop=(END_OF_TEXT, END_OF_TURN),
                temperature=0.8,
                top_k=40,
                generator=generator,
            )
            text = self.tokenizer.decode(i for i in ids if i >= FIRST_ORDINARY_ID)
            out.append([prompt, text])
            self.report(out[-1])
        return out

    def run(self, part: str) -> dict[str, object]:
        """Compute the figures of a part in a fixed order: they share one random state."""
        figures: dict[str, object] = {}
        if part != "needles":
            figures.update(self.compression())
        if part != "rest":
            figures["needles [target, draft]"] = self.needles()
        figures["n per cell"] = self.count
        if part == "needles":
            return figures
        figures["exact match [target, draft]"] = self.tasks()
        figures["draft on held-out prose"] = self.agreement()
        figures["chain drafts of 4, greedy"] = self.speculation()
        figures["samples, temperature 0.8, top-k 40"] = self.samples()
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="Compute all figures quoted in MODEL_CARD.md.")
    parser.add_argument("target", help="folder of frugal-tiny")
    parser.add_argument("draft", help="folder of frugal-tiny-draft")
    parser.add_argument("held_out", help="corpus.heldout.txt")
    parser.add_argument("out", help="output, for instance evaluation.json")
    parser.add_argument("count", type=int, nargs="?", default=40, help="cases per cell")
    parser.add_argument("part", nargs="?", default="all", choices=("all", "needles", "rest"))
    args = parser.parse_args()

    torch.set_num_threads(2 if args.part == "all" else 1)
    figures = Evaluation(args.target, args.draft, args.held_out, args.count).run(args.part)
    with open(args.out, "w", encoding="utf-8") as file:
        json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
