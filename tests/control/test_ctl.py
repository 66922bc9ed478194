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
ENDLESS = PATIENT + ["job.duration=1h", "job.warmup=50ms", "load.rate=500"]
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

    def test_rules_hold_from_when_they_are_added_until_they_are_cleared(self):
        c = self.client()
        first = c.ask("fault add", rule="duplicate 5% 0->1")
        second = c.ask("fault add", rule="delay 1ms")
        self.assertEqual([p["process"] for p in first["processes"]], [0])
        self.assertEqual([p["process"] for p in second["processes"]], [0, 1, 2])
        self.assertEqual([(f["fault"], f["rule"], f["by"]) for f in c.ask("fault list")["faults"]],
                         [(first["fault"], "duplicate 5% 0->1", "hand"),
                          (second["fault"], "delay constant 1ms", "hand")])
        self.assertTrue(c.ask("fault clear", fault=first["fault"])["ok"])
        self.assertIn("there is no fault", c.ask("fault clear", fault=first["fault"])["error"])
        self.assertEqual([p["rules_armed"] for p in c.ask("status")["processes"]], [1] * 3)
        before = self.delivered(1)
        self.await_true(lambda: self.delivered(1) > before)
        self.assertTrue(c.ask("fault clear")["ok"])
        self.assertEqual(c.ask("fault list")["faults"], [])
        self.assertEqual([p["rules_armed"] for p in c.ask("status")["processes"]], [0] * 3)

    def test_a_rule_that_makes_no_sense_is_one_sentence(self):
        c = self.client()
        for rule, words in (("frob", "'frob' is not known"), ("loss 1% 0->7", "p7 is not one of"),
                            ("partition 0|0", ""), ("2s..3s loss 1%", "by hand a rule holds from now"),
                            ("crash 1", "by hand a rule holds from now"), ("# nothing", "")):
            with self.subTest(rule=rule):
                answer = c.ask("fault add", rule=rule)
                self.assertFalse(answer["ok"])
                self.assertIn(words, answer["error"])
                self.assertTrue(answer["error"] and "\n" not in answer["error"])
        self.assertEqual(c.ask("fault list")["faults"], [])

    def test_more_rules_than_can_be_armed_are_refused_until_one_is_cleared(self):
        c = self.client()
        answers = [c.ask("fault add", rule="duplicate 1% 0->1") for _ in range(17)]
        self.assertEqual([a["ok"] for a in answers], [True] * 16 + [False])
        self.assertIn("clear one first", answers[-1]["error"])
        self.assertTrue(c.ask("fault clear", fault=answers[3]["fault"])["ok"])
        self.assertTrue(c.ask("fault add", rule="duplicate 2% 0->1")["ok"])
        self.assertTrue(c.ask("fault clear")["ok"])

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
        with open(path, encoding="utf-8", errors="ignore") as f: # the last line may be under way
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

    def test_who_writes_no_more_is_answered_to_the_last_line(self):
        c = self.client()
        c.send(b"".join(b'{"upon":1,"id":%d,"do":"%s"}\n' % (i, do) for i, do in
                        enumerate([b"status", b"snapshot", b"frob", b"stats"])) + b'{"upon":1,"id":9')
        c.socket.shutdown(socket.SHUT_WR)
        self.assertEqual([c.line()["id"] for _ in range(4)], [0, 1, 2, 3])
        self.assertIsNone(c.line())

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

        def room():
            c = Client(self.socket)
            c.send(b'{"upon":1,"id":1,"do":"status"}\n')
            ok = c.line()["ok"]
            c.close()
            return ok
        self.await_true(room) # when the run has seen that they are gone

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

    def end(self, child, run="a"):
        """Stop it when it has something to judge; its summary."""
        c = self.client(self.relative(run, "ctl.sock"))
        self.await_true(lambda: c.ask("status")["phase"] == "measuring" and
                        self.delivered_at(c, 0) > 100)
        self.assertTrue(c.ask("stop")["ok"])
        return self.ended(child)

    def relative(self, *parts):
        """A socket's path holds 107 bytes: from where we stand it may be shorter."""
        fd = os.open(self.path(*parts[:-1]), os.O_PATH)
        self.addCleanup(os.close, fd)
        return f"/proc/self/fd/{fd}/{parts[-1]}"

    def ended(self, child):
        out, err = child.communicate(timeout=120)
        self.assertEqual(child.returncode, 0, err + out)
        return json.loads(out)

    def path(self, *parts):
        return os.path.join(self.folder.name, *parts)

    def refused(self, *args, sets=()):
        got = subprocess.run([UPON, "run", *args, *sets_of([*ENDLESS, *sets])], text=True, timeout=60,
                             capture_output=True, cwd=self.folder.name, env=self.env, check=False)
        self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
        return got.stderr

    def test_stop_ends_the_run_as_an_interrupt_does(self):
        child = self.begin("--out", "a")
        c = self.client(self.path("a", "ctl.sock"))
        self.await_true(lambda: self.delivered_at(c, 0) > 100)
        self.assertIn("the load ends", self.ctl("stop"))
        self.assertTrue(self.ended(child)["interrupted"])
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
        self.end(child)

    @staticmethod
    def delivered_at(c, p):
        return c.ask("status")["processes"][p]["delivered"]

    def test_what_was_done_by_hand_is_done_again_from_its_events(self):
        child = self.begin("--out", "a", sets=[s for s in ENDLESS if "give_up" not in s])
        c = self.client(self.path("a", "ctl.sock"))
        answers, rule = [], c.ask("fault add", rule="duplicate 20% 0->1")["fault"]
        for do, members in (("pause", {"process": 1}), ("resume", {"process": 1}), ("resume", {"process": 1}),
                            ("fault clear", {"fault": rule}), ("crash", {"process": 2})):
            answers.append(c.ask(do, **members)["ok"])
        self.assertEqual(answers, [True, True, False, True, True])
        self.end(child)
        done = self.events("a")
        self.assertEqual([(e["what"], e["edge"], e["process"]) for e in done],
                         [("duplicate 20% 0->1", "begin", 0), ("pause 1", "begin", 1),
                          ("resume 1", "begin", 1), ("duplicate 20% 0->1", "end", 0),
                          ("crash 2", "begin", 2)])
        self.assertEqual(len({e["asked_ns"] for e in done}), len(done)) # no two have one time
        seconds = done[-1]["asked_ns"] // 10**9 + 2
        again = self.begin("--out", "b", "--faults", self.path("a", "events.ndjson"),
                           sets=[s for s in PATIENT if "give_up" not in s] +
                           ["load.rate=500", f"job.duration={seconds}s"])
        again.communicate(timeout=120)
        self.assertNotEqual(again.returncode, 1) # how it is judged is not asked here

        def times(events):
            return {(e["what"], e["edge"], e["process"]): e["asked_ns"] for e in events}
        first, second = times(done), times(self.events("b", "script"))
        self.assertEqual(set(second), set(first))
        for what, asked in first.items():
            self.assertGreaterEqual(second[what], asked)

    def events(self, run, by="hand"):
        with open(self.path(run, "events.ndjson"), encoding="utf-8") as f:
            done = [e for e in map(json.loads, f) if e.get("by") == by]
        return sorted(done, key=lambda e: e["asked_ns"]) # they stand there as they were answered

    def test_a_rule_of_the_script_is_listed_and_can_be_cleared(self):
        with open(self.path("s"), "w", encoding="utf-8") as f:
            f.write("duplicate 5% 0->1\nduplicate 7% 1->0\n")
        child = self.begin("--out", "a", "--faults", self.path("s"))
        c = self.client(self.path("a", "ctl.sock"))
        self.await_true(lambda: len(c.ask("fault list")["faults"]) == 2)
        rules = c.ask("fault list")["faults"]
        self.assertEqual([(f["rule"], f["by"]) for f in rules],
                         [("duplicate 5% 0->1", "script"), ("duplicate 7% 1->0", "script")])
        self.assertTrue(c.ask("fault clear", fault=rules[0]["fault"])["ok"])
        self.assertEqual(c.ask("fault list")["faults"], rules[1:])
        self.await_true(lambda: [p["rules_armed"] for p in c.ask("status")["processes"]] == [0, 1, 0])
        self.end(child)

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
        self.end(child, os.path.join(place, "a"))

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
        self.assertIn("another run writes there", self.refused("--out", "a"))
        self.assertIn("uc over ring", self.ctl("a", "status"))
        other = self.begin("--out", "b")
        self.assertIn("2 runs are alive: ", self.ctl("status", status=2))
        for name, run in ("a", child), ("b", other):
            self.end(run, name)

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
        page = mine + "map_3" # as DPDK names the files of its hugepages
        for path in page, os.path.join(mine, "dpdk_telemetry.v2"):
            with open(path, "w", encoding="utf-8"):
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
        self.assertFalse(os.path.exists(mine) or os.path.exists(page))
        for path in keep:
            self.assertTrue(os.path.isdir(path), path)
        for name, run in ("alive", alive), ("last", last):
            self.assertIn("uc over ring", self.ctl(name, "status"))
            self.end(run, name)

    def test_a_folder_of_marks_that_others_can_write_is_not_used(self):
        os.mkdir(self.marks)
        os.chmod(self.marks, 0o777)
        child = self.begin("--out", "a")
        self.assertEqual(os.listdir(self.marks), [])
        self.assertIn("no run of yours is alive", self.ctl("status", status=2))
        self.assertIn("uc over ring", self.ctl("a", "status")) # by its folder it is found all the same
        self.end(child)


del Live
if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
