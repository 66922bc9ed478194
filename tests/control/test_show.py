# SPDX-License-Identifier: BSD-3-Clause
"""What the control plane is for, whole: a fault befalls a run by a script, the protocol does without
whom it took, and the page tells how long that was and that nothing was lost; on each kind of device,
and by the same script in the simulator. What a case waits for is a state, never a time."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from live import Job

UPON = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(sys.argv[2])
NETNS = os.path.join(ROOT, "scripts", "netns")
TWO = len(os.sched_getaffinity(0)) > 1
SETS = ["job.n=3", "job.proposer=1", "job.warmup=50ms", "job.duration=1h", "job.drain=60s",
        "load.rate=100", "params.detect=300ms", "params.heartbeat=20ms", "params.give_up=never"]


def job_of(name):
    return os.path.join(ROOT, "jobs", name + ".ini")


class Show(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=".")
        self.addCleanup(self.folder.cleanup)

    def start(self, script, *sets):
        with open(os.path.join(self.folder.name, "script"), "w", encoding="utf-8") as f:
            f.write(script)
        return Job(self, UPON, SETS + list(sets), "--faults", "script")

    def upon(self, *args):
        got = subprocess.run([UPON, *args], capture_output=True, text=True, timeout=200,
                             cwd=self.folder.name, check=False)
        self.assertEqual(got.returncode, 0, got.stderr + got.stdout)
        return got.stdout

    def events(self, folder="run"):
        with open(os.path.join(self.folder.name, folder, "events.ndjson"), encoding="utf-8") as f:
            return [json.loads(line) for line in f][1:]

    def p0_was_replaced(self, summary, what):
        """The timeline's first fault took the leader: everything about it is known."""
        timeline = summary["timeline"]
        fault = timeline["faults"][0]
        self.assertEqual(fault["what"], what)
        self.assertEqual(timeline["detect_ns"], 300_000_000)
        self.assertGreater(fault["detect_first_ns"], 0)
        self.assertLessEqual(fault["detect_first_ns"], fault["detect_last_ns"])
        self.assertEqual(fault["leader"], 1)
        self.assertLessEqual(fault["detect_first_ns"], fault["leader_ns"])
        self.assertIsNotNone(fault["first_decision_ns"])
        self.assertGreater(fault["unavailable_ns"], 0)
        self.assertEqual((timeline["operations_lost"], timeline["operations_repeated"]), (0, 0))
        self.assertNotIn("violated", [j["verdict"] for j in summary["judgements"]])

    def test_a_leader_crashes_and_recovers_over_ring_and_does_so_again_as_a_script(self):
        job = self.start("at 2s crash 0", "job.stack=luc", "log.size=4MiB")
        job.trusted(1, by=(1, 2))
        job.progress(20, who=(1, 2))
        job.must("recover", "0")
        job.progress(50)
        summary = job.end()
        self.p0_was_replaced(summary, "crash 0")
        self.assertEqual([f["what"] for f in summary["timeline"]["faults"]],
                         ["crash 0", "recover 0"])
        self.assertEqual(summary["disk"]["audit"]["lost"], 0)
        done = self.events()
        self.assertEqual([(e["what"], e["by"], e["result"]) for e in done],
                         [("crash 0", "script", "ok"), ("recover 0", "hand", "ok")])

        last_s = done[-1]["asked_ns"] / 1e9
        sets = [s for s in SETS if "duration" not in s]
        sets += [f"job.duration={last_s + 1:.3f}s", "job.stack=luc", "log.size=4MiB"]
        again = self.upon("run", "--json", "--out", "again", "--faults", "run/events.ndjson",
                          *[w for s in sets for w in ("--set", s)])
        self.assertEqual(json.loads(again)["verdict"], "valid")
        self.assertEqual([(e["what"], e["by"], e["result"]) for e in self.events("again")],
                         [(e["what"], "script", "ok") for e in done])

    @unittest.skipUnless(TWO, "two processors are needed for two nodes")
    def test_a_leader_crashes_among_os_processes(self):
        job = self.start("at 300ms crash 0", "job.stack=uc", "job.device=memif")
        job.trusted(1, by=(1, 2))
        job.progress(20, who=(1, 2))
        self.assertGreater(len(job.nodes()), 1)
        summary = job.end()
        self.p0_was_replaced(summary, "crash 0")
        self.assertIn("p0", summary["crash"])

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("ip"), "takes root and iproute2")
    def test_a_leader_is_cut_off_between_namespaces_and_comes_back(self):
        name = f"up{os.getpid()}-"
        subprocess.run([NETNS, "up", "3", name], check=True, timeout=60)
        self.addCleanup(subprocess.run, [NETNS, "down", "3", name], check=True, timeout=60)
        job = self.start("300ms.. partition 0 | 1,2", "job.stack=uc", "job.device=af_packet",
                         f"device.netns={name}%p", "device.args=veth%p")
        job.trusted(1, by=(1, 2))
        job.progress(20, who=(1, 2))
        job.must("fault", "clear")
        job.trusted(0, by=(0, 1, 2))
        job.progress(20)
        summary = job.end()
        self.p0_was_replaced(summary, "partition 0|1,2")
        self.assertIsNotNone(summary["timeline"]["faults"][0]["end_ns"])
        self.assertIsNone(summary["crash"])

    def test_the_same_scripts_befall_a_simulation(self):
        for name in "recover", "partition", "crash":
            with self.subTest(job=name):
                self.assertIn(" 0 violations", self.upon("sim", "--seeds", "1..2", job_of(name)))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
