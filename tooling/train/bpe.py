#!/usr/bin/env python3
"""Byte-level BPE: trainer, encoder and writer of Hugging Face tokenizer files, in pure Python."""

import argparse
import collections
import heapq
import json
import random
import time
from collections.abc import Iterable
from pathlib import Path

import regex

import tasks
from tasks import Segment

Pair = tuple[bytes, bytes]

SPECIALS = ["<|endoftext|>", "<|pad|>", "<|user|>", "<|assistant|>", "<|end|>", "<|image|>"]
SPECIALS += [f"<|reserved_{i}|>" for i in range(10)]

# Valid in Oniguruma, in JavaScript (flag u) and in Python's regex; digits are single pieces.
PATTERN = (
    r"'(?:[sdmtSDMT]|ll|LL|ve|VE|re|RE)(?!\p{L})|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PIECES = regex.compile(PATTERN)
SPECIAL_SPLIT = regex.compile("(" + "|".join(regex.escape(s) for s in SPECIALS) + ")")

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ '<|assistant|>' + message['content'] + '<|end|>' }}"
    "{% else %}{{ '<|user|>' + message['content'] + '<|end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

NO_RANK = 1 << 30
MAX_CACHED_WORDS = 2_000_000


def byte_chars() -> list[str]:
    """Give the printable character that stands for each byte in a tokenizer.json."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    chars = {byte: chr(byte) for byte in printable}
    spare = (byte for byte in range(256) if byte not in chars)
    chars.update({byte: chr(256 + n) for n, byte in enumerate(list(spare))})
    return [chars[byte] for byte in range(256)]


def merge_pair(word: list[bytes], pair: Pair) -> list[bytes]:
    """Replace every occurrence of the pair, from the left."""
    out = []
    i = 0
    while i < len(word):
        if i + 1 < len(word) and word[i] == pair[0] and word[i + 1] == pair[1]:
            out.append(pair[0] + pair[1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


def count_words(texts: Iterable[str]) -> tuple[list[list[bytes]], list[int]]:
    """Cut texts into pieces; give each distinct one as bytes, with its count."""
    frequencies: collections.Counter[str] = collections.Counter()
    for text in texts:
        frequencies.update(PIECES.findall(text))
    words = []
    counts = []
    for word, count in frequencies.items():
        if count < 2 and len(word) > 1:
            continue
        words.append([bytes([byte]) for byte in word.encode("utf-8")])
        counts.append(count)
    return words, counts


def train(texts: Iterable[str], vocab_size: int, max_length: int = 16) -> list[Pair]:
    """Learn the merges of a vocabulary of that size; no token is longer than `max_length` bytes.

    The most frequent pair is merged first; among equally frequent ones, the smallest in byte order.
    """
    words, counts = count_words(texts)
    pairs: collections.Counter[Pair] = collections.Counter()
    where: dict[Pair, set[int]] = collections.defaultdict(set)
    for i, word in enumerate(words):
        for pair in zip(word, word[1:]):
            pairs[pair] += counts[i]
            where[pair].add(i)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)

    merges: list[Pair] = []
    vocabulary = {bytes([byte]) for byte in range(256)}
    while len(merges) < vocab_size - 256 - len(SPECIALS):
        negative_count, pair = heapq.heappop(heap)
        current = pairs.get(pair, 0)
        if current != -negative_count:  # a stale entry
            if current > 0:
                heapq.heappush(heap, (-current, pair))
            continue
        token = pair[0] + pair[1]
        if len(token) > max_length or token in vocabulary:
            pairs[pair] = 0
            continue
        vocabulary.add(token)
        merges.append(pair)
        touched: set[Pair] = set()
        for i in list(where[pair]):
            old, new = words[i], merge_pair(words[i], pair)
            for other in zip(old, old[1:]):
                pairs[other] -= counts[i]
                touched.add(other)
            for other in zip(new, new[1:]):
                pairs[other] += counts[i]
                where[other].add(i)
                touched.add(other)
            words[i] = new
        pairs[pair] = 0
        touched.discard(pair)
        for other in touched:
            if pairs[other] > 0:
                heapq.heappush(heap, (-pairs[other], other))
    return merges


class Tokenizer:
    """Encodes and decodes with a list of merges."""

    def __init__(self, merges: list[Pair]) -> None:
        self.merges = merges
        self.special_ids = {text: i for i, text in enumerate(SPECIALS)}
        self.tokens = [text.encode() for text in SPECIALS]
        self.tokens += [bytes([byte]) for byte in range(256)]
        self.tokens += [first + second for first, second in merges]
        self.ids = {t: i for i, t in enumerate(self.tokens) if i >= len(SPECIALS)}
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        self.cache: dict[str, tuple[int, ...]] = {}

    def encode_word(self, word: str) -> tuple[int, ...]:
        """Encode one piece: apply the earliest merge, at its leftmost place, until none fits."""
        known = self.cache.get(word)
        if known is not None:
            return known
        parts = [bytes([byte]) for byte in word.encode("utf-8")]
        while len(parts) > 1:
            pairs = enumerate(zip(parts, parts[1:]))
            rank, i = min((self.ranks.get(pair, NO_RANK), i) for i, pair in pairs)
            if rank == NO_RANK:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        ids = tuple(self.ids[part] for part in parts)
        if len(self.cache) < MAX_CACHED_WORDS:
            self.cache[word] = ids
        return ids

    def encode(self, text: str) -> list[int]:
        """Encode a text; special tokens in it become their ids."""
        out: list[int] = []
        for part in SPECIAL_SPLIT.split(text):
            if part in self.special_ids:
                out.append(self.special_ids[part])
            else:
                for word in PIECES.findall(part):
                    out.extend(self.encode_word(word))
        return out

    def encode_weighted(self, segments: list[Segment]) -> tuple[list[int], list[int]]:
        """Encode segments as one text; a piece has the weight at its first character."""
        text = "".join(segment for segment, _ in segments)
        weights_at = [weight for segment, weight in segments for _ in segment]
        ids: list[int] = []
        weights: list[int] = []
        start = 0
        for part in SPECIAL_SPLIT.split(text):
            if part in self.special_ids:
                ids.append(self.special_ids[part])
                weights.append(weights_at[start])
            else:
                for match in PIECES.finditer(part):
                    word = self.encode_word(match.group())
                    ids.extend(word)
                    weights.extend([weights_at[start + match.start()]] * len(word))
            start += len(part)
        return ids, weights

    def decode(self, ids: Iterable[int]) -> str:
        """Join the bytes of the tokens; what is no UTF-8 becomes U+FFFD."""
        return b"".join(self.tokens[i] for i in ids).decode("utf-8", "replace")

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json and tokenizer_config.json as Hugging Face reads them."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "tokenizer.json", "w", encoding="utf-8") as file:
            json.dump(self.tokenizer_json(), file, ensure_ascii=False, indent=0)
        with open(folder / "tokenizer_config.json", "w", encoding="utf-8") as file:
            json.dump(tokenizer_config(), file, indent=2)

    def tokenizer_json(self) -> dict[str, object]:
        """Describe the whole tokenizer."""
        chars = byte_chars()

        def printable(token: bytes) -> str:
            return "".join(chars[byte] for byte in token)

        vocabulary = dict(self.special_ids)
        for i in range(len(SPECIALS), len(self.tokens)):
            vocabulary[printable(self.tokens[i])] = i
        split = dict(type="Split", pattern=dict(Regex=PATTERN), behavior="Isolated", invert=False)
        byte_level = dict(
            type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False
        )
        model = dict(
            type="BPE",
            dropout=None,
            unk_token=None,
            continuing_subword_prefix=None,
            end_of_word_suffix=None,
            fuse_unk=False,
            byte_fallback=False,
            ignore_merges=False,
            vocab=vocabulary,
            merges=[[printable(first), printable(second)] for first, second in self.merges],
        )
        return dict(
            version="1.0",
            truncation=None,
            padding=None,
            added_tokens=[added_token(i, text) for i, text in enumerate(SPECIALS)],
            normalizer=None,
            pre_tokenizer=dict(type="Sequence", pretokenizers=[split, byte_level]),
            post_processor=None,
            decoder=byte_level,
            model=model,
        )


def added_token(token_id: int, text: str) -> dict[str, object]:
    """Describe a special token as tokenizer.json does."""
    return dict(
        id=token_id,
        content=text,
        single_word=False,
        lstrip=False,
        rstrip=False,
        normalized=False,
        special=True,
    )


def tokenizer_config() -> dict[str, object]:
    """Give the tokenizer_config.json."""
    decoder = {
        str(i): dict(
            content=text,
            lstrip=False,
            normalized=False,
            rstrip=False,
            single_word=False,
            special=True,
        )
        for i, text in enumerate(SPECIALS)
    }
    return dict(
        tokenizer_class="PreTrainedTokenizerFast",
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
        add_bos_token=False,
        add_eos_token=False,
        bos_token=None,
        eos_token="<|endoftext|>",
        pad_token="<|pad|>",
        unk_token=None,
        additional_special_tokens=SPECIALS[2:],
        chat_template=CHAT_TEMPLATE,
        added_tokens_decoder=decoder,
    )


def load(folder: str | Path) -> Tokenizer:
    """Read the merges of a tokenizer.json."""
    with open(Path(folder) / "tokenizer.json", encoding="utf-8") as file:
        merges = json.load(file)["model"]["merges"]
    byte_of = {char: byte for byte, char in enumerate(byte_chars())}

    def raw(token: str) -> bytes:
        return bytes(byte_of[char] for char in token)

    return Tokenizer([(raw(first), raw(second)) for first, second in merges])


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the tokenizer on corpus and tasks.")
    parser.add_argument("corpus", help="corpus.txt")
    parser.add_argument("folder", help="output folder, for instance tok")
    args = parser.parse_args()

    started = time.time()
    with open(args.corpus, encoding="utf-8") as file:
        text = regex.sub(r"%%%DOC .*\n", "", file.read())
    rng = random.Random(7)
    task_texts = [tasks.sample_text(rng) for _ in range(6000)]
    tokenizer = Tokenizer(train([text, *task_texts], 4096))
    tokenizer.save(args.folder)

    sample = text[5_000_000:5_200_000] or text
    ids = tokenizer.encode(sample)
    if tokenizer.decode(ids) != sample:
        raise AssertionError("the tokenizer does not give its input back")
    density = len(sample.encode()) / len(ids)
    print(
        f"merges {len(tokenizer.merges)} vocab {len(tokenizer.tokens)} "
        f"bytes/token {density:.3f} {time.time() - started:.1f}s"
    )


if __name__ == "__main__":
    main()
