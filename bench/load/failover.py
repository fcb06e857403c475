#!/usr/bin/env python3
"""What failover adds: the time of a request whose first provider fails, beside that of one whose first answers.

    bench/load/failover.py LOOM [--requests N] [--rounds N]

One client asks one request after the other on one connection; each provider is a process of its own on loopback. Rounds
alternate among the ways to fail, so that a busy machine is busy for all of them. `added` is the difference to the
median of `answers` of the same round. Nobody is left alone for having failed: breakers are off, and nobody rests.
Every answer is checked, and that every request was failed over as often as it had to be.
"""

import argparse
import multiprocessing
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BODY = b'{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}]}'
ASK = b'{"model":"m","messages":[{"role":"user","content":"Hi"}]}'


def answer(status, body, more=b""):
    return (b"HTTP/1.1 " + status + b"\r\nContent-Type: application/json\r\n" + more +
            b"Content-Length: %d\r\n\r\n" % len(body) + body)


WAYS = {
    "answers": answer(b"200 OK", BODY),
    "refuses": None,  # nobody listens
    "breaks": b"",  # the request is taken, and the connection ends
    "500": answer(b"500 Internal Server Error", b"{}"),
    "429": answer(b"429 Too Many Requests", b"{}", b"retry-after-ms: 0\r\n"),
}


def read_message(peer, buffer):
    """Head and body by its Content-Length; None at the end."""
    while b"\r\n\r\n" not in buffer:
        piece = peer.recv(65536)
        if not piece:
            return None
        buffer += piece
    head, _, rest = bytes(buffer).partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(rest) < length:
        piece = peer.recv(65536)
        if not piece:
            return None
        rest += piece
    buffer[:] = rest[length:]
    return head, rest[:length]


def serve(listener, reply):
    """One connection after the other is enough: Loom keeps one to each provider."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        buffer = bytearray()
        try:
            while read_message(peer, buffer) is not None and reply:
                peer.sendall(reply)
        except ConnectionError:
            pass  # a failed answer's connection is not kept
        peer.close()


def listen():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    return listener


def conf(main_port, admin_port, ports, good_port):
    lines = [f"listener.http.address = 127.0.0.1:{main_port}", f"admin.listen = 127.0.0.1:{admin_port}",
             "loop.shards = 1", "log.access.path = /dev/null", "log.level = error", "routing.failover.enabled = on",
             "routing.failover.retry_budget = 100%", "routing.failover.circuit_breaker.failure_threshold = 0",
             "consumer.bench.api_key = bench-key", "provider.good.type = openai", "provider.good.api_key = k",
             f"provider.good.base_url = http://127.0.0.1:{good_port}/v1", "provider.good.priority = 2"]
    names = []
    for way, port in ports.items():
        name = f"first-{way}"
        names.append(f"m-{way}")
        lines += [f"provider.{name}.type = openai", f"provider.{name}.api_key = k",
                  f"provider.{name}.base_url = http://127.0.0.1:{port}/v1", f"provider.{name}.priority = 1",
                  f"provider.{name}.models = m-{way}"]
    lines += [f"provider.good.models = {', '.join(names)}", "route.ai.path = /v1/*", "route.ai.auth.type = api_key"]
    return "\n".join(lines) + "\n"


def cpu_us(pid):
    """What its threads have run: the scheduler's count, which a busy machine leaves alone."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(one.read_text().split()[0]) for one in tasks) / 1000


def run_way(peer, pid, way, count):
    """Times of the requests, and Loom's CPU time for one, in µs."""
    before = cpu_us(pid)
    times = ask(peer, way, count)
    return times, (cpu_us(pid) - before) / count


def ask(peer, way, count):
    """Times in µs."""
    body = ASK.replace(b'"m"', b'"m-' + way.encode() + b'"')
    request = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: l\r\nAuthorization: Bearer bench-key\r\n"
               b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    attempts = b"x-loom-attempts: 1" if way == "answers" else b"x-loom-attempts: 2"
    buffer, times = bytearray(), []
    for _ in range(count):
        begun = time.perf_counter_ns()
        peer.sendall(request)
        message = read_message(peer, buffer)
        times.append((time.perf_counter_ns() - begun) / 1000)
        if message is None or b" 200 " not in message[0].split(b"\r\n")[0] or message[1] != BODY or attempts not in message[0]:
            sys.exit(f"failover: {way}: not the answer: {message}")
    return times


def connect(port):
    for _ in range(200):
        try:
            peer = socket.create_connection(("127.0.0.1", port))
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return peer
        except ConnectionRefusedError:
            time.sleep(0.02)  # it starts
    sys.exit("failover: loom does not listen")


def percentile(times, which):
    return sorted(times)[min(len(times) - 1, len(times) * which // 100)]


def spread(values):
    return f"{statistics.median(values):.0f} ({min(values):.0f}–{max(values):.0f})"


def row(label, these, base=None):
    """Of [(times, CPU)], one of each round; base: what `added` is beside."""
    p50 = [statistics.median(one[0]) for one in these]
    told = ("", "") if base is None else (spread([a - statistics.median(b[0]) for a, b in zip(p50, base)]),
                                          spread([a[1] - b[1] for a, b in zip(these, base)]))
    tail = statistics.median(percentile(one[0], 99) for one in these)
    print(f"| {label} | {spread(p50)} | {told[0]} | {tail:.0f} | {spread([one[1] for one in these])} | {told[1]} |")


def report(rounds):
    print("| first provider | p50, µs | added p50, µs | p99, µs | Loom's CPU a request, µs | added, µs |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    answers = [one["answers"] for one in rounds]
    for way in WAYS:
        row(way, [one[way] for one in rounds], None if way == "answers" else answers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loom")
    parser.add_argument("--requests", type=int, default=300, help="of each way, in a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    servers, ports, held = [], {}, []
    good = None
    for way, reply in [*WAYS.items(), ("good", WAYS["answers"])]:
        listener = listen()
        held.append(listener)
        if reply is not None:
            listener.listen(64)
            servers.append(multiprocessing.Process(target=serve, args=(listener, reply), daemon=True))
            servers[-1].start()
        if way == "good":
            good = listener.getsockname()[1]
        else:
            ports[way] = listener.getsockname()[1]
    free = [listen() for _ in range(2)]
    main_port, admin_port = (one.getsockname()[1] for one in free)
    for one in free:
        one.close()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "loom.conf"
        path.write_text(conf(main_port, admin_port, ports, good))
        loom = subprocess.Popen([options.loom, "--config", str(path)], stdout=subprocess.DEVNULL)
        try:
            peer = connect(main_port)
            peer.settimeout(10)
            for way in WAYS:
                ask(peer, way, 20)  # warm
            rounds = [{way: run_way(peer, loom.pid, way, options.requests) for way in WAYS}
                      for _ in range(options.rounds)]
        finally:
            loom.terminate()
            loom.wait()
            for one in servers:
                one.terminate()
    load = os.getloadavg()[0]
    print(f"{options.rounds} rounds of {options.requests} requests each; load average at the end {load:.1f}\n")
    report(rounds)


if __name__ == "__main__":
    main()
