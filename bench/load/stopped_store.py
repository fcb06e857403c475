#!/usr/bin/env python3
"""What a store that stands still adds: the time of a request while Redis is stopped, or usage.db is held, beside the same
Loom's time before.

    bench/load/stopped_store.py LOOM [--requests N] [--rounds N]

One client asks one request after the other on one connection; the provider is a process of its own on loopback, and each
request passes a limit (with Redis a shared one), a budget and the ledger. `redis` stops a redis-server of the script's own (SIGSTOP) that
limits and sums are shared by; `sqlite` holds an exclusive transaction on usage.db from this process. Rounds alternate
between a store that answers and one that does not, so that a busy machine is busy for both. `added` is the difference
to the store that answers in the same round. Every answer is checked.
"""

import argparse
import multiprocessing
import os
import pathlib
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

from failover import BODY, WAYS, connect, cpu_us, listen, read_message, row, serve

ASK = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'
REQUEST = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer bench-key\r\n"
           b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(ASK) + ASK)


def conf(ports, folder, redis_port):
    lines = [f"listener.http.address = 127.0.0.1:{ports[0]}", f"admin.listen = 127.0.0.1:{ports[1]}", "loop.shards = 1",
             "log.access.path = /dev/null", "log.level = error", f"state.directory = {folder}",
             "consumer.bench.api_key = bench-key", "provider.good.type = openai", "provider.good.api_key = k",
             f"provider.good.base_url = http://127.0.0.1:{ports[2]}/v1", "provider.good.models = m",
             "route.ai.path = /v1/*", "route.ai.auth.type = api_key", "token_accounting.enabled = on",
             "token_accounting.limit.bench.daily_limit = 900000000", "rate_limit.consumer.bench.request_rate = 100000000"]
    if redis_port:
        lines += ["token_accounting.store.type = redis", f"token_accounting.store.redis.address = 127.0.0.1:{redis_port}",
                  "token_accounting.store.redis.timeout = 500ms", "rate_limit.on_store_lost = fail_open"]
    return "\n".join(lines) + "\n"


def ask(peer, pid, count):
    """Times of the requests, and Loom's CPU time for one, in µs."""
    before, buffer, times = cpu_us(pid), bytearray(), []
    for _ in range(count):
        begun = time.perf_counter_ns()
        peer.sendall(REQUEST)
        message = read_message(peer, buffer)
        times.append((time.perf_counter_ns() - begun) / 1000)
        if message is None or b" 200 " not in message[0].split(b"\r\n")[0] or message[1] != BODY:
            sys.exit(f"stopped_store: not the answer: {message}")
    return times, (cpu_us(pid) - before) / count


class Redis:
    def __init__(self, folder):
        with listen() as one:
            self.port = one.getsockname()[1]
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                                         "--dir", folder], stdout=subprocess.DEVNULL)
        connect(self.port).close()

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)
        time.sleep(2)  # leases are drawn again

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait()


class Sqlite:
    port = 0

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "usage.db"
        self.held = None

    def stop(self):
        self.held = sqlite3.connect(self.path, timeout=10, isolation_level=None)
        self.held.execute("BEGIN EXCLUSIVE")
        time.sleep(0.4)  # sums are folded every 200 ms

    def go_on(self):
        self.held.execute("ROLLBACK")
        self.held.close()

    def end(self):
        pass


def run(kind, options, upstream_port):
    with tempfile.TemporaryDirectory() as folder:
        store = kind(folder)
        free = [listen() for _ in range(2)]
        ports = [one.getsockname()[1] for one in free] + [upstream_port]
        for one in free:
            one.close()
        path = pathlib.Path(folder) / "loom.conf"
        path.write_text(conf(ports, folder, store.port))
        loom = subprocess.Popen([options.loom, "--config", str(path)], stdout=subprocess.DEVNULL)
        try:
            peer = connect(ports[0])
            peer.settimeout(10)
            ask(peer, loom.pid, 50)  # warm
            rounds = []
            for _ in range(options.rounds):
                answers = ask(peer, loom.pid, options.requests)
                store.stop()
                stopped = ask(peer, loom.pid, options.requests)
                store.go_on()
                rounds.append((answers, stopped))
        finally:
            loom.terminate()
            store.end()
            loom.wait()
        return rounds


def report(name, rounds):
    for at, state in enumerate(["answers", "stopped"]):
        row(f"{name} | {state}", [one[at] for one in rounds], [one[0] for one in rounds] if at else None)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loom")
    parser.add_argument("--requests", type=int, default=1000, help="of each state, in a round")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    listener = listen()
    listener.listen(64)
    upstream = multiprocessing.Process(target=serve, args=(listener, WAYS["answers"]), daemon=True)
    upstream.start()
    try:
        found = {name: run(kind, options, listener.getsockname()[1]) for name, kind in [("redis", Redis), ("sqlite", Sqlite)]}
    finally:
        upstream.terminate()
    print(f"{options.rounds} rounds of {options.requests} requests each; load average at the end {os.getloadavg()[0]:.1f}\n")
    print("| store | state | p50, µs | added p50, µs | p99, µs | Loom's CPU a request, µs | added, µs |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for name, rounds in found.items():
        report(name, rounds)


if __name__ == "__main__":
    main()
