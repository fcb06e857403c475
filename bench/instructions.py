#!/usr/bin/env python3
"""Instructions that a request costs Loom in user space, and in which functions, counted by callgrind.

    bench/instructions.py BUILD                     the loom of this build directory (with its load client and mock)
    bench/instructions.py BUILD --before PROGRAM    and of another one: what has changed, function by function
    bench/instructions.py BUILD --set KEY=VALUE     with a line of the conf more (repeatable)
    bench/instructions.py BUILD --features          with each feature on, beside none: what each of them costs

Counts hardly depend on what else the machine does, as times do; what a shard does by the clock is in them, some
percent on a slow machine. The kernel's part is not. Each program answers plain chat requests through conf/bench.conf
twice, some hundred more the second time: the difference belongs to the requests alone.
"""
import argparse
import collections
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What each feature adds to conf/bench.conf. DIR is a folder of the run's own.
FEATURES = {
    "failover, circuit breaker": ["routing.failover.enabled = on"],
    "hedging, which waits": ["routing.failover.enabled = on", "routing.hedge.after = 1m"],
    "stickiness by the user": ["routing.sticky = user"],
    "rate limits of the consumer and of all": [
        "rate_limit.request_rate.limit = 1000000000", "rate_limit.token_rate.limit = 1000000000",
        "rate_limit.global.request_rate = 1000000000", "rate_limit.global.token_rate = 1000000000"],
    "rate limit of the address": ["rate_limit.ip.request_rate = 1000000000"],
    "ledger": ["state.directory = DIR", "token_accounting.enabled = on"],
    "ledger, a budget of tokens": [
        "state.directory = DIR", "token_accounting.enabled = on",
        "token_accounting.limit.bench.monthly_limit = 100000000000"],
    "PII masked in requests, the default types": ["security.pii_detection.enabled = on"],
    "injection, low": ["security.prompt_injection.enabled = on", "security.prompt_injection.sensitivity = low"],
    "injection, medium": ["security.prompt_injection.enabled = on", "security.prompt_injection.sensitivity = medium"],
    "exact cache, a hit": ["cache.exact.enabled = on"],
    "exact cache, a hit, with the ledger": [
        "cache.exact.enabled = on", "state.directory = DIR", "token_accounting.enabled = on"],
}
KEY = "bench-key"
AUTHORIZATION = f"Authorization: Bearer {KEY}"
STEP_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port):
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit(f"instructions: nothing listens on port {port} after {STEP_SECONDS} s")


def wait_while_nudging(process, port):
    """Under valgrind a shard that sleeps is not woken by another thread (the resolver's answer, the signal to end), but
    by a connection it is."""
    deadline = time.monotonic() + STEP_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
        with socket.socket() as nudge:
            nudge.connect_ex(("127.0.0.1", port))
    if process.poll() is None:
        process.kill()
        sys.exit(f"instructions: {process.args[0]} has not ended after {STEP_SECONDS} s")


def end(process, port):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        wait_while_nudging(process, port)


def load(build, port, *words):
    command = [build / "bench/load/loom-load", "--mode", "closed", "--target", f"127.0.0.1:{port}", "--warmup", "0",
               "--duration", str(STEP_SECONDS), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=2 * STEP_SECONDS)


def count(program, build, scratch, requests, body_bytes, more_lines):
    """A callgrind profile of so many requests, the start and the end of the program among them."""
    port, upstream_port = free_port(), free_port()
    conf = scratch / "loom.conf"
    lines = (ROOT / "conf/bench.conf").read_text().splitlines()
    conf.write_text("\n".join([line for line in lines if not line.startswith("admin.")] + ["admin.listen = off"] +
                              [line.replace("DIR", str(scratch / "state")) for line in more_lines] + [""]))
    profile = scratch / f"{requests}.out"
    environment = os.environ | {
        "LOOM_BENCH_PORT": str(port), "LOOM_BENCH_UPSTREAM": f"127.0.0.1:{upstream_port}", "LOOM_BENCH_KEY": KEY,
        "LOOM_BENCH_LOG": str(scratch / "access.log")}
    mock = subprocess.Popen([build / "bench/load/loom-mock", "--listen", f"127.0.0.1:{upstream_port}"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    loom = subprocess.Popen(["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", program, "-config", conf],
                            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(upstream_port)
        wait_for(port)
        first = subprocess.Popen(
            [build / "bench/load/loom-load", "--mode", "closed", "--target", f"127.0.0.1:{port}", "--connections", "1",
             "--warmup", "0", "--duration", str(STEP_SECONDS), "--count", "1", "--header", AUTHORIZATION],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_while_nudging(first, port)
        done = load(build, port, "--connections", "1", "--count", str(requests), "--prompt", str(body_bytes), "--header",
                    AUTHORIZATION)
        if f'"requests":{requests},' not in done.stdout or '"errors":0' not in done.stdout:
            sys.exit(f"instructions: the load did not go through: {done.stdout[:300]}{done.stderr[:300]}")
    finally:
        end(loom, port)
        end(mock, upstream_port)
    return read_profile(profile)


def read_profile(path):
    """Instructions by function, without those of what it calls (callgrind's format, version 1)."""
    names, cost, function, is_call = {}, collections.Counter(), None, False
    for line in path.read_text().splitlines():
        named = re.match(r"^(c?fn)=\((\d+)\)(?: (.*))?$", line)
        if named:
            if named[3]:
                names[named[2]] = named[3]
            if named[1] == "fn":
                function = named[2]
        elif line.startswith("calls="):
            is_call = True  # the next line is the cost of what was called
        elif re.match(r"^[+\-*\d]", line):
            words = line.split()
            if not is_call and function and len(words) > 1:
                cost[names.get(function, function)] += int(words[1])
            is_call = False
    return cost


def per_request(program, build, requests, body_bytes, more_lines=()):
    with tempfile.TemporaryDirectory() as scratch:
        few = count(program, build, Path(scratch), requests // 2, body_bytes, more_lines)
    with tempfile.TemporaryDirectory() as scratch:
        many = count(program, build, Path(scratch), requests + requests // 2, body_bytes, more_lines)
    return {name: (many[name] - few[name]) / requests for name in many}


def print_features(options):
    program, build = (options.build / "loom").resolve(), options.build.resolve()
    base = sum(per_request(program, build, options.requests, options.body).values())
    print(f"| on, beside conf/bench.conf | instructions a request of {options.body} B | more than without |")
    print("| --- | ---: | ---: |")
    print(f"| nothing | {base:.0f} | |", flush=True)
    for name, lines in FEATURES.items():
        cost = sum(per_request(program, build, options.requests, options.body, lines).values())
        print(f"| {name} | {cost:.0f} | {cost - base:+.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--before", type=Path, metavar="PROGRAM")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--body", type=int, default=300, help="bytes of the request's body")
    parser.add_argument("--top", type=int, default=25)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--features", action="store_true")
    options = parser.parse_args()
    if options.features:
        return print_features(options)
    now = per_request((options.build / "loom").resolve(), options.build.resolve(), options.requests, options.body,
                      options.set)
    print(f"{sum(now.values()):.0f} instructions a request")
    before = {}
    if options.before:
        before = per_request(options.before.resolve(), options.build.resolve(), options.requests, options.body)
        print(f"{sum(before.values()):.0f} before: {sum(now.values()) / sum(before.values()):.3f}")
    names = sorted(set(now) | set(before), key=lambda name: -abs(now.get(name, 0) - before.get(name, 0)))
    for name in names[:options.top]:
        change = f"{now.get(name, 0) - before.get(name, 0):+9.0f}" if before else ""
        print(f"{now.get(name, 0):9.0f}{change}  {name[:110]}")


if __name__ == "__main__":
    main()
