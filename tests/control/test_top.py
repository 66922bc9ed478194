# SPDX-License-Identifier: BSD-3-Clause
"""A run that is alive, looked at: `upon top` as a page, as JSON and on a terminal, the endpoints of
DPDK's telemetry, and the text for Prometheus. No case depends on the speed of the machine: what is
awaited is awaited as long as it takes, and the run ends when a case has seen it."""
import fcntl
import glob
import http.client
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

UPON = os.path.abspath(sys.argv[1])
PATIENCE_S = 90
LONG = ["job.duration=10m", "job.warmup=50ms", "job.drain=1s", "load.rate=2k",
        "params.give_up=never", "params.detect=5s"]
ENTER, LEAVE = b"\033[?1049h", b"\033[?1049l"


def until(what, say):
    """What it returns, once that is true."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        got = what()
        if got:
            return got
        time.sleep(0.05)
    raise AssertionError(f"in {PATIENCE_S} s there was no {say}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path="/metrics", method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    c.request(method, path)
    answer = c.getresponse()
    body = answer.read().decode()
    c.close()
    return answer, body


class Telemetry:
    """What dpdk-telemetry.py does."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.hello = json.loads(self.socket.recv(1024))

    def ask(self, command):
        self.socket.send(command.encode())
        answer = json.loads(self.socket.recv(self.hello["max_output_len"]))
        return answer[command.split(",")[0]]

    def close(self):
        self.socket.close()


class Top(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.run = os.path.join(self.folder, "run")

    def start(self, *args, sets=()):
        command = [UPON, "run", "--out", self.run, *args]
        for s in LONG + list(sets):
            command += ["--set", s]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, cwd=self.folder)
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def upon(self, *args, env=None):
        return subprocess.run([UPON, *args], capture_output=True, text=True, timeout=PATIENCE_S,
                              cwd=self.folder, check=False,
                              env=dict(os.environ, **(env or {})))

    def figures(self):
        got = self.upon("top", self.run, "--json")
        return json.loads(got.stdout) if got.returncode == 0 else None

    def await_figures(self, good, say):
        def look():
            f = self.figures()
            return f if f and good(f) else None
        return until(look, say)

    def await_load(self):
        return self.await_figures(
            lambda f: all(p["delivered"] > 0 and p["state"] == "running" for p in f["process"]),
            "run under load")

    # ---- the page ---------------------------------------------------------------------------------

    def test_a_page_shows_every_process_and_fits(self):
        self.start()
        self.await_load()
        got = self.upon("top", self.run, "--once", env={"LINES": "24", "COLUMNS": "80"})
        self.assertEqual(got.returncode, 0, got.stderr)
        lines = got.stdout.splitlines()
        self.assertLessEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 80)
        self.assertNotIn("\033", got.stdout)
        for name in "p0   leader", "p1   follower", "p2   follower", "p0 -> p1", "p2 -> p1":
            self.assertIn("\n" + name, got.stdout)

    def test_the_json_tells_roles_links_and_rates(self):
        self.start()
        f = self.await_load()
        self.assertEqual(f["schema"], "upon.figures/1")
        self.assertEqual([p["role"] for p in f["process"]], ["leader", "follower", "follower"])
        self.assertEqual({(l["from"], l["to"]) for l in f["link"]},
                         {(p, q) for p in range(3) for q in range(3) if p != q})
        f = self.await_figures(lambda f: f["total"]["delivered_per_s"] > 0 and
                               f["total"]["p50_ns"], "rate of the last second")
        self.assertAlmostEqual(f["total"]["offered_per_s"], 2000)
        self.assertLess(f["interval_s"], 60)

    def test_a_quorum_that_is_missing_is_named(self):
        self.start()
        self.await_load()
        for p in "1", "2":
            got = self.upon("ctl", self.run, "pause", p)
            self.assertEqual(got.returncode, 0, got.stderr)
        f = self.await_figures(lambda f: any(
            w["process"] == 0 and w["for"] == "quorum" and w["missing"] == [1, 2] and
            w["age_s"] > 0.5 for w in f["wait"]), "wait for p1 and p2")
        self.assertEqual([p["state"] for p in f["process"]], ["running", "paused", "paused"])
        page = self.upon("top", self.run, "--once").stdout
        self.assertRegex(page, r"instance \d+: quorum 2 of 3, has p0, missing p1 p2")
        self.assertIn("\np1   paused", page)
        for p in "1", "2":
            self.upon("ctl", self.run, "resume", p)
        self.await_figures(lambda f: not any(w["age_s"] > 0.5 for w in f["wait"]),
                           "end of waiting")

    def test_status_and_report_say_whom_it_still_waits_for(self):
        run = self.start()
        self.await_load()
        for p in "1", "2":
            self.upon("ctl", self.run, "crash", p)
        said = r"p0 ep, \d+\.\d s: instance \d+: quorum 2 of 3, has p0, missing p1 p2"
        status = until(lambda: (s := self.upon("ctl", self.run, "status").stdout) and
                       "quorum" in s and s, "status with a quorum")
        self.assertRegex(status, "waits: " + said)
        run.send_signal(signal.SIGINT)
        report, _ = run.communicate(timeout=PATIENCE_S)
        self.assertEqual(run.returncode, 2)
        self.assertRegex(report, said)
        with open(os.path.join(self.run, "summary.json"), encoding="utf-8") as f:
            summary = json.load(f)
        self.assertTrue(any("quorum 2 of 3" in w for w in summary["waits"]), summary["waits"])

    def test_figures_in_a_file_make_the_same_page(self):
        self.start()
        self.await_load()
        path = os.path.join(self.folder, "figures.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.upon("top", self.run, "--json").stdout)
        got = self.upon("top", "--file", path, "--once")
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertIn("\np0   leader", got.stdout)

    def test_what_is_no_run_is_refused_in_one_sentence(self):
        nothing = os.path.join(self.folder, "nothing")
        with open(nothing, "w", encoding="utf-8") as f:
            f.write("{}")
        for args in (["/nowhere"], ["--file", "/nowhere"], ["--file", nothing], ["a", "b"]):
            got = self.upon("top", "--once", *args)
            self.assertEqual(got.returncode, 2, args)
            self.assertEqual(got.stdout, "")
            self.assertIn("upon", got.stderr)
            self.assertLessEqual(len(got.stderr.splitlines()), 2, got.stderr)

    # ---- a terminal -------------------------------------------------------------------------------

    def terminal(self, rows=24, columns=80, **env):
        pid, fd = pty.fork()
        if pid == 0:
            os.environ.update({"TERM": "xterm", **env})
            os.execv(UPON, [UPON, "top", self.run])
        self.resize(fd, rows, columns)
        self.addCleanup(os.close, fd)
        return pid, fd

    @staticmethod
    def resize(fd, rows, columns):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @staticmethod
    def read_until(fd, seen, good):
        """Read on until the text is as it should be, or the terminal is closed."""
        end = time.monotonic() + PATIENCE_S
        while not good(seen) and time.monotonic() < end:
            if not select.select([fd], [], [], 1)[0]:
                continue
            try:
                more = os.read(fd, 65536)
            except OSError:
                break
            if not more:
                break
            seen += more
        return seen

    def test_the_terminal_is_put_back_at_every_ending(self):
        self.start()
        self.await_load()
        for ending in b"q", signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            pid, fd = self.terminal()
            before = termios.tcgetattr(fd)[3]
            seen = self.read_until(fd, b"", lambda s: s.count(b"PROC ROLE") >= 1)
            self.assertIn(ENTER, seen, ending)
            self.assertNotIn(LEAVE, seen, ending)
            self.assertFalse(termios.tcgetattr(fd)[3] & termios.ICANON)
            if isinstance(ending, bytes):
                os.write(fd, ending)
            else:
                os.kill(pid, ending)
            seen = self.read_until(fd, seen, lambda s: LEAVE in s)
            self.assertIn(LEAVE, seen, ending)
            _, status = os.waitpid(pid, 0)
            self.assertEqual(termios.tcgetattr(fd)[3], before, ending)
            if ending in (b"q", signal.SIGINT):
                self.assertEqual(status, 0)
            else:
                self.assertEqual(os.WTERMSIG(status), ending)

    def test_a_page_follows_the_size_of_the_terminal(self):
        self.start()
        self.await_load()
        pid, fd = self.terminal()
        self.read_until(fd, b"", lambda s: b"DROPS" in s or s.count(b"PROC ROLE") >= 2)
        self.resize(fd, 10, 30)
        page = self.read_until(fd, b"", lambda s: s.count(b"\033[H") >= 3)
        last = page.split(b"\033[H")[-2].replace(b"\033[K", b"")
        lines = last.split(b"\033[J")[0].split(b"\r\n")
        self.assertLessEqual(len(lines), 10)
        os.write(fd, b"q")
        os.waitpid(pid, 0)

    def test_no_color_is_heeded(self):
        self.start()
        self.await_load()
        pid, fd = self.terminal(NO_COLOR="1")
        seen = self.read_until(fd, b"", lambda s: s.count(b"PROC ROLE") >= 1)
        self.assertNotIn(b"\033[1m", seen)
        os.write(fd, b"q")
        os.waitpid(pid, 0)
        pid, fd = self.terminal(NO_COLOR="")
        seen = self.read_until(fd, b"", lambda s: s.count(b"PROC ROLE") >= 1)
        self.assertIn(b"\033[1m", seen)
        os.write(fd, b"q")
        os.waitpid(pid, 0)

    def test_the_end_of_the_run_ends_the_page(self):
        run = self.start()
        self.await_load()
        pid, fd = self.terminal()
        seen = self.read_until(fd, b"", lambda s: s.count(b"PROC ROLE") >= 1)
        run.send_signal(signal.SIGINT)
        seen = self.read_until(fd, seen, lambda s: LEAVE in s and b"no more figures" in s)
        self.assertIn(b"no more figures", seen)
        _, status = os.waitpid(pid, 0)
        self.assertEqual(status, 0)

    # ---- Prometheus -------------------------------------------------------------------------------

    def test_prometheus_is_answered_where_the_job_asks_for_it(self):
        port = free_port()
        self.start("--metrics", str(port))
        self.await_load()
        answer, body = get(port)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.getheader("Content-Type"),
                         "text/plain; version=0.0.4; charset=utf-8")
        self.assertIn('upon_process_state{process="p2",state="running"} 1\n', body)
        self.assertRegex(body, r'upon_operations_delivered_total\{process="p1"\} [1-9]')
        self.assertEqual(get(port, "/")[0].status, 404)
        self.assertEqual(get(port, "/metrics", "POST")[0].status, 405)
        answer, body = get(port, "/metrics", "HEAD")
        self.assertEqual((answer.status, body), (200, ""))

    def test_a_scrape_that_never_ends_keeps_nobody_out(self):
        port = free_port()
        self.start("--metrics", str(port))
        self.await_load()
        idle = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(4)]
        for s in idle:
            s.send(b"GET /metr")
        with socket.create_connection(("127.0.0.1", port), 20) as s:
            s.send(b"\0" * 70000)
        self.assertEqual(get(port)[0].status, 200)
        for s in idle:
            s.close()

    def test_a_port_that_is_taken_is_one_sentence(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            port = s.getsockname()[1]
            got = self.upon("run", "--out", self.run, "--metrics", str(port))
        self.assertEqual(got.returncode, 2)
        self.assertEqual(len(got.stderr.splitlines()), 1, got.stderr)
        self.assertIn(f"port {port} of 127.0.0.1", got.stderr)
        got = self.upon("run", "--metrics", "70000")
        self.assertEqual(got.returncode, 2)
        self.assertIn("a port is 1 to 65535", got.stderr)

    # ---- DPDK's telemetry -------------------------------------------------------------------------

    def sockets(self, pids):
        return [s for s in glob.glob("/var/run/dpdk/upon-*/dpdk_telemetry.v2") +
                glob.glob(os.environ.get("XDG_RUNTIME_DIR", "/tmp") +
                          "/dpdk/upon-*/dpdk_telemetry.v2")
                if s.split("/")[-2].split("-")[-1] in map(str, pids)]

    def test_telemetry_answers_where_the_job_asks_for_it(self):
        run = self.start("--telemetry")
        self.await_load()
        path, = self.sockets([run.pid])
        t = Telemetry(path)
        info = t.ask("/upon/info")
        self.assertEqual((info["stack"], info["n"], info["here"]), ("uc", 3, "p0 p1 p2"))
        self.assertEqual(t.ask("/upon/process"), [0, 1, 2])
        self.assertEqual(t.ask("/upon/process,0")["role"], "leader")
        self.assertGreater(t.ask("/upon/process,1")["delivered"], 0)
        self.assertEqual(len(t.ask("/upon/link")), 6)
        self.assertEqual(t.ask("/upon/link,0,1")["state"], "up")
        self.assertIn("drop_short", t.ask("/upon/drops"))
        self.assertIsInstance(t.ask("/upon/wait"), list)
        for bad in ("/upon/process,3", "/upon/process,x", "/upon/process,0,1", "/upon/process,-1",
                    "/upon/process,99999999999999999999", "/upon/link,0", "/upon/link,0,1,2",
                    "/upon/drops,7"):
            self.assertIsNone(t.ask(bad), bad)
        t.close()
        self.end(run)
        self.assertFalse(os.path.exists(os.path.dirname(path)))

    def test_a_node_answers_for_those_who_live_in_it(self):
        run = self.start("--telemetry", sets=["job.device=memif", "job.n=3"])
        self.await_load()
        with open(f"/proc/{run.pid}/task/{run.pid}/children", encoding="ascii") as f:
            children = f.read().split()
        told = []
        for path in self.sockets(children):
            t = Telemetry(path)
            here = until(lambda t=t: t.ask("/upon/process"), "process here")
            told += here
            self.assertEqual(t.ask(f"/upon/process,{here[0]}")["state"], "running")
            t.close()
        self.assertEqual(sorted(told), [0, 1, 2])

    def test_without_being_asked_nothing_listens(self):
        run = self.start()
        self.await_load()
        self.assertEqual(self.sockets([run.pid]), [])
        listening = subprocess.run(["ss", "-tlnp"], capture_output=True, text=True,
                                   check=False).stdout
        self.assertNotIn(f"pid={run.pid},", listening)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:], verbosity=2)
