"""Starts and stops the processes of the bench: the mock, the proxies, one process or two each, all ended by their id."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / "bench/peers"
MOCK_ADDRESS = "127.0.0.1:9000"
TLS_MOCK_ADDRESS = "127.0.0.1:9020"
PORTS = {"nginx": 9001, "haproxy": 9002, "loom": 9003, "floor": 9004, "before": 9005}
TLS_PORTS = {"nginx": 9021, "haproxy": 9022, "loom": 9023, "before": 9025}  # the same again, for clients that speak TLS
ADMIN_PORTS = {"loom": 9013, "before": 9015}
NAMES = ["loom", "nginx", "haproxy", "floor", "before"]


class CannotStart(Exception):
    pass


def die_with_parent():
    """So that nothing outlives the script, even when it is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    os.setsid()  # ^C reaches the script alone, which then ends the others in order


class Process:
    def __init__(self, name, command, cpu, log, environment=None):
        self.name = name
        self.log = log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(["taskset", "-c", str(cpu)] + command, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, preexec_fn=die_with_parent)

    def pids(self):
        """The process and its children (nginx has a master and a worker)."""
        pid = self.popen.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid] + [int(child) for child in children]

    def move_to(self, cpu):
        for pid in self.pids():
            for task in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(task), {cpu})

    def wait_until_listening(self, address, seconds=10):
        host, port = address.rsplit(":", 1)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.popen.poll() is not None:
                raise CannotStart(f"{self.name} ended at once with code {self.popen.returncode}: {self.last_words()}")
            try:
                socket.create_connection((host, int(port)), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise CannotStart(f"{self.name} does not listen on {address} after {seconds} s: {self.last_words()}")

    def last_words(self):
        text = pathlib.Path(self.log).read_text(errors="replace").strip()
        return " / ".join(text.splitlines()[-3:]) or "(it said nothing)"

    def stop(self):
        if self.popen.poll() is not None:
            return
        self.popen.terminate()
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class Stage:
    """All processes of a run, and the directory of their files."""

    def __init__(self, build, directory, proxy_cpu, before=None):
        self.build = pathlib.Path(build)
        self.before = before  # the program of an earlier Loom
        self.dir = pathlib.Path(directory)
        self.proxy_cpu = proxy_cpu
        self.running = {}
        self.upstream_tls = {}  # proxy → how it was started
        self.make_certificate()

    def make_certificate(self):
        """One for all proxies, P-256, as most of the world's are."""
        crt, key = self.dir / "bench.crt", self.dir / "bench.key"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                   "-days", "30", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                   "-keyout", str(key), "-out", str(crt)]
        subprocess.run(command, check=True, capture_output=True)
        (self.dir / "bench.pem").write_text(crt.read_text() + key.read_text())

    def start_mock(self, cpu):
        mock = Process("mock", [str(self.build / "bench/load/loom-mock"), "--listen", MOCK_ADDRESS,
                                "--tls-listen", TLS_MOCK_ADDRESS, "--certificate", str(self.dir / "bench.crt"), "--key",
                                str(self.dir / "bench.key")], cpu, self.dir / "mock.log")
        self.running["mock"] = mock
        mock.wait_until_listening(MOCK_ADDRESS)

    def start(self, name, upstream_tls=False):
        """Starts a proxy and returns its Process; CannotStart says why not."""
        command = self.command(name, upstream_tls)
        self.upstream_tls[name] = upstream_tls
        process = Process(name, command, self.proxy_cpu, self.dir / f"{name}.log", self.environment(name))
        self.running[name] = process
        process.wait_until_listening(f"127.0.0.1:{PORTS[name]}")
        return process

    def ready(self, name, upstream_tls, fresh):
        """The running process, started anew where it speaks otherwise with the upstream or is wanted `fresh`."""
        if not fresh and self.upstream_tls.get(name) == upstream_tls:
            return self.alive(name)
        self.stop(name)
        return self.start(name, upstream_tls)

    def alive(self, name):
        """The running process. One that has died is started anew, but CannotStart tells of it first."""
        process = self.running[name]
        if process.popen.poll() is None:
            return process
        words = f"{name} died with code {process.popen.returncode}: {process.last_words()}"
        self.start(name, self.upstream_tls[name])
        raise CannotStart(words)

    def stop(self, name):
        if name in self.running:
            self.running.pop(name).stop()

    def stop_all(self):
        for name in list(self.running):
            self.stop(name)

    def command(self, name, upstream_tls):
        if name == "nginx":
            conf = self.fill("nginx.conf", name, upstream_tls)
            return [find("nginx"), "-c", conf, "-p", str(self.dir), "-e", str(self.dir / "nginx-error.log")]
        if name == "haproxy":
            return [find("haproxy"), "-db", "-f", self.fill("haproxy.cfg", name, upstream_tls)]
        if name in ADMIN_PORTS:
            program = pathlib.Path(self.before) if name == "before" else self.build / "loom"
            upstream = ["-set", f"provider.mock.base_url=https://{TLS_MOCK_ADDRESS}/v1",
                        "-set", f"provider.mock.tls.ca_file={self.dir / 'bench.crt'}"] if upstream_tls else []
            return [existing(program), "-config", str(ROOT / "conf/bench.conf"), *upstream,
                    "-set", f"listener.https.address=127.0.0.1:{TLS_PORTS[name]}",
                    "-set", f"listener.https.tls.certificate={self.dir / 'bench.crt'}"]
        return [existing(self.build / "bench/load/loom-floor"), "--listen", f"127.0.0.1:{PORTS[name]}", "--upstream",
                MOCK_ADDRESS]

    def environment(self, name):
        """What conf/bench.conf asks for."""
        if name not in ADMIN_PORTS:
            return {}
        return {"LOOM_BENCH_PORT": str(PORTS[name]), "LOOM_BENCH_ADMIN_PORT": str(ADMIN_PORTS[name]),
                "LOOM_BENCH_KEY": "bench-key", "LOOM_BENCH_UPSTREAM": MOCK_ADDRESS,
                "LOOM_BENCH_LOG": str(self.dir / f"{name}-access.log")}

    def fill(self, template, name, upstream_tls):
        text = (PEERS / template).read_text()
        values = {"LISTEN": address_of(name), "TLS_LISTEN": address_of(name, tls=True), "DIR": str(self.dir),
                  "UPSTREAM": TLS_MOCK_ADDRESS if upstream_tls else MOCK_ADDRESS,
                  "UPSTREAM_SCHEME": "https" if upstream_tls else "http",
                  "UPSTREAM_TLS": f"ssl verify required verifyhost localhost ca-file {self.dir / 'bench.crt'}" if upstream_tls else ""}
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        path = self.dir / template
        path.write_text(text)
        return str(path)


def find(program):
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        raise CannotStart(f"{program} is not installed")
    return path


def existing(path):
    if not path.exists():
        raise CannotStart(f"{path} does not exist (it was not built)")
    return str(path)


def address_of(name, tls=False):
    return MOCK_ADDRESS if name == "direct" else f"127.0.0.1:{(TLS_PORTS if tls else PORTS)[name]}"


def say(text):
    print(text, file=sys.stderr, flush=True)
