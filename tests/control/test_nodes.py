# SPDX-License-Identifier: BSD-3-Clause
"""Runs over several OS processes: that they are valid and leave nothing behind, however they end.
No case depends on the speed of the machine: rates are low, the drain is long, nobody is given up."""
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from live import Job

UPON = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(sys.argv[2])
NETNS = os.path.join(ROOT, "scripts", "netns")
PATIENT = ["job.drain=30s", "params.give_up=never", "params.detect=5s"]
SHORT = PATIENT + ["job.duration=300ms", "job.warmup=50ms", "load.rate=2k"]
ENDLESS = PATIENT + ["job.device=memif", "job.duration=1h", "job.warmup=50ms", "load.rate=1k"]
FILES = ["events.ndjson", "hist.hlog", "job.ini", "series.csv", "summary.json", "timeline.csv",
         "timeline.svg"]
TWO = len(os.sched_getaffinity(0)) > 1


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def nodes(launcher):
    """OS process by its ranks, as it was told them."""
    found = {}
    with open(f"/proc/{launcher}/task/{launcher}/children", encoding="utf-8") as f:
        for pid in f.read().split():
            with open(f"/proc/{pid}/cmdline", encoding="utf-8") as c:
                found[c.read().split("\0")[-2]] = int(pid)
    return found


def sockets():
    with open("/proc/net/unix", encoding="utf-8") as f:
        return {line.split()[-1] for line in f if "@upon-" in line}


def sets_of(sets):
    return [word for s in sets for word in ("--set", s)]


class Runs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.before = sockets()

    def upon(self, *args, sets=()):
        return subprocess.run([UPON, *args, *sets_of(sets)], capture_output=True, text=True,
                              timeout=120, cwd=self.folder.name, check=False)

    def run_json(self, *args, sets=(), status=0):
        got = self.upon("run", "--json", *args, sets=sets)
        self.assertEqual(got.returncode, status, got.stderr)
        return json.loads(got.stdout)


class Nodes(Runs):
    """Device memif."""

    def start(self, sets):
        """A run that does not end by itself, when its processes are under way; with its nodes."""
        child = subprocess.Popen([UPON, "run", "--json", "--out", "cut", *sets_of(sets)],
                                 cwd=self.folder.name, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        head = []
        for line in child.stderr:
            head.append(line)
            if line.startswith("  upon "):
                break
        else:
            self.fail("".join(head))
        time.sleep(0.5)
        return child, nodes(child.pid)

    def gone(self, pids, seconds=20):
        end = time.monotonic() + seconds
        while (any(alive(p) for p in pids) or sockets() - self.before) and time.monotonic() < end:
            time.sleep(0.02)
        self.assertEqual([p for p in pids if alive(p)], [])
        self.assertEqual(sockets() - self.before, set())

    def test_memif_is_valid_and_every_node_counts_its_packets(self):
        summary = self.run_json(sets=SHORT + ["job.device=memif"])
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual(summary["leaked_packets"], 0)
        self.assertEqual(summary["lcores"], min(3, len(os.sched_getaffinity(0))))
        self.assertTrue(0 < summary["latency_ns"]["deliver_all"]["count"] <= 600)
        self.assertIsNotNone(summary["latency_ns"]["decide"]["p50"])
        self.assertEqual(sockets() - self.before, set())

    def test_one_processor_makes_one_node(self):
        cpu = min(os.sched_getaffinity(0))
        summary = self.run_json(sets=SHORT + ["job.device=memif", "job.stack=urb", "job.n=4",
                                              "job.proposer=all", f"job.cores={cpu}"])
        self.assertEqual((summary["verdict"], summary["lcores"]), ("valid", 1))

    def test_sockets_stand_in_a_folder_that_is_named(self):
        place = os.path.join(self.folder.name, "sockets")
        os.mkdir(place)
        summary = self.run_json(sets=SHORT + ["job.device=memif", "device.args=" + place])
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual(os.listdir(place), [])

    def test_a_planted_bug_is_found_across_nodes(self):
        summary = self.run_json(sets=SHORT + ["job.device=memif", "load.plant=replace"], status=1)
        self.assertEqual(summary["properties"]["UC4"], "violated")

    def test_a_killed_node_is_named_and_the_verdict_unknown(self):
        child, found = self.start(ENDLESS)
        ranks, pid = sorted(found.items())[-1]
        os.kill(pid, signal.SIGKILL)
        out, err = child.communicate(timeout=90)
        self.assertEqual(child.returncode, 2, err)
        summary = json.loads(out)
        self.assertEqual(summary["verdict"], "unknown")
        self.assertTrue(any(w.startswith(f"the node of p{ranks} (OS process {pid}) was ended by "
                                         "signal 9, Killed") for w in summary["why"]), summary["why"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder.name, "cut"))), FILES)
        self.gone(found.values())

    @unittest.skipUnless(TWO, "on one processor all processes share a node")
    def test_a_crash_that_is_tolerated_is_judged_around(self):
        first, second = sorted(os.sched_getaffinity(0))[:2]
        child, found = self.start([s for s in ENDLESS if "give_up" not in s] +
                                  ["job.tolerate_crash=yes", f"job.cores={first}:0,1;{second}:2"])
        os.kill(found["2"], signal.SIGKILL)
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=90)
        self.assertEqual(child.returncode, 0, err)
        summary = json.loads(out)
        self.assertEqual(summary["verdict"], "valid")
        self.assertIn("the node of p2 ", summary["crash"])
        self.assertEqual(summary["leaked_packets"], 0)
        self.gone(found.values())

    def test_a_killed_launcher_takes_its_nodes_along(self):
        def traces():
            return sorted(glob.glob("/run/dpdk/upon-*") + glob.glob("/dev/shm/upon*"))

        before = traces()
        child, found = self.start(ENDLESS)
        child.kill()
        child.wait()
        self.gone(found.values())
        # Its socket stays until the next start.
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder.name, "cut"))),
                         ["ctl.sock", "events.ndjson", "series.csv"])
        self.assertEqual(self.upon("run", sets=SHORT).returncode, 0)
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder.name, "cut"))),
                         ["events.ndjson", "series.csv"])
        self.assertEqual(traces(), before)

    def test_an_interrupt_ends_the_run_with_its_files(self):
        child, found = self.start(ENDLESS)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=90)
        self.assertEqual(child.returncode, 0, err)
        self.assertTrue(json.loads(out)["interrupted"])
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder.name, "cut"))), FILES)
        self.gone(found.values())

    def test_what_cannot_run_says_one_sentence(self):
        for sets, words in (
                (["job.device=memif", "device.args=/nonesuch"], "is no folder"),
                (["job.device=af_packet", "device.args=nonesuch%p"], "there is no interface"),
                (["job.device=af_packet", "device.args=v%p", "device.netns=nonesuch%p"],
                 "cannot be entered: "),
                (["job.device=memif", "device.netns=up%p"], "leave it out")):
            with self.subTest(sets=sets):
                got = self.upon("run", sets=SHORT + sets)
                self.assertEqual((got.returncode, got.stdout), (2, ""), got.stderr)
                self.assertIn(words, got.stderr)
                self.assertEqual(got.stderr.count("\n"), 1, got.stderr)
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "runs")))

    def test_a_node_refuses_what_is_not_its_own(self):
        job = os.path.join(self.folder.name, "job.ini")
        with open(job, "w", encoding="utf-8") as f:
            f.write("[job]\nn = 3\ndevice = memif\n")
        for args, words in (
                ([], "give --job, --board and --rank"),
                (["--job", job, "--board", job, "--rank", "7"], "--rank 7: "),
                (["--job", job, "--board", job, "--rank", "x"], "--rank x: "),
                (["--job", job, "--board", job, "--rank", "0,1,2" if TWO else "1"], "must not poll")):
            with self.subTest(args=args):
                got = self.upon("node", *args)
                self.assertEqual((got.returncode, got.stdout), (2, ""))
                self.assertIn(words, got.stderr)

    def test_a_node_refuses_what_is_no_board(self):
        cpu = min(os.sched_getaffinity(0))
        job = os.path.join(self.folder.name, "job.ini")
        with open(job, "w", encoding="utf-8") as f:
            f.write(f"[job]\nn = 3\ndevice = memif\ncores = {cpu}\n")
        for board, words in (job, "it is no board"), ("none", "No such file"):
            got = self.upon("node", "--job", job, "--board", board, "--rank", "0,1,2")
            self.assertEqual(got.returncode, 2)
            self.assertIn(words, got.stderr)

    def test_the_jobs_that_are_shipped(self):
        short = ["job.duration=300ms", "job.warmup=50ms", "load.rate=1k"] + PATIENT
        for name in "ring", "memif", "null", "pcap":
            with self.subTest(job=name):
                job = os.path.join(ROOT, "jobs", name + ".ini")
                self.assertEqual(self.run_json(job, sets=short)["verdict"], "valid")


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("ip"), "namespaces take root and iproute2")
class Namespaces(Runs):
    """Device af_packet, each process in a network namespace of its own."""

    @classmethod
    def setUpClass(cls):
        cls.name = f"up{os.getpid()}-"
        subprocess.run([NETNS, "up", "3", cls.name], check=True, timeout=60)

    @classmethod
    def tearDownClass(cls):
        subprocess.run([NETNS, "down", "3", cls.name], check=True, timeout=60)

    def af_packet(self, *sets):
        job = os.path.join(ROOT, "jobs", "af_packet.ini")
        return self.run_json(job, sets=SHORT + ["device.netns=" + self.name + "%p", *sets])

    def test_consensus_is_valid(self):
        summary = self.af_packet()
        self.assertEqual((summary["verdict"], summary["leaked_packets"]), ("valid", 0))
        self.assertTrue(0 < summary["latency_ns"]["decide"]["count"] <= 600)

    def test_stacks_over_a_log_are_valid(self):
        for stack in "lurb", "luc":
            with self.subTest(stack):
                summary = self.af_packet("job.stack=" + stack, "log.size=4MiB", "params.detect=1s")
                self.assertEqual((summary["verdict"], summary["leaked_packets"]), ("valid", 0))
                audit = summary["disk"]["audit"]
                self.assertEqual((audit["logs"], audit["lost"], audit["doubled"]), (3, 0, 0))
                self.assertEqual(audit["found"] + audit["released"], audit["acknowledged"])
                self.assertGreater(audit["found"], 0)

    def test_another_run_on_the_same_network_is_another_cluster(self):
        network = ["job.device=af_packet", "device.args=veth%p", f"device.netns={self.name}%p"]
        for stack, proposer in ("uc", "leader"), ("pl", "all"):
            with self.subTest(stack):
                both = ["job.stack=" + stack, "job.proposer=" + proposer]
                first = Job(self, UPON, PATIENT + network + both + ["job.duration=1h", "load.rate=1k"])
                first.progress(20)
                second = self.af_packet(*both)
                first.progress(20)
                first = first.end()
                self.assertEqual((first["verdict"], second["verdict"]), ("valid", "valid"))
                self.assertNotEqual(first["cluster"], second["cluster"])
                for summary in first, second: # p1 and p2 of one heard those of the other
                    self.assertGreater(summary["drops_whole_run"]["drop_cluster"], 0)
                shutil.rmtree(os.path.join(self.folder.name, "run"))

    @unittest.skipUnless(shutil.which("tshark"), "no tshark: apt-get install tshark")
    def test_a_capture_dissects(self):
        path = os.path.join(self.folder.name, "p0.pcap")
        with subprocess.Popen([NETNS, "capture", "0", path, self.name], stderr=subprocess.DEVNULL) as dump:
            end = time.monotonic() + 30
            while not (os.path.exists(path) and os.path.getsize(path) > 0):
                self.assertLess(time.monotonic(), end, "no capture begins")
                time.sleep(0.05)
            self.af_packet("load.rate=200", "job.duration=1s")
            time.sleep(0.5)
            dump.send_signal(signal.SIGINT)
            dump.wait(timeout=30)
        read = ["tshark", "-n", "-r", path, "-o", "ip.check_checksum:TRUE", "-o",
                "udp.check_checksum:TRUE"]
        bad = subprocess.run(read + ["-Y", "_ws.malformed || ip.checksum.status==0 || "
                                     "udp.checksum.status==0 || !data"], capture_output=True,
                             text=True, timeout=60, check=True).stdout
        self.assertEqual(bad, "")
        frames = subprocess.run(read + ["-Y", "udp && data"], capture_output=True, text=True, timeout=60,
                                check=True).stdout.splitlines()
        self.assertGreater(len(frames), 100)



@unittest.skipUnless(os.geteuid() == 0 and shutil.which("ip"), "namespaces take root and iproute2")
class Ports(Runs):
    """Device eal: every OS process gives DPDK the ports of its own processes."""

    def setUp(self):
        super().setUp()
        self.name = f"up{os.getpid()}-eal"
        ip = lambda *words: subprocess.run(["ip", *words], check=True, timeout=60)
        ip("netns", "add", self.name)
        self.addCleanup(ip, "netns", "del", self.name)
        ip("-n", self.name, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        for p in range(3):
            ip("-n", self.name, "link", "add", f"vp{p}", "type", "veth", "peer", "name", f"vq{p}")
            ip("-n", self.name, "link", "set", f"vq{p}", "master", "br0")
        for link in "br0", "vp0", "vq0", "vp1", "vq1", "vp2", "vq2":
            ip("-n", self.name, "link", "set", link, "up")

    def run_in_namespace(self, sets):
        got = subprocess.run(["ip", "netns", "exec", self.name, UPON, "run", "--json", *sets_of(sets)],
                             capture_output=True, text=True, timeout=120, cwd=self.folder.name,
                             check=False)
        self.assertEqual(got.returncode, 0, got.stderr)
        return json.loads(got.stdout)

    def frames(self, p):
        path = f"/sys/class/net/vp{p}/statistics/tx_packets"
        return int(subprocess.run(["ip", "netns", "exec", self.name, "cat", path], check=True, timeout=60,
                                  capture_output=True, text=True).stdout)

    def test_frames_cross_the_ports_between_nodes_and_within_them(self):
        sets = SHORT + ["job.device=eal", "device.eal=--vdev=net_af_packet%p,iface=vp%p",
                        "device.args=net_af_packet%p"]
        summary = self.run_in_namespace(sets)
        self.assertEqual((summary["verdict"], summary["leaked_packets"]), ("valid", 0))
        self.assertIn("one for each process", summary["device_text"])
        for p in range(3):
            self.assertGreater(self.frames(p), 100)

    @unittest.skipUnless(len(os.sched_getaffinity(0)) > 1, "it takes two processors")
    def test_a_node_that_is_killed_comes_back_over_its_port(self):
        job = Job(self, UPON, PATIENT + ["job.stack=lurb", "job.n=3", "job.device=eal", "job.restart=1",
                                         "device.eal=--vdev=net_af_packet%p,iface=vp%p",
                                         "device.args=net_af_packet%p", "job.duration=1h",
                                         "load.rate=1k", "log.size=4MiB"],
                  prefix=["ip", "netns", "exec", self.name])
        job.progress(20)
        os.kill(job.node()[1], signal.SIGKILL)
        job.progress(200)
        self.assertEqual(job.end()["verdict"], "valid")


class Refused(unittest.TestCase):
    """In one sentence, before any node starts."""

    def test_a_port_without_a_link(self):
        sets = ["job.stack=beb", "job.n=1", "job.device=eal", "device.args=0",
                f"device.eal=--vdev=net_memif0,role=server,socket=@up{os.getpid()}"]
        got = subprocess.run([UPON, "run", *sets_of(sets)], capture_output=True, text=True, timeout=60,
                             check=False)
        self.assertEqual((got.returncode, got.stdout), (2, ""))
        self.assertRegex(got.stderr, "^upon: device eal: port 0 .* has no link after 10 s: [^\n]*\n$")

    def upon(self, *sets):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "sockets"))
            return subprocess.run([UPON, "run", "--quiet", *sets_of(sets)], capture_output=True,
                                  text=True, timeout=150, cwd=folder, check=False)

    def test_memif_among_more_than_dpdk_has_ports_for(self):
        core = f"job.cores={min(os.sched_getaffinity(0))}"
        got = self.upon("job.device=memif", "job.n=7", core)
        self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
        self.assertIn("--set job.n: device memif: 7 of 7 processes", got.stderr)
        for _ in range(10): # both ends of 15 interfaces here: each is closed by one thread alone
            got = self.upon("job.device=memif", "job.n=6", core, *SHORT)
            self.assertEqual(got.returncode, 0, (got.stdout, got.stderr))

    def test_a_key_that_a_node_would_refuse(self):
        for device in "af_packet", "tap":
            got = self.upon("job.device=" + device)
            self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
            self.assertRegex(got.stderr, r"^upon: --set job.device: device.args = \"\": ")

    @unittest.skipIf(os.geteuid() != 0 or shutil.which("setpriv") is None, "needs root")
    def test_who_may_not_make_interfaces_is_told(self):
        for device, right in ("af_packet", "CAP_NET_RAW"), ("tap", "CAP_NET_ADMIN"):
            got = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", UPON, "run",
                                  *sets_of(["job.device=" + device, "device.args=up%p"])],
                                 capture_output=True, text=True, timeout=60, check=False, cwd="/")
            self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
            self.assertIn(right, got.stderr)

    def test_the_only_node_dies_and_the_run_ends(self):
        with tempfile.TemporaryDirectory() as folder:
            core = f"job.cores={min(os.sched_getaffinity(0))}"
            with subprocess.Popen([UPON, "run", *sets_of(ENDLESS + [core])], cwd=folder,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
                self.addCleanup(run.kill)
                for line in run.stdout:
                    if line.startswith("  upon "):
                        break
                time.sleep(0.5)
                os.kill(nodes(run.pid)["0,1,2"], signal.SIGKILL)
                out, _ = run.communicate(timeout=60)
                with open(os.path.join(folder, "runs", "latest", "summary.json"), encoding="utf-8") as f:
                    summary = json.load(f)
            self.assertEqual(run.returncode, 2, out)
            self.assertEqual((summary["verdict"], summary["delivered_per_s"]), ("unknown", 0))

    def test_memif_takes_a_folder_by_its_relative_name(self):
        got = self.upon("job.device=memif", "device.args=sockets", *SHORT)
        self.assertEqual(got.returncode, 0, got.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
