#!/usr/bin/env python3
"""Clean public-domain texts into corpus.txt.

The input folder holds pg_<ebook number>_<title>.txt files (Project Gutenberg plain text),
inaugural/*.txt and state_union/*.txt (NLTK data packages) and tinyshakespeare.txt.

The output is one text file; each document starts with a line "%%%DOC <name>". Two books are held
out: they go to a second file, corpus.heldout.txt beside corpus.txt.
"""

import argparse
import re
from pathlib import Path

# Whole books that are never trained on.
HELD_OUT = ("pg_708_", "pg_2852_")

REPLACEMENTS = {
    0x2018: "'", 0x2019: "'", 0x201A: ",", 0x201C: '"', 0x201D: '"', 0x201E: '"',
    0x2013: "-", 0x2014: "--", 0x2026: "...", 0x00A0: " ", 0xFEFF: "", 0x0153: "oe",
    0x0152: "Oe", 0x00AD: "",
}  # fmt: skip

GUTENBERG_START = re.compile(
    r"\*\*\* ?START OF TH(?:IS|E) PROJECT GUTENBERG.*?\*\*\*", re.DOTALL | re.IGNORECASE
)
GUTENBERG_SMALL_PRINT = re.compile(r"\*END\*?\s*THE SMALL PRINT.*?\n", re.IGNORECASE)
GUTENBERG_END = re.compile(
    r"\n[^\n]*(?:\*\*\* ?END OF TH(?:IS|E) PROJECT GUTENBERG"
    r"|End of (?:the |this )?Project Gutenberg)",
    re.IGNORECASE,
)
# Paragraphs about the file rather than of the text.
BOILERPLATE = re.compile(
    r"gutenberg|e-?text|ebook|produced by|transcrib|proofread|copyright|html version|scanned"
    r"|www\.|http|ISO-8859|ASCII|UTF-8",
    re.IGNORECASE,
)
TITLE_LINE = re.compile(
    r"(chapter|part|book|section|contents|preface|by|edited|translated|illustrat|the end|vol)\b",
    re.IGNORECASE,
)


def read_text(path: Path) -> str:
    """Read a UTF-8 or Latin-1 file, with plain quotes and dashes and Unix line ends."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(REPLACEMENTS)


def strip_gutenberg(text: str) -> str:
    """Cut the Project Gutenberg header and licence off."""
    start = GUTENBERG_START.search(text) or GUTENBERG_SMALL_PRINT.search(text)
    if start:
        text = text[start.end() :]
    end = GUTENBERG_END.search(text)
    return text[: end.start()] if end else text


def clean_paragraph(lines: list[str]) -> str:
    """Join the lines of a paragraph (indented ones stay verse) and drop notes and ornaments."""
    indented = sum(line.startswith("  ") for line in lines)
    joiner = "\n" if indented * 2 > len(lines) else " "
    text = joiner.join(line.strip() for line in lines)
    text = re.sub(
        r"\[(?:Illustration|Footnote|Note|Picture)[^\]]*\]", "", text, flags=re.IGNORECASE
    )
    text = re.sub(r"\[\d+\]|\(\d+\)", "", text)
    text = text.replace("_", "").replace("=", "")
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r"-{3,}", "--", text)
    return re.sub(r" *\* *(?:\* *)+", " ", text).strip()


def is_prose(text: str) -> bool:
    """Tell running text from headings, tables and boilerplate."""
    letters = sum(c.isalpha() for c in text)
    if not text or letters < 0.5 * len(text) or not any(c.islower() for c in text):
        return False
    if len(text) < 90 and TITLE_LINE.match(text):
        return False
    return not BOILERPLATE.search(text)


def paragraphs(text: str) -> list[str]:
    """Split a text at blank lines into clean paragraphs."""
    out = []
    for block in re.split(r"\n[ \t]*\n+", text):
        lines = [line.rstrip() for line in block.split("\n") if line.strip()]
        paragraph = clean_paragraph(lines) if lines else ""
        if is_prose(paragraph):
            out.append(paragraph)
    return out


def trim_front(parts: list[str]) -> list[str]:
    """Skip title pages and tables of contents: start at the first run of real prose."""
    for i in range(min(len(parts), 400)):
        long_ones = sum(len(part) > 160 for part in parts[i : i + 4])
        if long_ones >= 2 and len(parts[i]) > 90:
            return parts[i:]
    return parts


def read_documents(source: Path) -> list[tuple[str, str]]:
    """Read and clean every document, as (name, text)."""
    documents = []
    for path in sorted(source.glob("pg_*.txt")):
        parts = trim_front(paragraphs(strip_gutenberg(read_text(path))))
        documents.append((path.stem, "\n\n".join(parts)))
    for folder in ("inaugural", "state_union"):
        for path in sorted((source / folder).glob("*.txt")):
            text = read_text(path)
            if folder == "state_union":  # the first paragraph is a title
                text = re.sub(r"\A.*?\n\s*\n", "", text, count=1, flags=re.DOTALL)
            documents.append((f"{folder}_{path.stem}", "\n\n".join(paragraphs(text))))
    plays = read_text(source / "tinyshakespeare.txt").strip()
    documents.append(("tinyshakespeare", plays))
    return documents


def drop_repeated(text: str, seen: set[str]) -> str:
    """Drop long paragraphs that an earlier document had (tales that several books share)."""
    kept = []
    for paragraph in text.split("\n\n"):
        key = re.sub(r"\W+", "", paragraph.lower())
        if len(key) > 120:
            if key in seen:
                continue
            seen.add(key)
        kept.append(paragraph)
    return "\n\n".join(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", type=Path, help="folder of raw texts")
    parser.add_argument("corpus", type=Path, help="output, for instance corpus.txt")
    args = parser.parse_args()

    held_out_path = Path(str(args.corpus).replace(".txt", ".heldout.txt"))
    seen: set[str] = set()
    total = 0
    with (
        open(args.corpus, "w", encoding="utf-8") as training,
        open(held_out_path, "w", encoding="utf-8") as held_out,
    ):
        for name, raw in read_documents(args.source):
            text = drop_repeated(raw, seen)
            is_held_out = name.startswith(HELD_OUT)
            (held_out if is_held_out else training).write(f"%%%DOC {name}\n{text}\n")
            total += len(text)
            print(f"{len(text):8d}  {name}{'  (held out)' if is_held_out else ''}")
    print("total", total)


if __name__ == "__main__":
    main()
