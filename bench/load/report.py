"""Turns runs into a page: medians, spread, ratios to nginx by round, and the bars of the project."""

import dataclasses
import datetime
import os
import pathlib
import platform
import statistics
import subprocess
import sys

import workloads


@dataclasses.dataclass
class Run:
    given: object
    started: list
    results: dict
    micro: list
    notes: list


def one_line(workload, result):
    """For the progress on the terminal."""
    text = ""
    if "cpu_us_each" in result:
        text = f"{result['cpu_us_each']:7.2f} us per {workload.per[:-1]}, proxy core {result['proxy_cpu_share']:.0%} busy"
    if workload.direct:
        text += f", p50 {result['latency_us']['p50']:.0f} us p99 {result['latency_us']['p99']:.0f} us"
    if workload.fresh:
        text += f", {result.get('rss_kb_each', 0):.2f} KB a connection"
    return text + f", errors {result['errors']}"


def values(run, workload_name, proxy, read):
    found = []
    for result in run.results.get(workload_name, {}).get(proxy, []):
        try:
            found.append(read(result))
        except KeyError:
            pass
    return found


def shown(numbers, digits=2):
    """Median, and the lowest and highest in parentheses."""
    if not numbers:
        return "–"
    middle = f"{statistics.median(numbers):,.{digits}f}".replace(",", " ")
    if len(numbers) == 1:
        return middle
    low, high = (f"{f(numbers):,.{digits}f}".replace(",", " ") for f in (min, max))
    return f"{middle} ({low}–{high})"


def ratios(run, workload_name, proxy, read, peer="nginx"):
    """Proxy to peer, round by round: what disturbs a round disturbs both."""
    own = values(run, workload_name, proxy, read)
    others = values(run, workload_name, peer, read)
    return [a / b for a, b in zip(own, others) if b > 0]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def cpu_us(result):
    return result["cpu_us_each"]


def cpu_table(run):
    pairs = [(name, "nginx") for name in run.started if name != "nginx"]
    if "before" in run.started:
        pairs.append(("loom", "before"))
    head = ["workload"] + run.started + [f"{name} / {peer}" for name, peer in pairs] + ["bar (Loom / nginx)"]
    rows = []
    for workload in workloads.WORKLOADS:
        if not workload.per or workload.name not in run.results:
            continue
        row = [workload.label] + [shown(values(run, workload.name, name, cpu_us)) for name in run.started]
        row += [shown(ratios(run, workload.name, name, cpu_us, peer)) for name, peer in pairs]
        rows.append(row + [verdict(run, workload)])
    return table(head, rows) if rows else ""


def verdict(run, workload):
    if not workload.bar:
        return ""
    found = ratios(run, workload.name, "loom", cpu_us)
    if not found:
        return f"{workload.bar:.2f}"
    return f"{workload.bar:.2f} {'holds' if statistics.median(found) <= workload.bar else '**missed**'}"


def rate_table(run):
    rows = []
    for workload in workloads.WORKLOADS:
        if workload.name not in run.results or not workload.name.endswith(("-split", "-same")):
            continue
        row = [workload.label]
        for name in run.started:
            busy = values(run, workload.name, name, lambda r: r["proxy_cpu_share"] * 100)
            rate = shown(values(run, workload.name, name, lambda r: r["rate"]), 0)
            row.append(f"{rate}, {statistics.median(busy):.0f} %" if busy else "–")
        rows.append(row)
    head = ["requests a second; share of its core that the proxy used"] + run.started
    return table(head, rows) if rows else ""


def latency_table(run):
    if "open-2000" not in run.results:
        return ""
    rows = []
    for key, label in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9")):
        def read(result, key=key):
            return result["latency_us"][key]
        direct = values(run, "open-2000", "direct", read)
        row = [f"added {label}, µs", shown(direct, 0)]
        for name in run.started:
            own = values(run, "open-2000", name, read)
            row.append(shown([a - b for a, b in zip(own, direct)], 0))
        rows.append(row)
    return table(["open loop, 2 000 requests a second", "(direct to the mock)"] + run.started, rows)


def stream_table(run):
    rows = []
    for workload in workloads.WORKLOADS:
        if workload.per != "events" or workload.name not in run.results:
            continue
        for key, label in (("first_event", "first event"), ("event_delay", "written by the mock → read by the client")):
            for percentile in ("p50", "p99"):
                def read(result, key=f"{key}_us", percentile=percentile):
                    return result[key][percentile]
                row = [f"{workload.label}: {label}, {percentile}"]
                row += [shown([v for v in values(run, workload.name, name, read) if v], 0) for name in run.started]
                rows.append(row)
        rows.append([f"{workload.label}: events a second"] + [
            shown(values(run, workload.name, name, lambda r: r["event_rate"]), 0) for name in run.started])
    return table(["µs, where it says nothing else"] + run.started, rows) if rows else ""


def memory_table(run):
    rows = []
    lines = (("idle-10k", "after start, KB", lambda r: r["rss_kb_fresh"], 0, ""),
             ("paced-2000", "per live stream (2 000), KB", lambda r: r["rss_kb_each"], 2, "5"),
             ("idle-10k", "per idle client (10 000, one request each), KB", lambda r: r["rss_kb_each"], 2, "1"),
             ("syscalls-request", "system calls per request at saturation", lambda r: r["calls_each"], 2,
              str(workloads.SYSCALL_BAR)),
             ("syscalls-event", "system calls per event, unpaced, one a write", lambda r: r["calls_each"], 2, ""))
    for workload_name, label, read, digits, bar in lines:
        if workload_name in run.results:
            rows.append([label] + [shown(values(run, workload_name, n, read), digits) for n in run.started] + [bar])
    return table(["memory (RSS), system calls"] + run.started + ["bar"], rows) if rows else ""


def micro_table(run):
    rows = []
    for row in run.micro:
        speed = f"{row['bytes_per_second'] / 1e9:.2f} GB/s" if "bytes_per_second" in row else ""
        rows.append([f"{row['program']} {row['name']}", f"{row['cpu_time']:.0f} {row['time_unit']}", speed])
    return table(["micro bench", "CPU time", "speed"], rows) if rows else ""


def first_line(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().splitlines()[0]
    except (OSError, IndexError):
        return "?"


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine(run):
    memory_kb = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    path = os.environ["PATH"]
    os.environ["PATH"] = path + ":/usr/sbin:/sbin"
    versions = {"nginx": first_line(["nginx", "-v"]), "haproxy": first_line(["haproxy", "-v"]),
                "loom": first_line([f"{run.given.build}/loom", "--version"]),
                "commit": first_line(["git", "rev-parse", "--short", "HEAD"])}
    os.environ["PATH"] = path
    rows = [f"- Machine: {cpu_model()}, {os.cpu_count()} cores, {memory_kb / 2**20:.0f} GiB, Linux {platform.release()}",
            f"- Programs: {', '.join(versions[name] for name in run.started if name in versions)}; Loom's commit "
            f"{versions['commit']}",
            f"- Date: {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, load average at the end "
            f"{os.getloadavg()[0]:.1f}",
            f"- Command: `scripts/bench {' '.join(command_line())}`: {run.given.rounds} alternating rounds of "
            f"{run.given.seconds:g} s a run"]
    return "\n".join(rows) + "\n"


def command_line():
    arguments = sys.argv[1:]
    return arguments[2:] if arguments[:1] == ["--build"] else arguments


EXPLANATION = """Loom runs with authentication, JSON inspection, usage, metrics and access log on; nginx and HAProxy only relay. One
worker, thread or shard each, keep-alive to the upstream, the same upstream and load, in a network namespace with TCP
reno. *Own core*: proxy on core 0, upstream and load on core 1; *same core*: all on core 0. CPU is user and system time of
all the proxy's threads over what it served, in µs. Every answer is compared, every event's number checked. Given are medians, lowest and
highest in parentheses; ratios are taken within a round. Trust the ratios, not the absolute numbers.
"""


def markdown(run):
    parts = ["# Results of scripts/bench\n", EXPLANATION, machine(run)]
    for title, text in (("CPU time, µs", cpu_table(run)), ("Saturation", rate_table(run)),
                        ("Latency", latency_table(run)), ("Streams", stream_table(run)),
                        ("Memory and system calls", memory_table(run)), ("Micro", micro_table(run))):
        if text:
            parts.append(f"## {title}\n\n{text}")
    if run.notes:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in run.notes) + "\n")
    return "\n".join(parts)
