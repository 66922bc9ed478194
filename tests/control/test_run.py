# SPDX-License-Identifier: BSD-3-Clause
"""The command itself, over rings: what it prints, writes, refuses, and how it ends. No case depends
on the speed of the machine: rates are low and the drain is long."""
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import hlog

UPON = os.path.abspath(sys.argv[1])
SHORT = ["job.duration=300ms", "job.warmup=50ms", "job.drain=30s", "load.rate=2k",
         "params.give_up=never", "params.detect=5s"]
KEYS = """schema stack n device lcores seed revision verdict offered_per_s sent_per_s delivered_per_s
saturated latency_ns wire drops memory_bytes""".split()


class Run(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def upon(self, *args, sets=()):
        command = [UPON] + list(args)
        for s in sets:
            command += ["--set", s]
        return subprocess.run(command, capture_output=True, text=True, timeout=120,
                              cwd=self.folder.name, check=False)

    def run_json(self, *sets, status=0):
        got = self.upon("run", "--json", sets=SHORT + list(sets))
        self.assertEqual(got.returncode, status, got.stderr)
        return json.loads(got.stdout)

    def path(self, *parts):
        return os.path.join(self.folder.name, *parts)

    def read(self, *parts):
        with open(self.path(*parts), encoding="utf-8") as f:
            return f.read()

    def test_json_is_exactly_the_summary(self):
        got = self.upon("run", "--json", sets=SHORT + ["job.stack=beb", "job.seed=77"])
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertEqual(got.stdout, self.read("runs", "latest", "summary.json"))
        summary = json.loads(got.stdout)
        for key in KEYS:
            self.assertIn(key, summary)
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual(summary["seed"], 77)
        self.assertEqual(summary["leaked_packets"], 0)
        self.assertEqual(summary["properties"], {"BEB1": "holds", "BEB2": "holds", "BEB3": "holds"})
        for key in "frames", "bytes", "records":
            self.assertGreater(summary["wire"][key], 0)
        for which in "decide", "deliver_all":
            latency = summary["latency_ns"][which]
            self.assertTrue(0 < latency["count"] <= 600)
            self.assertGreater(latency["p50"], 0)
            self.assertLessEqual(latency["p50"], latency["p90"])
            self.assertLessEqual(latency["p90"], latency["max"])
            self.assertIsNone(latency["p99_99"], "600 samples say nothing of p99.99")
        self.assertIn("verdict", got.stderr)

    def test_the_histograms_are_those_of_the_summary(self):
        summary = self.run_json("job.stack=beb")
        log = hlog.read_log(self.path("runs", "latest", "hist.hlog"))
        for which in "decide", "deliver_all":
            latency, counts = summary["latency_ns"][which], log[which][4]
            self.assertEqual(sum(counts.values()), latency["count"])
            seen = 0
            for slot in sorted(counts):
                seen += counts[slot]
                if seen >= latency["count"] / 2:
                    break
            low, high = hlog.value_range(slot, 3)
            self.assertTrue(low <= latency["p50"] <= high)
            low, high = hlog.value_range(max(counts), 3)
            self.assertTrue(low <= latency["max"] <= high)

    def test_the_files_are_there_and_the_job_runs_again(self):
        self.run_json("job.stack=beb", "job.n=2", "job.seed=5")
        folder = os.path.realpath(self.path("runs", "latest"))
        self.assertRegex(os.path.basename(folder), r"^\d{8}-\d{6}-beb(-\d+)?$")
        rows = list(csv.DictReader(self.read("runs", "latest", "series.csv").splitlines()))
        self.assertEqual(list(rows[0]), ["time_s", "offered_per_s", "sent_per_s",
                                         "delivered_per_s", "p50_ns", "p99_ns"])
        self.assertAlmostEqual(float(rows[-1]["time_s"]), 0.3, delta=0.01)
        job = self.read("runs", "latest", "job.ini")
        again = self.upon("run", os.path.join(folder, "job.ini"), "--out", "again", "--quiet")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertEqual(job.split("\n", 1)[1], self.read("again", "job.ini").split("\n", 1)[1])
        self.assertEqual(json.loads(self.read("again", "summary.json"))["seed"], 5)
        self.assertEqual(os.path.realpath(self.path("runs", "latest")), folder)

    def test_consensus_whoever_proposes(self):
        for sets in ["job.n=3"], ["job.n=3", "job.proposer=all"], ["job.n=3", "job.proposer=2"], \
                ["job.n=1"], ["job.n=4", "job.size=2000B", "job.mtu=9000B"]:
            with self.subTest(sets=sets):
                summary = self.run_json("job.stack=uc", *sets)
                self.assertEqual(summary["verdict"], "valid")
                self.assertTrue(0 < summary["latency_ns"]["deliver_all"]["count"] <= 600)

    def test_broadcasts_from_everywhere(self):
        for stack in "beb", "rb_eager", "urb":
            with self.subTest(stack=stack):
                summary = self.run_json("job.stack=" + stack, "job.proposer=all")
                self.assertEqual(summary["verdict"], "valid")
                latency = summary["latency_ns"]
                self.assertTrue(0 < latency["decide"]["count"] <= 600)
                self.assertEqual(latency["deliver_all"]["count"], latency["decide"]["count"])

    def test_a_closed_loop_and_links(self):
        for sets in ["load.mode=closed"], ["load.mode=closed", "load.window=100"]:
            with self.subTest(sets=sets):
                got = self.upon("run", "--json", sets=["job.stack=pl", "job.proposer=all"] + sets +
                                [s for s in SHORT if not s.startswith("load.rate")])
                self.assertEqual(got.returncode, 0, got.stderr)
                summary = json.loads(got.stdout)
                self.assertEqual(summary["verdict"], "valid")
                self.assertEqual(summary["offered_per_s"], summary["sent_per_s"])

    def test_a_planted_bug_is_invalid(self):
        for stack, plant, violated in ("uc", "alter", ["UC2"]), ("uc", "replace", ["UC4"]), \
                ("uc", "repeat", ["UC3"]), ("urb", "replace", ["URB3"]), \
                ("rb_lazy", "repeat", ["RB2"]), ("pl", "replace", ["PL3"]):
            with self.subTest(stack=stack, plant=plant):
                summary = self.run_json("job.stack=" + stack, "load.plant=" + plant,
                                        "job.proposer=" + ("1" if stack == "pl" else "0"),
                                        "job.record=off", status=1)
                self.assertEqual(summary["verdict"], "invalid")
                self.assertEqual(self.violated(summary), violated)
                self.assertTrue(any(w.startswith(violated[0] + ": ") for w in summary["why"]))
                self.assertEqual({j["judged_by"] for j in summary["judgements"]}, {"digest"})
                self.assertEqual(summary["unrecorded"], "job.record is off")

    def violated(self, summary):
        return [k for k, v in summary["properties"].items() if v == "violated"]

    def test_a_good_run_is_judged_by_checkers_from_every_event(self):
        for stack, top in ("urb", "URB1 URB2 URB3 URB4"), ("uc", "UC1 UC2 UC3 UC4"), \
                ("rb_eager", "RB1 RB2 RB3 RB4"), ("beb", "BEB1 BEB2 BEB3"), ("pl", "PL1 PL2 PL3"), \
                ("fpl", "FPL1 FPL2 FPL3 FPL4"):
            with self.subTest(stack=stack):
                summary = self.run_json("job.stack=" + stack, "job.proposer=all")
                self.assertEqual(summary["verdict"], "valid")
                counts = [j for j in summary["judgements"] if j["counts"]]
                self.assertEqual([j["code"] for j in counts], top.split())
                for j in counts:
                    self.assertEqual((j["verdict"], j["judged_by"], j["covered_until_s"],
                                      j["witness"]), ("holds", "checker", None, None))
                    if stack != "uc": # a proposal of one process decides for all
                        self.assertGreater(j["events"], 2 * summary["operations"])
                self.assertIsNone(summary["unrecorded"])

    def test_layers_below_are_judged_too(self):
        summary = self.run_json("job.stack=uc")
        below = {j["code"]: j for j in summary["judgements"] if not j["counts"]}
        self.assertEqual(set(below), {"EPFD1", "EPFD2", "ELD1", "ELD2", "EC1", "EC2", "EC3"})
        self.assertEqual(below["ELD1"]["layer"], "omega")
        self.assertEqual(below["ELD1"]["verdict"], "holds")
        self.assertGreaterEqual(below["ELD1"]["events"], 3)

    def test_checkers_find_what_is_planted_by_the_name_of_the_property(self):
        for stack, plant, violated in (
                ("uc", "alter", ["UC2", "UC4"]), ("uc", "replace", ["UC2", "UC4"]),
                ("uc", "repeat", ["UC3"]), ("urb", "alter", ["URB3"]), ("urb", "repeat", ["URB2"]),
                ("rb_eager", "alter", ["RB3"]), ("rb_eager", "repeat", ["RB2"]),
                ("beb", "alter", ["BEB3"]), ("beb", "repeat", ["BEB2"]),
                ("pl", "alter", ["PL3"]), ("pl", "repeat", ["PL2"]),
                ("fpl", "alter", ["FPL3"]), ("fpl", "repeat", ["FPL2"])):
            with self.subTest(stack=stack, plant=plant):
                summary = self.run_json("job.stack=" + stack, "job.proposer=all",
                                        "load.plant=" + plant, "job.drain=1s", status=1)
                self.assertEqual(summary["verdict"], "invalid")
                self.assertEqual([c for c in self.violated(summary) if c in violated], violated)
                for j in summary["judgements"]:
                    if j["code"] in violated:
                        self.assertEqual((j["verdict"], j["judged_by"]), ("violated", "checker"))
                        self.assertRegex(j["witness"], r"^p2 (delivered|decided) .*\b100\b")

    def test_what_does_not_arrive_is_unknown(self):
        summary = self.run_json("job.stack=uc", "load.plant=lose", "job.drain=100ms", status=2)
        self.assertEqual(summary["verdict"], "unknown")
        self.assertRegex(summary["why"][0], r"^UC1: p2\b.* 100\b")

    def test_an_interrupt_ends_the_run_with_its_files(self):
        self.interrupt(signal.SIGINT)

    def test_a_terminal_that_goes_ends_the_run_with_its_files(self):
        self.interrupt(signal.SIGHUP)

    def interrupt(self, number):
        command = [UPON, "run", "--json", "--out", "cut"]
        for s in SHORT + ["job.stack=beb", "job.duration=1h"]:
            command += ["--set", s]
        # The tests may run under nohup themselves, which a run respects.
        with subprocess.Popen(command, cwd=self.folder.name, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True,
                              preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)) as child:
            for line in child.stderr:
                if line.startswith("  upon "):
                    break
            time.sleep(0.5)
            child.send_signal(number)
            out, err = child.communicate(timeout=90)
        self.assertEqual(child.returncode, 0, err)
        summary = json.loads(out)
        self.assertTrue(summary["interrupted"])
        self.assertLess(summary["duration_s"], 3600)
        self.assertEqual(sorted(os.listdir(self.path("cut"))),
                         ["events.ndjson", "hist.hlog", "job.ini", "series.csv", "summary.json",
                          "timeline.csv", "timeline.svg"])

    def test_what_cannot_run_says_one_sentence_and_leaves_nothing(self):
        with open(self.path("job.ini"), "w", encoding="utf-8") as f:
            f.write("[job]\nstack = beb\nn = many\n")
        for args, sets, words in (
                (["job.ini"], [], "upon: job.ini:3: job.n: \"many\" is no value"),
                (["none.ini"], [], "upon: none.ini: No such file"),
                ([], ["job.stack=none"], "there is no stack \"none\"; there are "),
                ([], ["job.stack=beb", "job.cores=1000"], "upon: "),
                ([], ["job.stack=beb", "job.size=9000B"], "upon: "),
                ([], ["job.stack=beb", "job.n=65"], "upon: ")):
            with self.subTest(args=args, sets=sets):
                got = self.upon("run", *args, sets=sets)
                self.assertEqual(got.returncode, 2)
                self.assertEqual(got.stdout, "")
                self.assertIn(words, got.stderr)
                self.assertEqual(got.stderr.count("\n"), 1, got.stderr)
        self.assertFalse(os.path.exists(self.path("runs")))

    def test_a_run_that_does_not_begin_leaves_no_folder(self):
        for sets in ["job.control=/nonexistent/ctl.sock"], ["job.control=/nonexistent/ctl.sock",
                                                            "job.stack=luc"]:
            got = self.upon("run", sets=sets)
            self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
            self.assertFalse(os.path.exists(self.path("runs")))
        os.makedirs(self.path("runs", "latest"))
        got = self.upon("run")
        self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
        self.assertIn("runs/latest shall be a link", got.stderr)
        self.assertEqual(os.listdir(self.path("runs")), ["latest"])

    def limited(self, limit, *sets):
        """A run under a limit of the shell, into the folder x."""
        command = f"ulimit {limit}; exec {UPON} run --quiet --out x"
        for s in SHORT + list(sets):
            command += f" --set {s}"
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120,
                              cwd=self.folder.name, check=False)

    def test_limits_are_told_beforehand(self):
        for sets in ["job.stack=beb"], ["job.stack=beb", "job.device=memif", "job.cores=0"]:
            got = self.limited("-n 20", *sets)
            self.assertEqual((got.returncode, got.stdout), (2, ""), got.stderr)
            self.assertIn("files may have to be open at once", got.stderr)
        self.assertEqual(self.limited("-Sn 20", "job.stack=beb").returncode, 0)

    def test_files_that_cannot_be_written_are_not_left_by_half(self):
        got = self.limited("-f 2", "job.stack=beb")  # KiB a file
        self.assertEqual(got.returncode, 2)
        self.assertIn("File too large", got.stderr)
        self.assertNotIn("valid:", got.stdout.replace("invalid:", ""))
        left = os.listdir(self.path("x"))
        self.assertNotIn("summary.json", left)
        self.assertFalse([name for name in left if name.endswith(".part")])

    def test_two_runs_do_not_write_into_one_folder(self):
        sets = ["job.stack=beb", "job.control=off"]
        command = [UPON, "run", "--quiet", "--out", "one", "--set", "job.duration=60s"]
        for s in sets:
            command += ["--set", s]
        with subprocess.Popen(command, cwd=self.folder.name) as first:
            while not os.path.exists(self.path("one", "series.csv")):
                self.assertIsNone(first.poll())
                time.sleep(0.05)
            got = self.upon("run", "--out", "one", sets=SHORT + sets)
            first.send_signal(signal.SIGINT)
        self.assertEqual(got.returncode, 2)
        self.assertIn("one: another run writes there", got.stderr)

    def test_what_is_no_folder_is_refused_as_such(self):
        with open(self.path("file"), "w", encoding="utf-8"):
            pass
        got = self.upon("run", "--out", "file", sets=SHORT + ["job.stack=beb"])
        self.assertEqual(got.returncode, 2)
        self.assertIn("upon: file: Not a directory; choose another place with --out", got.stderr)

    def test_a_capture_that_is_cut_is_no_valid_run(self):
        got = self.limited("-f 64", "job.stack=beb", "job.device=pcap", "device.args=w%p.pcap",
                           "load.rate=5k")
        self.assertEqual(got.returncode, 2, got.stdout + got.stderr)
        self.assertIn("pcap is cut short", self.read("x", "summary.json"))

    def test_many_interfaces_are_spread_evenly(self):
        if len(os.sched_getaffinity(0)) != 2:
            self.skipTest("the placement is that of two processors")
        summary = self.run_json("job.stack=beb", "job.device=memif", "job.n=7")
        self.assertRegex(summary["placement"], r"cpu \d+: p0 p2 p4 p6; cpu \d+: p1 p3 p5")

    def test_an_earlier_run_in_the_folder_stays_whole_until_another_begins(self):
        def again(*sets):
            return self.upon("run", "--quiet", "--out", "here", sets=SHORT + list(sets))
        def files():
            return {name: self.read("here", name) for name in sorted(os.listdir(self.path("here")))}
        self.assertEqual(again("job.stack=beb").returncode, 0)
        before = files()
        self.assertIn("timeline.svg", before)
        got = again("job.stack=beb", "job.control=/nonexistent/ctl.sock")
        self.assertEqual((got.returncode, got.stderr.count("\n")), (2, 1), got.stderr)
        self.assertEqual(files(), before)
        self.assertEqual(again("job.stack=urb", "job.record=off").returncode, 0)
        self.assertEqual(sorted(files()),
                         ["events.ndjson", "hist.hlog", "job.ini", "series.csv", "summary.json"])

    def test_what_was_not_sent_has_no_share_of_the_wire(self):
        summary = self.run_json("job.stack=beb", "load.rate=0.001", "job.warmup=200ms")
        self.assertEqual(summary["operations"], 0)
        for key in "frames_per_op", "bytes_per_op", "records_per_op":
            self.assertIsNone(summary["wire"][key])

    def test_of_a_slow_closed_loop_every_delivery_is_remembered(self):
        with open(self.path("slow.faults"), "w", encoding="utf-8") as f:
            f.write("delay constant 5ms\n")  # at most a hundred operations a second
        got = self.upon("run", "--json", "--faults", "slow.faults",
                        sets=["job.duration=300ms", "job.warmup=2s", "job.drain=30s",
                              "load.mode=closed", "load.window=1"])
        self.assertEqual(got.returncode, 0, got.stderr)
        summary = json.loads(got.stdout)
        self.assertGreater(summary["operations"], 0)
        self.assertEqual(summary["deliver_all_sampled_1_in"], 1)
        self.assertEqual(summary["latency_ns"]["deliver_all"]["count"], summary["operations"])

    def test_who_is_interrupted_in_the_warm_up_has_measured_nothing(self):
        child = subprocess.Popen([UPON, "run", "--json", "--out", "cut", "--set", "job.stack=beb",
                                  "--set", "job.warmup=1h"], stdout=subprocess.PIPE, text=True,
                                 cwd=self.folder.name)
        while child.poll() is None and not os.path.exists(self.path("cut", "series.csv")):
            time.sleep(0.05)
        time.sleep(0.3) # the warm-up issues some
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=120)
        summary = json.loads(out)
        self.assertEqual((child.returncode, summary["verdict"], summary["operations"]),
                         (2, "unknown", 0))
        self.assertIn("it was interrupted before an operation was measured", summary["why"])

    def test_dpdk_writes_nothing_to_standard_output(self):
        for args in "-h", "--help", "--bogus":
            got = self.upon("run", "--json", sets=["device.eal=" + args])
            self.assertEqual((got.returncode, got.stdout), (2, ""))
            self.assertIn("device.eal", got.stderr)

    def test_output_that_is_lost_is_no_success(self):
        short = [word for s in SHORT + ["job.stack=beb"] for word in ("--set", s)]
        for args in ["list"], ["doctor"], ["--help"], ["run", "--help"], \
                ["run", "--json"] + short, ["run", "--quiet"] + short:
            for to in ">/dev/full", ">&-":
                with self.subTest(args=args[:2], to=to):
                    got = subprocess.run(["sh", "-c", f'"$@" {to}', "sh", UPON, *args],
                                         stderr=subprocess.PIPE, text=True, timeout=120,
                                         cwd=self.folder.name, check=False)
                    self.assertEqual(got.returncode, 2, got.stderr)
                    self.assertRegex(got.stderr, "upon: standard output cannot be written: .*; send "
                                                 "it elsewhere\n$")

    def test_over_one_port_frames_stay_in_memory_and_the_report_says_so(self):
        sets = ["job.stack=beb", "job.device=eal", "device.eal=--vdev=net_null0", "device.args=0"]
        got = self.upon("run", "--json", sets=SHORT + sets)
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertIn("rings in memory; no frame on port 0", json.loads(got.stdout)["device_text"])
        self.assertIn("upon: warning: no frame will cross port 0: all 3 processes share it",
                      got.stderr)

    def test_quiet_is_one_line(self):
        got = self.upon("run", "--quiet", sets=SHORT + ["job.stack=beb"])
        self.assertEqual((got.returncode, got.stderr), (0, ""))
        self.assertRegex(got.stdout, r"^valid: beb among 3 over ring, .*\n$")

    def test_stacks_that_a_run_does_not_take_are_marked(self):
        lines = self.upon("list", "stacks").stdout.splitlines()[1:]
        for line in lines[::2]:
            got = self.upon("run", sets=["job.stack=" + line.split()[0], "job.cores=4000"])
            self.assertEqual("[upon sim only]" in line, "has no load for" in got.stderr, line)

    def test_usage(self):
        for args in ["--help"], ["run", "--help"], ["list"], ["list", "stacks"], ["list", "modules"], \
                ["list", "devices"], ["list", "keys"], ["--version"]:
            got = self.upon(*args)
            self.assertEqual((got.returncode, got.stderr), (0, ""), args)
            self.assertTrue(got.stdout)
        for args in [], ["walk"], ["run", "--fast"], ["run", "a.ini", "b.ini"], ["list", "cats"]:
            got = self.upon(*args)
            self.assertEqual((got.returncode, got.stdout), (2, ""), args)
            self.assertTrue(got.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[2:])
