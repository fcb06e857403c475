#!/usr/bin/env python3
"""The shape of the tree, as src/ARCHITECTURE.md tells it, checked: which folder may include which, which third-party
header lives where, and what no file may hold. Prints its checks as gtest prints cases.

    tests/style/arrows_test.py [ROOT]             all checks, and the checker against small trees of its own
    tests/style/arrows_test.py [ROOT] --headers   and that every header compiles by itself ($CXX, or clang++-19)
"""
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Folder → the folders it may include. Each may include itself; the build has no other order than this one.
PURE = ["http", "llm", "guard", "cache", "rule", "route", "tenant", "prompt", "observe"]
MAY_INCLUDE = {
    "base": [],
    "config": ["base"],
    "io": ["base"],
    "net": ["base", "io"],
    "store": ["base", "io", "tenant"],  # whose records the ledger's files hold
    "upstream": ["base", "io", "net", "store", "http"],
    **{folder: ["base"] for folder in PURE},
}
# Who chooses and who refuses speak one language of rules.
MAY_INCLUDE["route"] = MAY_INCLUDE["tenant"] = ["base", "rule"]
MAY_INCLUDE["proxy"] = ["base", "io", "net", "store", "upstream"] + PURE
MAY_INCLUDE["admin"] = MAY_INCLUDE["proxy"] + ["proxy"]
MAY_INCLUDE["app"] = MAY_INCLUDE["admin"] + ["admin", "config"]

# Third-party header → where it may be included: a folder stands for src/<folder> and include/loom/<folder>.
THIRD_PARTY = [
    (r"liburing(\.h|/.*)", ["io", "bench"]),
    (r"linux/io_uring\.h", ["io"]),
    (r"simdjson\.h", ["include/loom/base/json.h"]),
    (r"openssl/(ssl|tls1|ssl3|dtls1)\.h", ["net", "bench/load/tls_link.cc", "tests/sim/tls_end.cc"]),
    (r"openssl/.*", ["base", "net", "bench/load/tls_link.cc", "tests/sim/tls_end.cc"]),
    (r"ares(_.*)?\.h", ["net"]),
    (r"zlib\.h|zconf\.h", ["http"]),
    (r"zstd(_errors)?\.h", ["http"]),
    (r"xxhash\.h", ["base"]),
    (r"yaml\.h", ["config"]),
    (r"utf8proc\.h", ["cache"]),
    (r"mimalloc.*\.h", ["base", "app"]),
    (r"benchmark/.*", ["bench"]),
    (r"g(test|mock)/.*", ["tests"]),
    (r"(faiss/.*|cblas\.h)", ["cache"]),
    (r"(sqlite3\.h|hiredis/.*)", ["store"]),
    (r"nghttp2/.*", ["http"]),
    (r"hs(/.*)?\.h", ["guard", "bench"]),
    (r"re2/.*", ["bench"]),
]
PURE_FORBIDS = r"(sys/(socket|epoll|select|poll|uio|un)|netinet/.*|arpa/inet|netdb|poll|pthread|unistd|fcntl)\.h|thread|mutex"

SOURCE = {".h", ".cc", ".hpp", ".cpp", ".inc"}
TEXT = SOURCE | {".py", ".sh", ".conf", ".md", ".lua", ".mjs", ".js", ".build", ".txt", ".json"}
LINES_MAX = 700
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
MARK = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
# Addresses of one machine: a checkout's place or somebody's home.
ONE_MACHINE = re.compile(r"(?<![\w.$}])/(wo" r"rk|ro" r"ot|ho" r"me)/[\w.-]+")


def files(root, *tops):
    for top in tops:
        for folder, names, found in os.walk(root / top):
            names[:] = sorted(n for n in names if n not in ("node_modules", "__pycache__") and not n.startswith("build"))
            for name in sorted(found):
                yield Path(folder) / name


def sources(root, *tops):
    return (path for path in files(root, *tops) if path.suffix in SOURCE)


def read(path):
    return path.read_text(encoding="utf-8", errors="replace")


def place(relative):
    """The folder a file belongs to: src/io/ring.cc and include/loom/io/ring.h are of io, tests/io/x.cc of tests."""
    parts = relative.parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ("include", "loom") and len(parts) > 3:
        return parts[2]
    return parts[0]


def includes(root, path):
    """(line number, name, the folder it lies in or None) of each include; quoted ones are looked up beside the file."""
    text = read(path)
    for match in INCLUDE.finditer(text):
        quote, name = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        target = None
        if name.startswith("loom/"):
            target = name.split("/")[1]
        elif quote == '"':
            beside = Path(os.path.normpath(path.parent / name))
            if beside.exists() and root in beside.parents:
                target = place(beside.relative_to(root))
            elif "/" in name and name.split("/")[0] in MAY_INCLUDE:
                target = name.split("/")[0]
        yield line, name, target


def check_arrows(root):
    """Includes obey base ◄ io ◄ {net, store} ◄ upstream ◄ proxy ◄ admin ◄ app, and the pure folders use base alone, but for those with rules."""
    for path in sources(root, "src", "include"):
        relative = path.relative_to(root)
        folder = place(relative)
        if folder not in MAY_INCLUDE:
            yield f"{relative}: folder '{folder}' is not in the order of the arrows (MAY_INCLUDE)"
            continue
        for line, name, target in includes(root, path):
            if target is not None and target != folder and target not in MAY_INCLUDE[folder]:
                yield f"{relative}:{line}: {folder} may not include {name} ({folder} may use: " \
                      f"{', '.join(MAY_INCLUDE[folder]) or 'nothing'})"


def check_promises(root):
    """Another folder is reached through include/loom/<folder>/ alone, never through its src/."""
    for path in sources(root, "src", "include", "bench"):
        relative = path.relative_to(root)
        for line, name, target in includes(root, path):
            if not name.startswith("loom/") and target in MAY_INCLUDE and target != place(relative):
                yield f"{relative}:{line}: {name} is private to src/{target}; its promises are include/loom/{target}/"
            if relative.parts[0] == "include" and not name.startswith("loom/") and target is not None:
                yield f"{relative}:{line}: a promise includes loom/… headers only, not {name}"


def check_third_party(root):
    """A third-party header stays in its one folder; a test or a bench of that folder may use it too."""
    for path in sources(root, "src", "include", "tests", "bench"):
        relative = path.relative_to(root)
        own = {place(relative)}
        if relative.parts[0] in ("tests", "bench"):
            own |= set(relative.parts[1:-1])
        for line, name, _ in includes(root, path):
            for pattern, allowed in THIRD_PARTY:
                if re.fullmatch(pattern, name):
                    if not own & set(allowed) and str(relative) not in allowed:
                        yield f"{relative}:{line}: <{name}> may be included in {', '.join(allowed)} only"
                    break


def check_pure(root):
    """What understands bytes does no I/O, starts no thread and asks no socket."""
    for path in sources(root, "src", "include"):
        relative = path.relative_to(root)
        if place(relative) not in PURE or place(relative) == "observe":
            continue
        for line, name, _ in includes(root, path):
            if re.fullmatch(PURE_FORBIDS, name):
                yield f"{relative}:{line}: <{name}> does not belong in a folder without I/O"


def check_own_header_first(root):
    """name.cc includes name.h before all else: so each header is seen to compile by itself, at no cost."""
    for path in sources(root, "src"):
        if path.suffix != ".cc":
            continue
        relative = path.relative_to(root)
        own = root / "include" / "loom" / place(relative) / (path.stem + ".h")
        beside = path.with_suffix(".h")
        wanted = f"loom/{place(relative)}/{own.name}" if own.exists() else beside.name if beside.exists() else None
        found = [name for _, name, _ in includes(root, path)]
        in_room = beside.relative_to(root).relative_to(Path(*relative.parts[:2])) if beside.exists() else None
        if wanted and found and found[0] not in (wanted, f"{place(relative)}/{beside.name}", str(in_room)):
            yield f"{relative}: its own header {wanted} comes first, before {found[0]}"


def check_pragma_once(root):
    for path in sources(root, "src", "include", "tests", "bench"):
        if path.suffix == ".h" and not re.search(r"^#pragma once$", read(path), re.M):
            yield f"{path.relative_to(root)}: no #pragma once"


def check_blanks(root):
    """No tab (but in a Makefile), no blank at the end of a line, a newline at the end of the file."""
    for path in files(root, "src", "include", "tests", "bench", "scripts", "conf", ".ci"):
        relative = path.relative_to(root)
        if path.suffix not in TEXT and relative.parts[0] not in ("scripts", ".ci"):
            continue
        if {"golden", "corpus"} & set(relative.parts):
            continue
        text = read(path)
        if text and not text.endswith("\n"):
            yield f"{relative}: no newline at the end"
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield f"{relative}:{number}: a blank at the end of the line"
            if "\t" in line and path.name != "package-lock.json":
                yield f"{relative}:{number}: a tab"


def check_length(root):
    for path in sources(root, "src", "include"):
        count = read(path).count("\n")
        if count > LINES_MAX:
            yield f"{path.relative_to(root)}: {count} lines; a reader is comfortable up to 500, {LINES_MAX} is the limit"


def check_marks(root):
    """Work left undone is an issue, not a mark in the source; and no place of one machine."""
    for path in files(root, "src", "include", "tests", "bench", "scripts", "conf", ".ci", "subprojects/packagefiles"):
        relative = path.relative_to(root)
        if path.suffix not in TEXT and relative.parts[0] not in ("scripts", ".ci"):
            continue
        for number, line in enumerate(read(path).split("\n"), 1):
            if MARK.search(line):
                yield f"{relative}:{number}: a mark of work undone: {line.strip()[:80]}"
            if ONE_MACHINE.search(line):
                yield f"{relative}:{number}: a path of one machine: {line.strip()[:80]}"


def check_headers_alone(root):
    """Every promise compiles by itself."""
    compiler = os.environ.get("CXX", "clang++-19").split()
    for path in sources(root, "include"):
        command = compiler + ["-std=c++2b", "-fsyntax-only", "-x", "c++-header", "-isystem", "/usr/include/android",
                              "-I", str(root / "include"), str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            yield f"{path.relative_to(root)}: does not compile by itself:\n{done.stderr[:600]}"


CHECKS = {
    "Style.ArrowsPointOneWay": check_arrows,
    "Style.PrivateHeadersStayPrivate": check_promises,
    "Style.ThirdPartyHeadersStayInOneFolder": check_third_party,
    "Style.PureFoldersDoNoIo": check_pure,
    "Style.OwnHeaderComesFirst": check_own_header_first,
    "Style.HeadersAreIncludedOnce": check_pragma_once,
    "Style.NoTabsNoTrailingBlanks": check_blanks,
    "Style.FilesFitAReader": check_length,
    "Style.NoMarksNoMachine": check_marks,
}

GOOD_TREE = {
    "include/loom/base/result.h": "#pragma once\n",
    "include/loom/io/ring.h": "#pragma once\n#include <liburing.h>\n#include \"loom/base/result.h\"\n",
    "src/io/detail.h": "#pragma once\n",
    "src/io/ring.cc": "#include \"loom/io/ring.h\"\n#include \"detail.h\"\n#include <vector>\n",
    "src/upstream/pool.cc": "#include \"loom/io/ring.h\"\n#include \"loom/http/head.h\"\n",
    "src/route/chosen.cc": "#include \"loom/rule/rule.h\"\n",
    "src/proxy/relay.cc": "#include \"loom/upstream/pool.h\"\n#include <loom/llm/delta.h>\n",
    "src/app/main.cc": "#include <mimalloc.h>\n#include \"loom/config/config.h\"\n",
    "tests/io/ring_test.cc": "#include <gtest/gtest.h>\n#include <liburing.h>\n#include \"../../src/io/detail.h\"\n",
    "src/io/meson.build": "io_lib = static_library('io', 'ring.cc')\n",
}

# What must be refused: a file more in the good tree → the check that says so.
WRONG = [
    ("src/base/up.cc", '#include "loom/io/ring.h"\n', "Style.ArrowsPointOneWay"),
    ("src/http/sideways.cc", "#include <loom/llm/delta.h>\n", "Style.ArrowsPointOneWay"),
    ("src/upstream/up.cc", '#include "loom/proxy/exchange.h"\n', "Style.ArrowsPointOneWay"),
    ("src/rule/up.cc", '#include "loom/route/choose.h"\n', "Style.ArrowsPointOneWay"),
    ("src/http/rules.cc", '#include "loom/rule/rule.h"\n', "Style.ArrowsPointOneWay"),
    ("src/llm/read.cc", '  #  include "loom/config/config.h"\n', "Style.ArrowsPointOneWay"),
    ("src/net/private.cc", '#include "../io/detail.h"\n', "Style.PrivateHeadersStayPrivate"),
    ("include/loom/io/leak.h", '#pragma once\n#include "../../../src/io/detail.h"\n', "Style.PrivateHeadersStayPrivate"),
    ("src/nowhere/x.cc", "int x;\n", "Style.ArrowsPointOneWay"),
    ("src/net/ring.cc", "#include <liburing.h>\n", "Style.ThirdPartyHeadersStayInOneFolder"),
    ("src/llm/json.cc", "#include <simdjson.h>\n", "Style.ThirdPartyHeadersStayInOneFolder"),
    ("src/base/tls.cc", "#include <openssl/ssl.h>\n", "Style.ThirdPartyHeadersStayInOneFolder"),
    ("src/http/socket.cc", "#include <sys/socket.h>\n", "Style.PureFoldersDoNoIo"),
    ("src/base/result.cc", '#include <vector>\n#include "loom/base/result.h"\n', "Style.OwnHeaderComesFirst"),
    ("include/loom/base/twice.h", "int x();\n", "Style.HeadersAreIncludedOnce"),
    ("src/io/blank.cc", "int x; \n", "Style.NoTabsNoTrailingBlanks"),
    ("src/io/tab.cc", "\tint x;\n", "Style.NoTabsNoTrailingBlanks"),
    ("src/io/unended.cc", "int x;", "Style.NoTabsNoTrailingBlanks"),
    ("src/io/long.cc", "int x;\n" * (LINES_MAX + 1), "Style.FilesFitAReader"),
    ("src/io/mark.cc", "// TO" "DO: later\n", "Style.NoMarksNoMachine"),
    ("conf/place.conf", "include = /ro" "ot/secret.conf\n", "Style.NoMarksNoMachine"),
]


def write_tree(root, tree):
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def check_the_checker(_):
    """The good tree passes every check; each wrong file is refused by its check, naming the file."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder))
        write_tree(root, GOOD_TREE)
        for name, check in CHECKS.items():
            yield from (f"{name} refuses the good tree: {complaint}" for complaint in check(root))
        for path, text, expected in WRONG:
            write_tree(root, {path: text})
            if not any(complaint.startswith(path) for complaint in CHECKS[expected](root)):
                yield f"{expected} lets through {path}: {text.strip()[:80]!r}"
            (root / path).unlink()
            if path.startswith("src/nowhere"):
                (root / path).parent.rmdir()


def run(name, check, root):
    print(f"[ RUN      ] {name}", flush=True)
    started = time.monotonic()
    complaints = list(check(root))
    milliseconds = int((time.monotonic() - started) * 1000)
    for complaint in complaints:
        print(complaint)
    print(f"[{'  FAILED  ' if complaints else '       OK '}] {name} ({milliseconds} ms)", flush=True)
    return not complaints


def main():
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    root = Path(os.path.realpath(arguments[0] if arguments else Path(__file__).parents[2]))
    checks = {"Style.TheCheckerRefusesWrongTrees": check_the_checker, **CHECKS}
    if "--headers" in sys.argv:
        checks["Style.HeadersCompileAlone"] = check_headers_alone
    results = [run(name, check, root) for name, check in checks.items()]
    print(f"{results.count(True)} passed, {results.count(False)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
