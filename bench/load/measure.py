"""One measured run: the load client beside a proxy, and what is read from both."""

import json
import os
import subprocess

import proxies

LOAD_CPU = {"split": 1, "same": 0}


class RunFailed(Exception):
    pass


def load_command(stage, workload, target, duration, warmup, watch):
    command = [str(stage.build / "bench/load/loom-load"), "--cpu", str(LOAD_CPU[workload.place]), "--target", target,
               "--header", "Authorization: Bearer bench-key", "--duration", str(duration), "--warmup", str(warmup),
               "--ramp", str(workload.ramp)]
    if workload.tls:
        command += ["--tls", "on"]
    if watch:
        command += ["--watch", ",".join(str(pid) for pid in watch)]
    return command + list(workload.args)


def rss_kb(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            total += sum(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    return total


def empty_logs(stage):
    """An access log grows by 10 MB a second here."""
    for log in stage.dir.glob("*access.log"):
        os.truncate(log, 0)


def run_load(command, limit_s):
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, preexec_fn=proxies.die_with_parent)
    lines = done.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise RunFailed(f"loom-load ended with {done.returncode}: {done.stderr.strip()[:400]}")
    return json.loads(lines[-1]), done.stderr.strip()


def run_once(stage, workload, name, duration, warmup):
    """Returns a flat dictionary of what this run showed."""
    stage.running["mock"].move_to(LOAD_CPU[workload.place])
    pids = []
    if name != "direct":
        process = stage.ready(name, workload.upstream_tls, workload.fresh)
        pids = process.pids()
    empty_logs(stage)
    rss_before = rss_kb(pids)
    warmup += workload.settle
    command = load_command(stage, workload, proxies.address_of(name, workload.tls), duration, warmup, pids)
    result, complaint = run_load(command, duration + warmup + workload.ramp + 30)
    if name != "direct":
        stage.alive(name)  # it may have died of the load
    result["rss_kb_fresh"] = rss_before
    result["complaint"] = complaint
    if pids and workload.per and result[workload.per] > 0:
        result["cpu_us_each"] = result["cpu_ns"] / 1000 / result[workload.per]
        result["proxy_cpu_share"] = result["cpu_ns"] / 1e9 / result["seconds"]
    if pids and result["connections"] > 0:
        result["rss_kb_each"] = (result["rss_kb"] - rss_before) / result["connections"]
    return result


def perf_works():
    return os.path.exists("/sys/kernel/tracing/events/raw_syscalls/sys_enter/id") and has_program("perf")


def has_program(name):
    return any(os.access(os.path.join(folder, name), os.X_OK) for folder in os.environ["PATH"].split(":"))


def count_syscalls(stage, workload, name, duration):
    """System calls of the proxy per request or event, counted by perf over a whole load run."""
    stage.running["mock"].move_to(LOAD_CPU[workload.place])
    pids = stage.alive(name).pids()
    load = load_command(stage, workload, proxies.address_of(name, workload.tls), duration, 0, [])
    out = stage.dir / "perf.csv"
    perf = ["perf", "stat", "-x", ",", "-o", str(out), "-e", "raw_syscalls:sys_enter", "-p",
            ",".join(str(pid) for pid in pids), "--"]
    result, _ = run_load(perf + load, duration + 30)
    for line in out.read_text().splitlines():
        field = line.split(",")[0]
        if "raw_syscalls" in line and field.isdigit():
            return int(field) / max(1, result[workload.per])
    raise RunFailed(f"perf counted nothing: {out.read_text().strip()[-200:]}")
