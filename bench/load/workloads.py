"""The workloads of the bench: what the load client is asked for, and what is made of its answer."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Workload:
    name: str
    label: str
    args: tuple                # of loom-load
    per: str = "requests"      # what the CPU time is divided by: requests, events; "" when latency is what counts
    place: str = "split"       # split: proxy on core 0, mock and load on core 1; same: all on core 0
    fresh: bool = False        # starts the proxy anew, for its memory
    direct: bool = False       # is also run against the mock itself, to know what the proxy adds
    ramp: float = 0            # seconds to open the connections
    settle: float = 0          # seconds of warming up beyond the usual
    without: tuple = ()        # proxies that cannot take part
    nominal: int = 0           # events a second that the mock should pace; fewer mean that core 1 is the bottleneck
    tls: bool = False          # clients speak TLS with the proxy
    upstream_tls: bool = False  # the proxy speaks TLS with the upstream
    bar: float = 0             # the bar for Loom: CPU relative to nginx


def closed(prompt):
    return ("--connections", "64", "--prompt", str(prompt))


def streams(count, mock):
    return ("--connections", str(count), "--stream", "on", "--mock", mock)


WORKLOADS = [
    Workload("300-split", "request 300 B, own core", closed(300), bar=0.80),
    Workload("300-same", "request 300 B, same core", closed(300), place="same", bar=0.60),
    Workload("4k-split", "request 4 KiB, own core", closed(4096), bar=0.70),
    Workload("4k-same", "request 4 KiB, same core", closed(4096), place="same"),
    Workload("64k-split", "request 64 KiB, own core", closed(65536), bar=1.05),
    Workload("64k-same", "request 64 KiB, same core", closed(65536), place="same"),
    Workload("1m-split", "request 1 MiB, own core", closed(1 << 20)),
    Workload("1m-same", "request 1 MiB, same core", closed(1 << 20), place="same"),
    Workload("300-tls-client", "request 300 B, TLS from the client, own core", closed(300), tls=True, bar=0.95,
             without=("floor",)),
    Workload("300-tls-upstream", "request 300 B, TLS to the upstream, own core", closed(300), upstream_tls=True,
             bar=0.88, without=("floor",)),
    Workload("300-tls-both", "request 300 B, TLS on both sides, own core", closed(300), tls=True, upstream_tls=True,
             without=("floor",)),
    Workload("events-1", "event, 64 streams unpaced, one a write", streams(64, "events=200"), per="events", bar=1.00),
    Workload("events-16", "event, 64 streams unpaced, 16 a write", streams(64, "events=200,per_write=16"),
             per="events", bar=1.50),
    Workload("paced-500", "event, 500 streams at 20 ms", streams(500, "events=200,interval_us=20000"), per="events",
             ramp=1, settle=0.5, nominal=25_000),
    Workload("paced-500-tls-client", "event, 500 streams at 20 ms, TLS from the client",
             streams(500, "events=200,interval_us=20000"), per="events", ramp=1, settle=0.5, fresh=True, nominal=25_000,
             tls=True, bar=1.00, without=("floor",)),
    Workload("paced-500-tls-both", "event, 500 streams at 20 ms, TLS on both sides",
             streams(500, "events=200,interval_us=20000"), per="events", ramp=1, settle=0.5, fresh=True, nominal=25_000,
             tls=True, upstream_tls=True, bar=1.00, without=("floor",)),
    Workload("paced-2000-slow", "event, 2 000 streams at 80 ms", streams(2000, "events=50,interval_us=80000"),
             per="events", ramp=2, settle=0.5, nominal=25_000),
    Workload("paced-2000", "event, 2 000 streams at 20 ms", streams(2000, "events=200,interval_us=20000"),
             per="events", ramp=2, settle=0.5, fresh=True, nominal=100_000, bar=1.00),
    Workload("open-2000", "open loop, 2 000 req/s of 300 B",
             ("--mode", "open", "--connections", "256", "--rate", "2000", "--prompt", "300"), direct=True),
    Workload("idle-10k", "10 000 idle clients", ("--mode", "idle", "--connections", "10000"), per="", ramp=4,
             settle=0.5, fresh=True, without=("floor",)),  # it opens an upstream connection for each client
]

# Counted in short runs of their own: to count costs time.
SYSCALL_WORKLOADS = [
    Workload("syscalls-request", "system calls per request at saturation", closed(300)),
    Workload("syscalls-event", "system calls per event, unpaced, one a write", streams(64, "events=200"),
             per="events"),
]

SYSCALL_BAR = 0.4
EXTRA_NAMES = ["syscalls", "micro"]


def names():
    return [w.name for w in WORKLOADS] + EXTRA_NAMES
