"""Runs the whole-proxy bench. Started by scripts/bench, inside a network namespace of its own."""

import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import measure
import micro
import proxies
import report
import workloads
from proxies import say

FAILURES = (measure.RunFailed, proxies.CannotStart, OSError, subprocess.TimeoutExpired)
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def read_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("--build", default="build-bench")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--proxies", default="loom,nginx,haproxy")
    parser.add_argument("--before")
    parser.add_argument("--out")
    parser.add_argument("--raw")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--micro-targets", metavar="BUILD")
    given = parser.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 3)
    given.seconds = given.seconds or (1 if given.quick else 4)
    given.warmup = 0.3 if given.quick else 1
    given.only = [name for item in given.only for name in item.split(",")]
    given.proxies = given.proxies.split(",") + (["before"] if given.before else [])
    # A partial or short run does not take the place of the whole one.
    whole = not given.quick and not given.only
    given.out = given.out or (str(ROOT / "bench/RESULTS.md") if whole else None)
    check_names(parser, given.only, workloads.names())
    check_names(parser, given.proxies, proxies.NAMES)
    return given


def check_names(parser, names, known):
    for name in names:
        if name not in known:
            parser.error(f"no '{name}'; there are: {', '.join(known)}")


def wanted(given, name):
    return not given.only or name in given.only


def start_all(stage, given, notes):
    """Starts each proxy; one that cannot start is left out, and the report says so."""
    stage.start_mock(cpu=1)
    started = []
    for name in given.proxies:
        try:
            stage.start(name)
            started.append(name)
            say(f"bench: {name} runs")
        except proxies.CannotStart as error:
            notes.append(f"{name} is left out: {error}")
            say(f"bench: {notes[-1]}")
    return started


def run_workload(stage, workload, started, given, results, notes):
    """Alternating runs: each round has every proxy once, so that what drifts drifts for all."""
    behind = []
    for round_index in range(given.rounds):
        for name in started + (["direct"] if workload.direct else []):
            if name in workload.without:
                continue
            try:
                result = measure.run_once(stage, workload, name, given.seconds, given.warmup)
            except FAILURES as error:
                note(notes, f"{name}, {workload.name}: {error}")
                continue
            if not result["aborted"]:
                results.setdefault(workload.name, {}).setdefault(name, []).append(result)
            say(f"  {workload.name:15} {round_index + 1}/{given.rounds}  {name:8} {report.one_line(workload, result)}")
            if workload.nominal and result["event_rate"] < 0.95 * workload.nominal:
                behind.append(result["event_rate"])
            if result["errors"]:
                note(notes, f"{name}, {workload.name}: {result['errors']} errors. {result['complaint'][:300]}")
    if behind:
        note(notes, f"{workload.name}: in {len(behind)} runs upstream and load, which share a core, carried only "
             f"{min(behind):,.0f} to {max(behind):,.0f} events a second instead of {workload.nominal:,}. Then delays and "
             "batching are the load's own, and CPU per event says little.")


def note(notes, text):
    if text not in notes:
        notes.append(text)
        say(f"bench: {text}")


def run_syscalls(stage, started, given, results, notes):
    if not measure.perf_works():
        note(notes, "System calls are not counted: that needs root, perf and tracefs.")
        return
    for workload in workloads.SYSCALL_WORKLOADS:
        for _ in range(given.rounds):
            for name in started:
                try:
                    count = measure.count_syscalls(stage, workload, name, min(2, given.seconds))
                except FAILURES as error:
                    note(notes, f"{name}, {workload.name}: {error}")
                    continue
                results.setdefault(workload.name, {}).setdefault(name, []).append({"calls_each": count})
                say(f"  {workload.name:16} {name:8} {count:.2f}")


def run_everything(given, stage):
    notes, results = [], {}
    started = start_all(stage, given, notes)
    for workload in workloads.WORKLOADS:
        if wanted(given, workload.name):
            run_workload(stage, workload, started, given, results, notes)
    if wanted(given, "syscalls"):
        run_syscalls(stage, started, given, results, notes)
    stage.stop_all()
    micro_rows = micro.run(given.build, given.quick) if wanted(given, "micro") else []
    return report.Run(given, started, results, micro_rows, notes)


def write_results(given, run):
    text = report.markdown(run)
    print(text)
    if given.out:
        pathlib.Path(given.out).write_text(text)
        say(f"bench: wrote {given.out}")
    if given.raw:
        pathlib.Path(given.raw).write_text(json.dumps(run.results, indent=1))


def stop_on_signal(number, _frame):
    sys.exit(128 + number)


def main():
    given = read_arguments()
    if given.list:
        print("\n".join(workloads.names()))
        return
    if given.micro_targets:
        print(" ".join(micro.targets(given.micro_targets)))
        return
    if os.cpu_count() < 2:
        say("bench: one core only: proxy, upstream and load share it, 'own core' means nothing here")
        measure.LOAD_CPU["split"] = 0
    signal.signal(signal.SIGTERM, stop_on_signal)
    signal.signal(signal.SIGINT, stop_on_signal)
    directory = tempfile.mkdtemp(prefix="loom-bench.")
    stage = proxies.Stage(given.build, directory, proxy_cpu=0, before=given.before)
    try:
        write_results(given, run_everything(given, stage))
    finally:
        stage.stop_all()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
