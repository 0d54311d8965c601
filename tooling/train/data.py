#!/usr/bin/env python3
"""Build training rows.

Every row has the same number of tokens. Prose rows are contiguous slices of the corpus; the others
are packed synthetic documents whose filler is prose from the corpus again. The output holds
`ids`, uint16 [rows, length], and `w`, uint8 [rows, length]: the weight of each token in the loss.
"""

import argparse
import collections
import random
import re
import time
from random import Random

import numpy as np

import bpe
import tasks

SENTENCE_END = re.compile(r'(?<=[.!?]) +(?=["\'A-Z])|(?<=[.!?]["\']) +(?=["\'A-Z])')
# Plays and speeches do not serve as filler.
NOT_FILLER = ("tinysh", "state", "inaug")

Row = tuple[list[int], list[int]]


def sentences_of(paragraph: str) -> list[str]:
    """Split a paragraph into sentences."""
    return [sentence for sentence in SENTENCE_END.split(paragraph) if sentence]


def load_docs(path: str) -> list[tuple[str, str]]:
    """Read a corpus file as (name, text)."""
    documents = []
    with open(path, encoding="utf-8") as file:
        parts = file.read().split("%%%DOC ")[1:]
    for part in parts:
        name, text = part.split("\n", 1)
        documents.append((name, text.strip()))
    return documents


class Filler:
    """Runs of consecutive prose sentences that fit a token budget."""

    def __init__(self, documents: list[tuple[str, str]], tokenizer: bpe.Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.paragraphs = [
            paragraph
            for name, text in documents
            if not name.startswith(NOT_FILLER)
            for paragraph in text.split("\n\n")
            if "\n" not in paragraph
        ]
        counts: collections.Counter[str] = collections.Counter()
        for paragraph in self.paragraphs[::7]:
            counts.update(word.lower() for word in re.findall(r"[A-Za-z]+", paragraph))
        self.common = {word for word, _ in counts.most_common(600)}
        self.cache: dict[int, list[tuple[str, int]]] = {}

    def sentences(self, index: int) -> list[tuple[str, int]]:
        """Give the sentences of a paragraph with their lengths in tokens."""
        known = self.cache.get(index)
        if known is None:
            known = [
                (sentence, len(self.tokenizer.encode(" " + sentence)))
                for sentence in sentences_of(self.paragraphs[index])
            ]
            self.cache[index] = known
        return known

    def get(self, rng: Random, budget: int) -> list[str]:
        """Draw a place and take sentences from there until the next one would not fit."""
        out: list[str] = []
        used = 0
        for index in range(rng.randrange(len(self.paragraphs)), len(self.paragraphs)):
            for sentence, length in self.sentences(index):
                if used + length > budget:
                    return out
                out.append(sentence)
                used += length
        return out


def draw_needles(
    rng: Random, kind: float, length: int
) -> tuple[list[tasks.Needle], list[tasks.QuestionAnswer]]:
    """Draw needles and questions that suit a document of that length; `kind` is below 0.8."""
    if kind < 0.2:
        return tasks.needles_passkey(rng)
    if kind < 0.6:
        count = rng.randint(1, max(1, min(8, length // 60)))
        needles, questions = tasks.needles_kv(rng, count)
        return needles, questions[:5]
    count = rng.randint(1, max(2, min(8, length // 70)))
    needles, questions = tasks.needles_thread(rng, count)
    return needles, questions[:4]


def long_document(rng: Random, tokenizer: bpe.Tokenizer, filler: Filler, length: int) -> Row | None:
    """Draw a document with needles or a quotation task of about `length` tokens, never more."""
    kind = rng.random()
    chat = rng.random() < 0.25
    if kind < 0.8:
        needles, questions = draw_needles(rng, kind, length)
        bare = tasks.in_passage(rng, [], needles, questions, chat)
        overhead = len(tokenizer.encode_weighted(bare)[0])
        if overhead > length - 20:
            return None
        sentences = filler.get(rng, length - overhead - 6)
        segments = tasks.in_passage(rng, sentences, needles, questions, chat)
    else:
        sentences = filler.get(rng, int(length * 0.62))
        quoted = None
        if len(sentences) > 2:
            quoted = tasks.quote(rng, sentences, chat, filler.common)
        if quoted is None:
            return None
        segments = quoted
    row = tokenizer.encode_weighted(segments)
    return row if len(row[0]) <= length else None


def synthetic_row(rng: Random, tokenizer: bpe.Tokenizer, filler: Filler, length: int) -> Row:
    """Pack synthetic documents into one row, often starting with a long one."""
    ids: list[int] = []
    weights: list[int] = []
    if rng.random() < 0.62:
        for _ in range(4):
            if rng.random() < 0.6:
                size = rng.randint(int(0.75 * length), length)
            else:
                size = rng.randint(min(120, length // 3), length)
            row = long_document(rng, tokenizer, filler, size)
            if row:
                ids += row[0]
                weights += row[1]
                break
    while len(ids) < length:
        room = length - len(ids)
        if room > 150 and rng.random() < 0.4:
            row = long_document(rng, tokenizer, filler, rng.randint(100, room))
        elif room > 150 and rng.random() < 0.12:
            chat = rng.random() < 0.3
            lines = rng.randint(8, max(9, min(60, room // 10)))
            row = tokenizer.encode_weighted(tasks.table(rng, chat, lines))
        else:
            row = tokenizer.encode_weighted(tasks.short(rng))
        if row:
            ids += row[0]
            weights += row[1]
    return ids[:length], weights[:length]


def prose_stream(
    rng: Random, tokenizer: bpe.Tokenizer, documents: list[tuple[str, str]]
) -> np.ndarray:
    """Encode all documents in a drawn order, each followed by an end of text."""
    order = documents[:]
    rng.shuffle(order)
    stream: list[int] = []
    for _, text in order:
        stream += tokenizer.encode(text)
        stream.append(0)
    return np.array(stream, dtype=np.uint16)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build training rows.")
    parser.add_argument("corpus", help="corpus.txt")
    parser.add_argument("tokenizer", help="folder of tokenizer.json")
    parser.add_argument("out", help="output, for instance work/a256.npz")
    parser.add_argument("length", type=int, help="tokens per row")
    parser.add_argument("rows", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("prose", type=float, nargs="?", default=0.5, help="share of prose rows")
    args = parser.parse_args()

    started = time.time()
    rng = random.Random(args.seed)
    tokenizer = bpe.load(args.tokenizer)
    documents = load_docs(args.corpus)
    filler = Filler(documents, tokenizer)
    stream = prose_stream(rng, tokenizer, documents)
    offset = rng.randrange(args.length)
    slices = list(range((len(stream) - offset) // args.length))
    rng.shuffle(slices)

    ids = np.zeros((args.rows, args.length), np.uint16)
    weights = np.ones((args.rows, args.length), np.uint8)
    is_prose = [rng.random() < args.prose for _ in range(args.rows)]
    prose_rows = 0
    for i in range(args.rows):
        if is_prose[i]:
            start = offset + slices[prose_rows % len(slices)] * args.length
            ids[i] = stream[start : start + args.length]
            prose_rows += 1
        else:
            ids[i], weights[i] = synthetic_row(rng, tokenizer, filler, args.length)
    np.savez(args.out, ids=ids, w=weights)
    print(
        f"{args.out}: {args.rows} rows of {args.length}, prose {prose_rows} rows, "
        f"stream {len(stream)} tokens, {time.time() - started:.1f}s"
    )


if __name__ == "__main__":
    main()
