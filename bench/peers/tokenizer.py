#!/usr/bin/env python3
"""Tokens counted by Loom beside tiktoken, the same texts, the same rank file, CPU time, one thread, in turns.

  bench/peers/tokenizer.py TOKENIZER_BENCH RANK_FILE      the program of bench/micro, and scripts/fetch-tokenizer's
                                                          o200k_base.tiktoken

tiktoken (its core is in Rust) comes from PyPI into a directory that is gone at the end. Where the two find different
numbers of tokens in a text, nothing is told.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import venv

TIKTOKEN = "0.14.0"
ROUNDS = 3
SECONDS = 1.0
# As tiktoken_ext/openai_public.py has it for o200k_base.
PATTERN = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
])


def loom_runs(program, ranks, texts_dir):
    """By text: (MB/s, tokens)."""
    env = {**os.environ, "LOOM_RANK_FILE": ranks, "LOOM_WRITE_TEXTS": texts_dir}
    out = subprocess.run([program, "--benchmark_format=json", f"--benchmark_min_time={SECONDS}"], env=env, check=True,
                         capture_output=True, text=True).stdout
    runs = {}
    for one in json.loads(out)["benchmarks"]:
        size = os.path.getsize(os.path.join(texts_dir, one["name"] + ".txt"))
        runs[one["name"]] = (size / one["cpu_time"] * 1e3, round(size / one["bytes/token"]))
    return runs


def tiktoken_runs(ranks, texts_dir):
    import tiktoken
    from tiktoken.load import load_tiktoken_bpe
    encoding = tiktoken.Encoding("o200k_base", pat_str=PATTERN, mergeable_ranks=load_tiktoken_bpe(ranks),
                                 special_tokens={})
    runs = {}
    for name in sorted(os.listdir(texts_dir)):
        with open(os.path.join(texts_dir, name), encoding="utf-8") as file:
            text = file.read()
        tokens = len(encoding.encode_ordinary(text))
        count, begin = 0, time.process_time()
        while time.process_time() - begin < SECONDS:
            encoding.encode_ordinary(text)
            count += 1
        seconds = (time.process_time() - begin) / count
        runs[name.removesuffix(".txt")] = (len(text.encode()) / seconds / 1e6, tokens)
    print(json.dumps(runs))


def main():
    if sys.argv[1:2] == ["--tiktoken"]:
        return tiktoken_runs(*sys.argv[2:])
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    program, ranks = (os.path.abspath(path) for path in sys.argv[1:])
    with tempfile.TemporaryDirectory() as work:
        venv.create(work + "/venv", with_pip=True)
        python = work + "/venv/bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                        "tiktoken==" + TIKTOKEN], check=True)
        texts = work + "/texts"
        os.mkdir(texts)
        rows = {}
        for _ in range(ROUNDS):
            ours = loom_runs(program, ranks, texts)
            out = subprocess.run([python, os.path.abspath(__file__), "--tiktoken", ranks, texts], check=True,
                                 capture_output=True, text=True).stdout
            theirs = json.loads(out)
            for name, (speed, tokens) in ours.items():
                if theirs[name][1] != tokens:
                    sys.exit(f"{name}: Loom counts {tokens} tokens, tiktoken {theirs[name][1]}")
                rows.setdefault(name, []).append((speed, theirs[name][0]))
    print("| text | Loom, MB/s | tiktoken %s, MB/s | ratio |\n| --- | --- | --- | --- |" % TIKTOKEN)
    for name, runs in rows.items():
        loom, peer = (sorted(column)[len(runs) // 2] for column in zip(*runs))
        print(f"| {name} | {loom:.1f} | {peer:.1f} | {loom / peer:.2f} |")


if __name__ == "__main__":
    main()
