# SPDX-License-Identifier: BSD-3-Clause
"""Faults in live runs: that a script befalls them, is written down, can be played again, and that
what may be judged then is. No case depends on the speed of the machine: rates are low, the drain is
long, and nothing is asserted of how soon something happens."""
import csv
import json
import os
import subprocess
import sys
import tempfile
import unittest

UPON = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(sys.argv[2])
PATIENT = ["job.drain=60s", "params.give_up=never", "load.rate=1k", "job.warmup=100ms"]
SHORT = PATIENT + ["job.duration=900ms"]
LOGGED = ["job.stack=lurb", "log.size=4MiB"]
# What is broadcast after a crash fits the windows, so that no source waits for who stays away.
FEW = ["load.rate=100"]
TWO = len(os.sched_getaffinity(0)) > 1


class Faults(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def upon(self, *args, sets=()):
        command = [UPON, *args]
        for s in sets:
            command += ["--set", s]
        return subprocess.run(command, capture_output=True, text=True, timeout=200,
                              cwd=self.folder.name, check=False)

    def run_with(self, script, *sets, status=0, out="run"):
        got = self.upon("run", "--json", "--out", out, "--faults", self.write("script", script),
                        sets=SHORT + list(sets))
        self.assertEqual(got.returncode, status, got.stderr)
        with open(os.path.join(self.folder.name, out, "events.ndjson"), encoding="utf-8") as f:
            events = [json.loads(line) for line in f]
        self.assertEqual(events[0]["schema"], "upon.events/1")
        return json.loads(got.stdout), events[1:]

    def drops(self, summary, counter):
        return summary["drops_whole_run"].get(counter, 0)

    def test_loss_is_made_good_by_the_links(self):
        summary, events = self.run_with("100ms..600ms loss 10%\n", "job.stack=urb")
        self.assertEqual(summary["verdict"], "valid")
        self.assertGreater(self.drops(summary, "drop_fault"), 0)
        begun = [e for e in events if e["edge"] == "begin"]
        ended = [e for e in events if e["edge"] == "end"]
        self.assertEqual({e["process"] for e in begun}, {0, 1, 2})
        self.assertEqual({e["process"] for e in ended}, {0, 1, 2})
        for e in events:
            self.assertEqual((e["id"], e["by"], e["result"]), (1, "script", "ok"))
            self.assertEqual(e["script"], "100ms..600ms loss 10%")
            self.assertGreaterEqual(e["effect_ns"], e["asked_ns"])
        self.assertGreaterEqual(min(e["effect_ns"] for e in ended), 600e6)

    def test_a_partition_that_heals_costs_nothing_but_time(self):
        summary, _ = self.run_with("200ms..400ms partition 0,1 | 2\n", "job.stack=uc")
        self.assertEqual(summary["verdict"], "valid")
        self.assertGreater(self.drops(summary, "drop_fault"), 0)

    def test_consensus_goes_on_when_its_leader_crashes(self):
        summary, events = self.run_with("at 300ms crash 0\n", "job.stack=uc", "job.proposer=1",
                                        "params.detect=100ms", "params.heartbeat=10ms")
        self.assertEqual(summary["verdict"], "valid")
        self.assertIn("p0", summary["crash"])
        self.assertEqual([(e["what"], e["process"]) for e in events], [("crash 0", 0)])

    def test_what_a_crashed_source_broadcast_is_judged_without_its_checkers(self):
        for plant, code, state, status in ("replace", "URB3", "violated", 1), \
                ("lose", "URB4", "unknown", 2):
            with self.subTest(plant=plant):
                summary, _ = self.run_with("at 800ms crash 0\n", "job.stack=urb", "load.rate=2k",
                                           "job.record=off", "load.plant=" + plant,
                                           f"job.drain={60 if status == 1 else 1}s", status=status)
                self.assertEqual(summary["properties"][code], state)
                self.assertTrue(any(w.startswith(code + ": ") for w in summary["why"]))

    def test_a_crash_takes_nothing_back_from_the_series(self):
        summary, _ = self.run_with("at 300ms crash 2\n", "job.stack=beb", "job.proposer=all",
                                   f"job.cores={min(os.sched_getaffinity(0))}") # ticks of 100 ms
        self.assertEqual(summary["verdict"], "valid")
        with open(os.path.join(self.folder.name, "run", "series.csv"), encoding="utf-8") as f:
            rows = list(csv.DictReader(f))
        for row in rows:
            for column in "sent_per_s", "delivered_per_s":
                self.assertTrue(0 <= float(row[column]) < 1e6, row)

    def test_a_paused_process_catches_up(self):
        summary, events = self.run_with("200ms..500ms pause 1\n", "job.stack=urb")
        self.assertEqual(summary["verdict"], "valid")
        self.assertIsNone(summary["crash"])
        self.assertEqual([e["edge"] for e in events], ["begin", "end"])

    def test_what_has_no_end_ends_with_the_load(self):
        summary, events = self.run_with("at 500ms pause 2\n600ms.. isolate 1\n", "job.stack=urb")
        self.assertEqual(summary["verdict"], "valid")
        ends = {(e["what"], e["process"]) for e in events if e["by"] == "end"}
        self.assertIn(("resume", 2), ends)
        self.assertIn(("clear", 1), ends)

    def test_a_flipped_bit_is_caught_and_sent_again(self):
        for checksum in "off", "auto":
            summary, _ = self.run_with("100ms..700ms corrupt 20%\n", "job.stack=urb",
                                       "job.checksum=" + checksum, out="run-" + checksum)
            self.assertEqual(summary["verdict"], "valid")
            self.assertGreater(self.drops(summary, "drop_udp_checksum"), 0)

    def test_duplicates_delays_and_rates_are_borne(self):
        script = ("100ms..300ms duplicate 30%\n300ms..500ms delay uniform 100us 3ms\n"
                  "500ms..700ms reorder 20% pareto 200us 5ms\n700ms..800ms rate 500/s burst=8\n")
        summary, events = self.run_with(script, "job.stack=urb")
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual({e["result"] for e in events}, {"ok"})
        self.assertEqual(summary["leaked_packets"], 0)

    def test_heartbeats_alone_come_late(self):
        summary, _ = self.run_with("100ms..600ms loss 0->* class=heartbeat\n", "job.stack=uc",
                                   "job.proposer=1", "params.detect=100ms", "params.heartbeat=10ms")
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual(self.drops(summary, "drop_fault"), 0)

    def test_heartbeats_over_links_that_may_lose_come_late_too(self):
        summary, events = self.run_with("100ms..600ms loss 0->* class=heartbeat\n", "job.stack=luc",
                                        "log.size=4MiB", *FEW)
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual({e["result"] for e in events}, {"ok"})

    def test_who_keeps_no_log_does_not_recover(self):
        summary, events = self.run_with("at 200ms crash 2\nat 400ms recover 2\n", "job.stack=urb",
                                        *FEW)
        self.assertEqual(summary["verdict"], "valid")
        refused = [e for e in events if e["what"] == "recover 2"]
        self.assertEqual(len(refused), 1)
        self.assertIsNone(refused[0]["effect_ns"])
        self.assertNotEqual(refused[0]["result"], "ok")

    def test_a_process_recovers_from_its_log_as_scripted(self):
        summary, events = self.run_with("at 200ms crash 1\nat 500ms recover 1\n", *LOGGED)
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual([(e["what"], e["result"]) for e in events],
                         [("crash 1", "ok"), ("recover 1", "ok")])
        self.assertEqual(summary["disk"]["audit"]["lost"], 0)

    def test_a_process_whose_disk_fails_has_crashed(self):
        summary, events = self.run_with("200ms.. disk-fail 1\n", *LOGGED, *FEW)
        self.assertEqual(summary["verdict"], "valid")
        self.assertIn("p1", summary["crash"])
        fallen = [e for e in events if e["by"] == "disk"]
        self.assertEqual([(e["what"], e["process"]) for e in fallen], [("crash 1", 1)])
        self.assertEqual(summary["disk"]["audit"]["lost"], 0)

    def test_what_is_stored_waits_for_a_slow_disk(self):
        summary, _ = self.run_with("disk-slow constant 30ms\n", *LOGGED, *FEW)
        self.assertEqual(summary["verdict"], "valid")
        self.assertGreaterEqual(summary["disk"]["store_ns"]["p50"], 30e6)

    # The link's ring takes 128 messages, so that whoever is down is soon given up, and what it
    # misses is its peers' to keep: about 500 decisions here.
    AWAY = ["job.stack=luc", "job.proposer=1", "load.rate=1k", "log.size=8MiB", "params.detect=50ms",
            "params.heartbeat=5ms", "params.flight_msgs=64", "params.ring_msgs=128",
            "params.store_msgs=64"]

    def test_who_was_given_up_is_told_what_it_missed_by_its_peers(self):
        summary, _ = self.run_with("at 200ms crash 0\nat 700ms recover 0\n", *self.AWAY,
                                   "params.instances=8192")
        self.assertGreater(self.drops(summary, "drop_lost_peer"), 0)
        self.assertEqual(summary["verdict"], "valid")

    def test_who_was_away_for_too_long_is_named_as_the_reason(self):
        summary, _ = self.run_with("at 200ms crash 0\nat 700ms recover 0\n", *self.AWAY,
                                   "params.instances=256", "job.drain=1s", status=2)
        self.assertEqual(summary["verdict"], "unknown")
        self.assertIn("params.instances, raise it", " ".join(summary["why"]))

    def test_who_keeps_no_log_has_no_disk_to_fail(self):
        _, events = self.run_with("100ms.. disk-fail 1\n", "job.stack=urb")
        self.assertIn("no disk", events[0]["result"])

    def test_events_are_a_script_of_their_own(self):
        _, events = self.run_with("100ms..300ms loss 20% 0->1\nat 400ms crash 2\n",
                                  "job.stack=urb", "params.give_up=300ms")
        again = os.path.join(self.folder.name, "run", "events.ndjson")
        got = self.upon("run", "--json", "--out", "again", "--faults", again,
                        sets=SHORT + ["job.stack=urb", "params.give_up=300ms"])
        self.assertEqual(got.returncode, 0, got.stderr)
        with open(os.path.join(self.folder.name, "again", "events.ndjson"), encoding="utf-8") as f:
            replayed = [json.loads(line) for line in f][1:]
        self.assertEqual({(e["what"], e["edge"], e["process"]) for e in replayed},
                         {(e["what"], e["edge"], e["process"]) for e in events})

    def test_the_resolved_job_holds_the_script(self):
        self.run_with("100ms..300ms loss 20% 0->1\n", "job.stack=urb")
        got = self.upon("run", "--json", "--out", "again", "run/job.ini")
        self.assertEqual(got.returncode, 0, got.stderr)
        with open(os.path.join(self.folder.name, "again", "events.ndjson"), encoding="utf-8") as f:
            self.assertIn('"what":"loss 20% 0->1"', f.read())

    def test_the_same_script_befalls_a_simulation(self):
        job = self.write("job.ini", "[job]\nstack = uc\nn = 3\n[faults]\n"
                                    "20ms..60ms partition 0,1 | 2\nat 80ms crash 0\n")
        got = self.upon("sim", "--seeds", "1..5", job)
        self.assertEqual(got.returncode, 0, got.stderr)
        self.assertIn("UC4 holds", got.stdout)

    def test_faults_that_a_simulation_cannot_make_are_refused(self):
        for args, words in ((("--stack=beb", "disk-fail 1"), "beb has no log"),
                            (("--stack=beb", "disk-slow constant 1ms"), "beb has no log"),
                            (("--strategy=exhaustive", "loss 10%"), "leave out --faults"),
                            (("--strategy=sweep", "loss 10%"), "leave out --faults")):
            got = self.upon("sim", "--seeds", "1..2", args[0], "--faults", args[1])
            self.assertEqual(got.returncode, 2, args)
            self.assertIn(words, got.stderr)
            self.assertEqual(got.stderr.count("\n"), 1)

    def test_scripts_that_make_no_sense_are_refused_before_anything_starts(self):
        for script, words in (("at 200ms crash 7\n", "script:1: p7 is not one of the 3"),
                              ("loss 1%\n3ms..1ms loss 1%\n", "script:2: 3ms..1ms ends before"),
                              ("explode 1\n", "script:1: fault 'explode' is not known"),
                              ("delay gamma 1ms\n", "script:1: fault 'delay gamma 1ms': 'gamma'"),
                              ("partition 0,1 | 1\n", "names p1 on both sides"),
                              ("at 9d crash 1\n", "script:1: '9d' is no time"),
                              ("at 90s crash 1\n", "script:1: the load ends at 1s"),
                              ("byzantine 1\n", "reserved"),
                              ("loss 1%\n" * 17, "script:17: more than 16 rules")):
            got = self.upon("run", "--faults", self.write("script", script),
                            sets=SHORT + ["job.stack=urb"])
            self.assertEqual(got.returncode, 2)
            self.assertIn(words, got.stderr)
            self.assertEqual(got.stderr.count("\n"), 1)

    def test_the_examples_are_accepted(self):
        for name in "faults.ini", "crash.ini", "recover.ini":
            got = self.upon("run", "--json", "--out", name + ".run",
                            os.path.join(ROOT, "jobs", name),
                            sets=["load.rate=1k", "job.drain=60s"])
            self.assertEqual(got.returncode, 0, got.stderr)

    @unittest.skipUnless(TWO, "two processors are needed for two nodes")
    def test_faults_reach_other_os_processes(self):
        summary, events = self.run_with("150ms..350ms loss 20%\nat 500ms crash 2\n",
                                        "job.stack=urb", "job.device=memif", *FEW)
        self.assertEqual(summary["verdict"], "valid")
        self.assertEqual({e["process"] for e in events if e["edge"] == "begin"}, {0, 1, 2})
        self.assertEqual({e["result"] for e in events}, {"ok"})
        self.assertGreater(self.drops(summary, "drop_fault"), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
