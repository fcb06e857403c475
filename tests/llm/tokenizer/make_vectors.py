#!/usr/bin/env python3
"""Writes what tests/llm/tokenizer_test.cc compares with: the first ranks of each family (a family of their own, since
a token's parts stand before it) and texts with the tokens that tiktoken makes of them. Needs pip's tiktoken and
scripts/fetch-tokenizer's files.

    tests/llm/tokenizer/make_vectors.py DIR      DIR holds cl100k_base.tiktoken and o200k_base.tiktoken
"""
import base64
import inspect
import random
import re
import sys
from pathlib import Path

import tiktoken
from tiktoken_ext import openai_public

HERE = Path(__file__).parent
RANKS = 4000


def patterns():
    """As tiktoken has them; it loads the ranks beside them from elsewhere."""
    cl100k = re.search(r'"pat_str": r"""(.*?)"""', inspect.getsource(openai_public.cl100k_base))
    o200k = re.search(r'pat_str = "\|"\.join\((.*?)\n    \)', inspect.getsource(openai_public.o200k_base), re.S)
    return {"cl100k_base": cl100k.group(1), "o200k_base": "|".join(re.findall(r'r"""(.*?)"""', o200k.group(1)))}


WORDS = ["Hello", "world", "don't", "I'LL", "we'Ve", "it'S", "x'\u017f", "12345", "  ", "\n", "\r\n\r\n", " \n ", "\t",
         "...", "!!!", "/", "//", "foo_bar", "CamelCaseWORD", "ǅ", "é", "e\u0301", "\u0301", "日本語", "한국어",
         "العربية", "हिन्दी", "😀", "👨\u200d👩\u200d👧", "\u00a0", "\u3000", "\u2028", "\x85", "\x0b", "١٢٣", "Ⅷ", "½",
         "ʰ", "ª", "{}", "();", "'", "'s", "' ", "'re'll", "\u0301ABC ", "AB\u0301CD", "\x00", "\ufeff", "ſ", "<|endoftext|>"]


def texts(rng):
    yield from ["", " ", "\n", "a", "  a", "  ", "a  ", "a \n", "a \n b", "\n\n  x", "1234567", "'", "'s", "a'", "a'l",
                "The quick brown fox jumps over the lazy dog.", "for (int i = 0; i < 10; ++i) {\n\treturn x[i];\n}\n"]
    for _ in range(60):
        yield "".join(rng.choice(WORDS) + rng.choice(["", " "]) for _ in range(rng.randrange(20)))
    for _ in range(60):
        yield "".join(rng.choice("ABab'\u0301 \n\r/!1ª sſlLeEvVrR") for _ in range(rng.randrange(40)))
    for _ in range(30):
        points = [rng.choice([rng.randrange(0x80), rng.randrange(0x3000), rng.randrange(0x11000)]) for _ in range(40)]
        yield "".join(chr(c) for c in points if not 0xD800 <= c < 0xE000)
    for length in (64, 65, 66, 500, 3000):  # where pieces change the way in which they are merged
        yield "".join(rng.choice("etaoinshrdlu") for _ in range(length))
        yield "a" * length + " " * length + "=-" * (length // 2)


def main():
    with open(HERE / "vectors.txt", "w", encoding="ascii") as out:
        for family, pattern in patterns().items():
            lines = Path(sys.argv[1], f"{family}.tiktoken").read_text(encoding="ascii").splitlines()[:RANKS]
            (HERE / f"{family}.{RANKS}.tiktoken").write_text("\n".join(lines) + "\n", encoding="ascii")
            ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
            encoding = tiktoken.Encoding(family, pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
            for text in texts(random.Random(7)):
                tokens = ",".join(map(str, encoding.encode_ordinary(text)))
                print(family, base64.b64encode(text.encode()).decode() or "-", tokens or "-", file=out)


main()
