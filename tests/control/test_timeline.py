# SPDX-License-Identifier: BSD-3-Clause
"""Runs that something befalls, from the script to the page: what the checkers say of them, and what
the timeline tells. How long anything takes is the machine's; that it is told is ours."""
import csv
import json
import os
import subprocess
import sys
import tempfile
import unittest

UPON = os.path.abspath(sys.argv[1])
JOB = """[job]
stack = {stack}
proposer = 1
duration = 3s
warmup = 100ms
drain = 30s
[load]
rate = 500
[params]
detect = 1s
give_up = {give_up}
[faults]
{faults}
"""


class Timeline(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def run_job(self, stack, faults, give_up="500ms"):
        job = os.path.join(self.folder.name, "job.ini")
        with open(job, "w", encoding="utf-8") as f:
            f.write(JOB.format(stack=stack, faults=faults, give_up=give_up))
        got = subprocess.run([UPON, "run", job, "--json", "--out", "run"], capture_output=True,
                             text=True, timeout=120, cwd=self.folder.name, check=False)
        self.assertIn(got.returncode, (0, 1, 2), got.stderr)
        return json.loads(got.stdout), got.stderr

    def rows(self):
        with open(os.path.join(self.folder.name, "run", "timeline.csv"), encoding="utf-8") as f:
            return list(csv.DictReader(f))

    def test_the_crash_of_the_leader_is_told_and_judged(self):
        summary, page = self.run_job("uc", "at 500ms crash 0")
        fault, = summary["timeline"]["faults"]
        self.assertEqual(fault["what"], "crash 0")
        self.assertGreaterEqual(fault["begin_ns"], 500_000_000)
        self.assertEqual((summary["timeline"]["operations_lost"],
                          summary["timeline"]["operations_repeated"]), (0, 0))
        self.assertEqual(summary["timeline"]["detect_ns"], 1_000_000_000)
        if fault["detect_last_ns"] is not None and fault["leader"] is not None:
            self.assertLessEqual(fault["detect_first_ns"], fault["detect_last_ns"])
            self.assertEqual(fault["leader"], 1)
            self.assertLessEqual(fault["leader_ns"], fault["first_decision_ns"])
            self.assertGreater(fault["unavailable_ns"], fault["detect_first_ns"] // 2)
        self.assertNotIn("violated", [j["verdict"] for j in summary["judgements"]])
        for j in summary["judgements"]:
            if j["counts"]:
                self.assertEqual((j["code"], j["judged_by"]), (j["code"], "checker"))
        self.assertEqual(summary["verdict"], "valid", summary["why"])
        self.assertIn("  timeline  ", page)
        self.assertIn("crash 0", page)
        self.assertIn("detect = 1.00 s", page)

    def test_the_table_marks_what_held_when(self):
        summary, _ = self.run_job("beb", "1s..2s delay constant 1ms\n1500ms..1600ms loss 5%")
        self.assertEqual([f["what"].split()[0] for f in summary["timeline"]["faults"]],
                         ["delay", "loss"])
        rows = self.rows()
        self.assertEqual(list(rows[0]), ["time_s", "delivered_per_s", "p50_ns", "p99_ns", "max_ns",
                                         "p0", "p1", "p2", "faults"])
        self.assertEqual(len(rows), 310)
        both = [r for r in rows if "delay" in r["faults"] and "loss" in r["faults"]]
        self.assertTrue(both)
        self.assertEqual({r["faults"] for r in rows if float(r["time_s"]) < 1.0}, {""})
        self.assertTrue(0 < sum(int(r["p2"]) for r in rows) <= 1550) # what came late has no row
        self.assertEqual(summary["verdict"], "valid", summary["why"])
        with open(os.path.join(self.folder.name, "run", "timeline.svg"), encoding="utf-8") as f:
            self.assertIn("<title>loss", f.read())

    def test_what_a_crash_leaves_open_is_not_called_a_violation(self):
        summary, _ = self.run_job("urb", "at 500ms crash 1")
        self.assertNotEqual(summary["verdict"], "invalid", summary["why"])
        self.assertEqual([j["verdict"] for j in summary["judgements"] if j["code"] in
                          ("URB2", "URB3")], ["holds", "holds"])

    def test_without_records_there_is_no_timeline_file(self):
        got = subprocess.run([UPON, "run", "--quiet", "--out", "run", "--set", "job.record=off",
                              "--set", "job.duration=100ms", "--set", "job.warmup=0s", "--set",
                              "load.rate=1k", "--set", "job.stack=beb"], capture_output=True,
                             text=True, timeout=120, cwd=self.folder.name, check=False)
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertNotIn("timeline.csv", os.listdir(os.path.join(self.folder.name, "run")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
