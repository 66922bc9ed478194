# SPDX-License-Identifier: BSD-3-Clause
"""A run that is alive, asked over its socket: every verb, and everything that is no request. No case
depends on the speed of the machine: rates are low, nobody is given up, waits are bounds."""
import contextlib
import json
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

UPON = os.path.abspath(sys.argv[1])
PATIENT = ["job.drain=30s", "job.warmup=50ms", "params.give_up=never", "params.detect=5s"]
ENDLESS = PATIENT + ["job.duration=1h", "load.rate=500"]
CLIENTS_MAX = 64
LINE_MAX = 65536


def sets_of(sets):
    return [word for s in sets for word in ("--set", s)]


class Client:
    """A connection that is asked with objects, or with bytes."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.count = 0

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def line(self):
        """The next answer; None: the run has closed the connection."""
        try:
            text = self.file.readline()
        except ConnectionResetError:
            return None
        return json.loads(text) if text else None

    def ask(self, do, **members):
        self.count += 1
        self.send(json.dumps({"upon": 1, "id": self.count, "do": do, **members}).encode() + b"\n")
        answer = self.line()
        assert answer["id"] == self.count, answer
        return answer


class Live(unittest.TestCase):
    """One run for each class, which each case leaves as it found it."""
    sets = ENDLESS

    @classmethod
    def start(cls, *args, sets=()):
        child = subprocess.Popen([UPON, "run", "--json", *args, *sets_of(sets)], text=True,
                                 cwd=cls.folder.name, env=cls.env, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE)
        head = []
        for line in child.stderr:
            head.append(line)
            if line.startswith("  upon "):
                return child
        raise AssertionError("".join(head))

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.env = dict(os.environ, XDG_RUNTIME_DIR=cls.folder.name)
        cls.child = cls.start("--out", "run", sets=cls.sets)
        cls.socket = os.path.join(cls.folder.name, "run", "ctl.sock")

    @classmethod
    def tearDownClass(cls):
        cls.child.send_signal(signal.SIGTERM)
        out, err = cls.child.communicate(timeout=120)
        cls.folder.cleanup()
        assert cls.child.returncode == 0, err
        assert json.loads(out)["verdict"] == "valid", out
        assert json.loads(out)["leaked_packets"] == 0, out

    def client(self, path=None):
        c = Client(path or self.socket)
        self.addCleanup(c.close)
        return c

    def ctl(self, *words, status=0):
        got = subprocess.run([UPON, "ctl", *words], capture_output=True, text=True, timeout=60,
                             cwd=self.folder.name, env=self.env, check=False)
        self.assertEqual(got.returncode, status, got.stdout + got.stderr)
        return got.stdout if status == 0 else got.stderr

    def states(self):
        return [p["state"] for p in self.client().ask("status")["processes"]]

    def delivered(self, p):
        return self.client().ask("status")["processes"][p]["delivered"]

    def await_true(self, what, seconds=60):
        end = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)


class Verbs(Live):
    def test_status_tells_what_runs(self):
        s = self.client().ask("status")
        self.assertTrue(s["ok"])
        self.assertEqual((s["upon"], s["stack"], s["device"], s["n"]), (1, "uc", "ring", 3))
        self.assertEqual(s["folder"], os.path.realpath(os.path.dirname(self.socket)))
        self.assertEqual(s["os_process"], self.child.pid)
        self.assertGreater(s["remaining_s"], 3000)
        self.assertEqual([p["process"] for p in s["processes"]], [0, 1, 2])
        self.assertEqual([p["state"] for p in s["processes"]], ["up"] * 3)

    def test_stats_grow(self):
        def frames():
            first = self.client().ask("stats")["processes"][0]
            return first["delivered"], first["counters"].get("tx_frames", 0)
        before = frames()
        self.await_true(lambda: all(a > b for a, b in zip(frames(), before)))

    def test_a_paused_process_takes_no_step_until_it_is_resumed(self):
        c = self.client()
        self.assertEqual(c.ask("pause", process=1)["processes"][0]["process"], 1)
        before = self.delivered(1)
        self.assertEqual(self.states(), ["up", "paused", "up"])
        again = c.ask("pause", process=1)
        self.assertEqual((again["ok"], again["error"]),
                         (False, "p1 is paused: there is nothing to pause"))
        self.assertEqual(self.delivered(1), before)
        self.assertTrue(c.ask("resume", process=1)["ok"])
        self.await_true(lambda: self.delivered(1) > before)
        self.assertFalse(c.ask("resume", process=1)["ok"])

    def test_recovery_takes_a_log(self):
        answer = self.client().ask("recover", process=0)
        self.assertFalse(answer["ok"])

    def test_a_snapshot_has_hash_and_state(self):
        c = self.client()
        for _ in range(2):
            answer = c.ask("snapshot", process=2)
            path = os.path.join(self.folder.name, answer["processes"][0]["file"])
            with open(path, encoding="utf-8") as f:
                lines = f.read().splitlines()
            self.assertRegex(lines[0], r"^p2 of 3, stack uc, after \d+ breaths$")
            self.assertRegex(lines[1], r"^hash [0-9a-f]{16}$")
            self.assertTrue(any(line.startswith("pl.peer[0].nxt = ") for line in lines))
        self.assertRegex(path, r"snapshot-p2-\d+\.txt$")
        self.assertEqual(len(c.ask("snapshot")["processes"]), 3)

    def test_a_trace_is_written_in_the_notation_of_the_book_until_it_is_ended(self):
        c = self.client()
        path = os.path.join(self.folder.name, c.ask("trace on", process=0)["processes"][0]["file"])
        self.await_true(lambda: "⟨uc, Propose | " in self.read(path))
        self.assertTrue(c.ask("trace off", process=0)["ok"])
        lines = self.read(path).splitlines()
        for line in lines:
            self.assertRegex(line, r"^(\d+\.\d{9} p0 ⟨.*⟩|… \d+ events for which there was no room)$")
        times = [float(line.split()[0]) for line in lines if line[0] != "…"]
        self.assertEqual(times, sorted(times))
        before = self.delivered(0)
        self.await_true(lambda: self.delivered(0) > before)
        self.assertEqual(self.read(path).splitlines(), lines)

    @staticmethod
    def read(path):
        with open(path, encoding="utf-8") as f:
            return f.read()

    def test_the_command_finds_the_only_run_and_one_that_is_named(self):
        for words in ([], ["run"], [self.socket], [os.path.join(self.folder.name, "run")]):
            with self.subTest(words=words):
                self.assertIn("uc over ring, n = 3: ", self.ctl(*words, "status"))
        self.assertIn("frames", self.ctl("stats"))
        self.assertEqual(json.loads(self.ctl("--json", "status"))["n"], 3)
        self.assertRegex(self.ctl("pause", "1"), r"^pause: p1, \d+\.\d+ s under load\n$")
        self.assertIn("paused", self.ctl("status"))
        self.ctl("resume", "p1")

    def test_what_the_command_cannot_do_is_one_sentence(self):
        for words, want in ((["pause"], "pause takes a rank"), (["pause", "x"], "pause takes a rank"),
                            (["pause", "3"], '"process" is a rank from 0 to 2'),
                            (["fault", "add"], "fault add takes a rule"), (["frob"], "say what to do"),
                            (["status", "1"], "status takes nothing"), ([], "say what to do"),
                            (["nonesuch", "status"], "nonesuch: no run listens there")):
            with self.subTest(words=words):
                err = self.ctl(*words, status=2)
                self.assertIn(want, err)
                self.assertEqual(err.count("\n"), 1, err)


class Nodes(Verbs):
    """The same, where processes live in OS processes of their own."""
    sets = ENDLESS + ["job.device=memif"]

    def test_status_tells_what_runs(self):
        s = self.client().ask("status")
        self.assertEqual(s["device"], "memif")
        self.assertNotIn(self.child.pid, [p["os_process"] for p in s["processes"]])

    def test_the_command_finds_the_only_run_and_one_that_is_named(self):
        self.assertIn("uc over memif, n = 3: ", self.ctl("status"))

    @staticmethod
    def stopped(pid):
        threads = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", encoding="utf-8") as f:
                threads.append(f.read().rsplit(")", 1)[1].split()[0])
        return set(threads) == {"T"}

    def test_a_node_that_is_stopped_is_named_when_it_does_not_answer(self):
        s = self.client().ask("status")
        node = s["processes"][2]["os_process"]
        os.kill(node, signal.SIGSTOP)
        try:
            self.await_true(lambda: self.stopped(node))
            answer = self.client().ask("snapshot", process=2)
        finally:
            os.kill(node, signal.SIGCONT)
        self.assertFalse(answer["ok"])
        self.assertIn("p2 did not answer within 2 s", answer["error"])


class Hostile(Live):
    """What is no request, and who does not behave. Each case ends with a run that answers."""

    def tearDown(self):
        self.assertEqual(self.states(), ["up"] * 3)

    def refused(self, data, words):
        c = self.client()
        c.send(data)
        answer = c.line()
        self.assertEqual((answer["upon"], answer["ok"]), (1, False))
        self.assertIn(words, answer["error"])
        return c

    def test_the_socket_is_its_users_alone(self):
        st = os.stat(self.socket)
        self.assertEqual((stat.S_IMODE(st.st_mode), st.st_uid), (0o600, os.geteuid()))

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_another_user_is_told_so_and_not_heard(self):
        os.chmod(self.folder.name, 0o755)
        os.chmod(self.socket, 0o666)
        program = ("import os,socket,sys\nos.setgid(65534)\nos.setuid(65534)\ns=socket.socket(1)\n"
                   "s.connect(sys.argv[1])\ns.settimeout(60)\nprint(s.recv(4096).decode())\n")
        got = subprocess.run([sys.executable, "-c", program, self.socket], capture_output=True,
                             text=True, timeout=120, check=True)
        os.chmod(self.socket, 0o600)
        self.assertIn("only the user that started the run", json.loads(got.stdout)["error"])

    def test_what_is_no_request_gets_one_sentence(self):
        good = '{"upon":1,"id":1,"do":"status"'
        for data, words in (
                (b"\n", "JSON object"), (b"status\n", "JSON object"), (b"[1]\n", "JSON object"),
                (b"\0\xff\xfe\n", "JSON object"), (b"[" * 5000 + b"\n", "JSON object"),
                (b'{"upon":1,"upon":1}\n', "JSON object"), (b"{}\n", '"upon":1'),
                (b'{"upon":2,"do":"status"}\n', '"upon":1'), (b'{"upon":1}\n', '"do" is one of'),
                (b'{"upon":1,"do":"frob"}\n', '"do" is one of: status, stats'),
                (b'{"upon":1,"do":["status"]}\n', '"do" is one of'),
                ((good + ',"process":1}\n').encode(), 'does not take "process"'),
                ((good + ',"' + "x" * 5000 + '":1}\n').encode(), "does not take"),
                (b'{"upon":1,"do":"pause"}\n', 'takes "process"'),
                (b'{"upon":1,"do":"pause","process":-1}\n', "a rank from 0 to 2"),
                (b'{"upon":1,"do":"pause","process":3}\n', "a rank from 0 to 2"),
                (b'{"upon":1,"do":"pause","process":1e0}\n', "a rank from 0 to 2"),
                (b'{"upon":1,"do":"pause","process":99999999999999999999}\n', "JSON object"),
                (b'{"upon":1,"do":"fault add","rule":7}\n', '"rule" is one line'),
                (b'{"upon":1,"do":"fault add","rule":"' + b"x" * 256 + b'"}\n', '"rule" is one line'),
                (b'{"upon":1,"do":"status","id":[]}\n', '"id" is'),
                (b'{"upon":1,"do":"status","id":"' + b"x" * 65 + b'"}\n', '"id" is')):
            with self.subTest(data=data[:60]):
                self.assertTrue(self.refused(data, words).ask("status")["ok"])

    def test_an_id_comes_back_as_it_was(self):
        c = self.client()
        for number in (7, -1, 2**53, "a name", "ü", None):
            c.send(json.dumps({"upon": 1, "id": number, "do": "status"}).encode() + b"\n")
            self.assertEqual(c.line()["id"], number)
        c.send(b'{"upon":1,"id":"x","do":"frob"}\r\n')
        self.assertEqual(c.line()["id"], "x")

    def test_requests_in_one_write_are_answered_in_order(self):
        c = self.client()
        c.send(b"".join(b'{"upon":1,"id":%d,"do":"status"}\n' % i for i in range(40)))
        self.assertEqual([c.line()["id"] for _ in range(40)], list(range(40)))

    def test_a_request_may_come_byte_by_byte(self):
        c = self.client()
        for byte in b'{"upon":1,"id":5,"do":"status"}\n':
            c.send(bytes([byte]))
        self.assertEqual(c.line()["id"], 5)

    def test_a_line_that_is_too_long_ends_the_connection(self):
        c = self.refused(b"x" * LINE_MAX, "at most 65536 bytes")
        self.assertIsNone(c.line())

    def test_the_longest_line_is_read(self):
        request = b'{"upon":1,"id":3,"do":"status"}'
        c = self.client()
        c.send(request + b" " * (LINE_MAX - 1 - len(request)) + b"\n")
        self.assertTrue(c.line()["ok"])

    def test_a_request_that_does_not_end_is_given_up(self):
        c = self.refused(b'{"upon":1,', "not ended within 5 s")
        self.assertIsNone(c.line())

    def test_a_client_that_stops_reading_is_dropped_and_disturbs_nobody(self):
        c = self.client()
        request = b'{"upon":1,"id":1,"do":"stats"}\n'
        c.socket.settimeout(0.2)
        with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
            for _ in range(100):
                c.socket.sendall(request * 200)
        self.assertEqual(self.states(), ["up"] * 3)

        def dropped():
            with contextlib.suppress(TimeoutError):
                try:
                    c.socket.sendall(request)
                except (BrokenPipeError, ConnectionResetError):
                    return True
            return False
        self.await_true(dropped)

    def test_a_client_that_leaves_in_the_middle_is_forgotten(self):
        for data in (b'{"upon":1', b'{"upon":1,"id":1,"do":"snapshot"}\n', b"x" * 70000):
            c = Client(self.socket)
            c.send(data)
            c.close()

    def test_more_clients_than_there_is_room_for_are_told_so(self):
        clients = [self.client() for _ in range(100)]
        for c in clients:
            c.send(b'{"upon":1,"id":1,"do":"status"}\n')
        answers = [c.line() for c in clients]
        heard = [a for a in answers if a["ok"]]
        told = [a["error"] for a in answers if not a["ok"]]
        self.assertEqual(len(heard), CLIENTS_MAX)
        self.assertEqual(set(told), {"64 clients are connected; close one of them"})
        for c in clients:
            c.close()

    def test_garbage_never_disturbs(self):
        rng = random.Random(os.environ.get("UPON_SEED", "1"))
        seeds = [b'{"upon":1,"id":1,"do":"status"}\n', b'{"upon":1,"id":"a","do":"fault list"}\n',
                 b'{"upon":1,"id":2,"do":"resume","process":1}\n', b'{"upon":1,"do":"stats"}\n']
        end = time.monotonic() + 3
        while time.monotonic() < end:
            c = Client(self.socket)
            data = bytearray(b"".join(rng.choices(seeds, k=rng.randint(1, 4))))
            for _ in range(rng.randint(0, 6)):
                at = rng.randrange(len(data))
                what = rng.randrange(3)
                if what == 0:
                    data[at] = rng.randrange(256)
                elif what == 1:
                    del data[at:at + rng.randint(1, 9)]
                else:
                    data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 99)))
                data = data or bytearray(b"\n")
            c.send(bytes(data))
            c.socket.settimeout(0.02)
            with contextlib.suppress(TimeoutError):
                line = c.line()
                self.assertTrue(line is None or "ok" in line)
            c.close()


class Ends(Live):
    """How a run ends, and what it leaves."""

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        Ends.folder = tempfile.TemporaryDirectory()
        Ends.env = dict(os.environ, XDG_RUNTIME_DIR=self.folder.name)
        self.addCleanup(self.folder.cleanup)
        self.marks = os.path.join(self.folder.name, "upon")

    def begin(self, *args, sets=ENDLESS):
        child = self.start(*args, sets=sets)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def path(self, *parts):
        return os.path.join(self.folder.name, *parts)

    def refused(self, *args, sets=()):
        got = subprocess.run([UPON, "run", *args, *sets_of([*ENDLESS, *sets])], text=True, timeout=60,
                             capture_output=True, cwd=self.folder.name, env=self.env, check=False)
        self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
        return got.stderr

    def test_stop_ends_the_run_as_an_interrupt_does(self):
        child = self.begin("--out", "a")
        self.assertIn("the load ends", self.ctl("stop"))
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0, err)
        self.assertTrue(json.loads(out)["interrupted"])
        self.assertFalse(os.path.exists(self.path("a", "ctl.sock")))
        self.assertEqual(os.listdir(self.marks), [])
        self.assertIn("no run of yours is alive", self.ctl("status", status=2))

    def test_a_crash_by_hand_is_judged_around(self):
        child = self.begin("--out", "a", sets=[s for s in ENDLESS if "give_up" not in s])
        c = self.client(self.path("a", "ctl.sock"))
        self.assertTrue(c.ask("crash", process=2)["ok"])
        before = self.delivered_at(c, 2)
        self.assertIn("has crashed", c.ask("snapshot", process=2)["error"])
        first = self.delivered_at(c, 0)
        self.await_true(lambda: self.delivered_at(c, 0) > first + 100)
        self.assertEqual(self.delivered_at(c, 2), before)
        c.ask("stop")
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0, err + out)

    @staticmethod
    def delivered_at(c, p):
        return c.ask("status")["processes"][p]["delivered"]

    def test_control_off_listens_nowhere(self):
        child = self.begin("--out", "a", sets=ENDLESS + ["job.control=off"])
        self.assertFalse(os.path.exists(self.path("a", "ctl.sock")))
        self.assertIn("a: no run listens there", self.ctl("a", "status", status=2))
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=120)

    def test_a_folder_with_a_long_path_is_no_hindrance(self):
        place = os.path.join("x" * 100, "y" * 100)
        os.makedirs(self.path(place))
        child = self.begin("--out", os.path.join(place, "a"))
        self.assertIn("uc over ring", self.ctl("status"))
        self.assertIn("uc over ring", self.ctl("a", "status"))
        self.ctl("stop")
        child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0)

    def test_a_socket_elsewhere_is_found_by_the_folder_too(self):
        child = self.begin("--out", "a", sets=ENDLESS + ["job.control=" + self.path("s")])
        for words in ([], ["a"], [self.path("s")]):
            self.assertIn("uc over ring", self.ctl(*words, "status"))
        self.ctl("stop")
        child.communicate(timeout=120)
        self.assertFalse(os.path.exists(self.path("s")))

    def test_a_place_that_cannot_be_had_is_refused(self):
        with open(self.path("file"), "w", encoding="utf-8"):
            pass
        for place, words in (("z" * 80, "a socket's name has 1 to 79 bytes"),
                             ("file", "something that is no socket stands there"),
                             ("none/s", "No such file or directory")):
            self.assertIn(words, self.refused("--out", "b", sets=["job.control=" + place]))
        self.assertTrue(os.path.exists(self.path("file")))

    def test_the_folder_of_a_run_that_is_alive_is_refused_to_another(self):
        child = self.begin("--out", "a")
        self.assertIn("another run listens there", self.refused("--out", "a"))
        self.assertIn("uc over ring", self.ctl("a", "status"))
        other = self.begin("--out", "b")
        self.assertIn("2 runs are alive: ", self.ctl("status", status=2))
        for name, run in ("a", child), ("b", other):
            self.ctl(name, "stop")
            run.communicate(timeout=120)
            self.assertEqual(run.returncode, 0)

    def test_the_next_start_takes_away_what_a_killed_one_left_and_nothing_else(self):
        eal = "/var/run/dpdk" if os.geteuid() == 0 else self.path("dpdk")
        space = os.stat("/proc/self/ns/pid").st_ino
        with subprocess.Popen(["true"]) as dead:
            dead.wait()
        mine = os.path.join(eal, f"upon-{space}-{dead.pid}")
        keep = [os.path.join(eal, f"upon-{space}-{os.getpid()}"), # alive
                os.path.join(eal, f"upon-{space + 1}-{dead.pid}"), # in another namespace
                os.path.join(eal, f"other-{space}-{dead.pid}"), os.path.join(eal, f"upon-{dead.pid}")]
        for path in keep + [mine]:
            os.makedirs(path)
            self.addCleanup(lambda p=path: os.path.exists(p) and os.rmdir(p))
        with open(os.path.join(mine, "dpdk_telemetry.v2"), "w", encoding="utf-8"):
            pass
        alive = self.begin("--out", "alive")
        killed = self.begin("--out", "killed")
        killed.kill()
        killed.wait()
        self.assertTrue(os.path.exists(self.path("killed", "ctl.sock")))
        self.assertEqual(len(os.listdir(self.marks)), 2)
        last = self.begin("--out", "last")
        self.assertFalse(os.path.exists(self.path("killed", "ctl.sock")))
        self.assertEqual(sorted(m.rsplit("-", 1)[0] for m in os.listdir(self.marks)),
                         ["alive", "last"])
        self.assertFalse(os.path.exists(mine))
        for path in keep:
            self.assertTrue(os.path.isdir(path), path)
        for name, run in ("alive", alive), ("last", last):
            self.assertIn("uc over ring", self.ctl(name, "status"))
            self.ctl(name, "stop")
            run.communicate(timeout=120)

    def test_a_folder_of_marks_that_others_can_write_is_not_used(self):
        os.mkdir(self.marks)
        os.chmod(self.marks, 0o777)
        child = self.begin("--out", "a")
        self.assertEqual(os.listdir(self.marks), [])
        self.assertIn("no run of yours is alive", self.ctl("status", status=2))
        self.ctl("a", "stop") # by its folder it is found all the same
        child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0)


del Live
if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
