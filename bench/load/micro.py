"""The micro benches (Google Benchmark programs of bench/micro): which there are, and what they say."""

import json
import pathlib
import subprocess

from proxies import die_with_parent, say


def targets(build):
    """Names of the ninja targets, for scripts/bench to build."""
    done = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], capture_output=True, text=True)
    names = [line.split(":")[0] for line in done.stdout.splitlines()]
    return [name for name in names if name.startswith("bench/micro/") and name.endswith("_bench")]


def run(build, quick):
    rows = []
    for program in sorted((pathlib.Path(build) / "bench/micro").glob("*_bench")):
        say(f"bench: {program.name}")
        rows += run_program(program, quick)
    return rows


def run_program(program, quick):
    command = ["taskset", "-c", "0", str(program), "--benchmark_format=json",
               f"--benchmark_min_time={0.02 if quick else 0.3}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, preexec_fn=die_with_parent)
        rows = json.loads(done.stdout)["benchmarks"]
    except (subprocess.TimeoutExpired, ValueError, KeyError) as error:
        say(f"bench: {program.name} failed: {error}")
        return []
    return [{"program": program.name, **row} for row in rows if row.get("run_type", "iteration") == "iteration"]
