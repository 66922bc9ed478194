# SPDX-License-Identifier: BSD-3-Clause
"""`upon sim` and `upon replay` as one meets them: what is found is kept, what is kept is found again,
and what was asked for is done or refused. The second program has an assertion that fails."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

UPON = os.path.abspath(sys.argv[1])
PLANTED = os.path.abspath(sys.argv[2])
ROOT = os.path.abspath(sys.argv[3])
FAILS = ["sim", "-q", "--stack", "beb", "--strategy", "timed", "--steps", "2000", "--seed", "1"]
VIOLATED = ["sim", "-q", "--stack", "urb_all_ack", "--lies", "5", "--seeds", "1..400"]


class Sim(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def upon(self, *args, status=0, program=UPON):
        got = subprocess.run([program, *args], capture_output=True, text=True, timeout=200,
                             cwd=self.folder.name, check=False)
        self.assertEqual(got.returncode, status, (args, got.stdout, got.stderr))
        return got

    def refused(self, *args):
        got = self.upon(*args, status=2)
        said = [line for line in got.stderr.splitlines() if line.startswith("upon ")]
        self.assertEqual(len(said), 1, (args, got.stderr))
        return said[0]

    def replay_file(self):
        """A file of a violated property."""
        got = self.upon(*VIOLATED, status=1)
        return re.search(r"again: upon replay (\S+[0-9]\.replay)", got.stdout).group(1)


class Leaks(Sim):
    @mock.patch.dict(os.environ, {"UPON_PLANTED": "leak"})
    def test_a_packet_that_is_not_given_back_is_told_with_its_schedule(self):
        seeds = FAILS[:-2] + ["--seeds", "1..4"]
        got = self.upon(*seeds, status=1, program=PLANTED)
        self.assertIn("stack beb, n = 3, seed 1: 1 packets did not return", got.stderr)
        self.assertIn("bounded by a leak: the seeds behind 1 were not run", got.stdout)
        got = self.upon(*seeds, "--keep-going", status=1, program=PLANTED)
        self.assertEqual(got.stderr.count("did not return"), 1)
        self.assertIn("beb: 4 schedules", got.stdout)


class Assertions(Sim):
    def test_one_that_fails_is_kept_where_no_folder_was_and_replayed(self):
        for out in ([], ["-o", "new"]):
            got = self.upon(*FAILS, *out, status=1, program=PLANTED)
            name = re.search(r"again: upon replay (\S+)", got.stderr).group(1)
            self.assertTrue(os.path.exists(self.path(name)))
            at = re.search(r"stopped at an assertion .*", got.stderr).group(0)
            again = self.upon("replay", name, status=1, program=PLANTED)
            self.assertIn(at, again.stderr)
            self.assertNotIn("not the execution", again.stderr)
            self.assertIn("⟨", again.stdout)

    def test_its_choices_can_be_drawn_and_shrunk(self):
        self.upon(*FAILS, status=1, program=PLANTED)
        self.upon("replay", "runs/beb-1.replay", "--diagram", "x.svg", status=1, program=PLANTED)
        self.assertGreater(os.path.getsize(self.path("x.svg")), 1000)
        self.upon("replay", "runs/beb-1.replay", "--shrink", "-o", "k", status=1, program=PLANTED)
        with open(self.path("k"), encoding="utf-8") as f:
            small = int(re.search("^choices ([0-9]+)$", f.read(), flags=re.MULTILINE).group(1))
        self.assertLess(small, 12)
        self.assertIn("stopped at an assertion",
                      self.upon("replay", "k", status=1, program=PLANTED).stderr)
        self.upon("replay", "k", "--dump", str(small - 1), program=PLANTED)
        self.assertIn("no configuration", self.upon("replay", "k", "--dump", str(small), status=1,
                                                    program=PLANTED).stderr)

    def test_a_run_that_ends_at_one_has_its_table_and_its_summary(self):
        got = self.upon(*FAILS, "--json", "-o", "new", status=1, program=PLANTED)
        told = json.loads(got.stdout)
        self.assertEqual(told["verdict"], "invalid")
        self.assertEqual(told["stacks"][0]["stopped_at_assertion"], 1)
        found = told["violations"][0]
        self.assertEqual((found["property"], found["layer"]), ("assert", None))
        self.assertIn("planted_assertion.c", found["witness"])
        with open(self.path("new/table.txt"), encoding="utf-8") as f:
            self.assertIn("1 stopped at an assertion", f.read())
        got = self.upon(*FAILS[:-2], "--seeds", "1..3", "--keep-going", status=1, program=PLANTED)
        self.assertIn("beb: 3 schedules, 3 stopped at an assertion", got.stdout)
        for how in (["exhaustive", "--stack", "epfd", "--timers", "1"],
                    ["sweep", "--stack", "log", "--set", "disk_ns=1ms"]):
            got = self.upon("sim", "--json", "--strategy", *how, status=1, program=PLANTED)
            self.assertEqual(json.loads(got.stdout)["violations"][0]["property"], "assert")

    def test_one_that_does_not_fail_any_more_is_said_to_be_another_execution(self):
        self.upon(*FAILS, status=1, program=PLANTED)
        self.assertIn("not the execution", self.refused("replay", "runs/beb-1.replay"))

    def test_a_folder_that_cannot_be_is_said(self):
        with open(self.path("file"), "w", encoding="utf-8"):
            pass
        got = self.upon(*FAILS, "-o", "file", status=2, program=PLANTED)
        self.assertIn("replay files cannot be written", got.stderr)


class Replays(Sim):
    def with_header(self, name, *fields):
        """The same file with other values in its header."""
        with open(self.path(name), encoding="utf-8") as f:
            text = f.read()
        for field, value in fields:
            text = re.sub(rf"^{field} .*", f"{field} {value}", text, count=1, flags=re.MULTILINE)
        with open(self.path("altered"), "w", encoding="utf-8") as f:
            f.write(text)
        return "altered"

    def test_what_is_kept_is_found_again(self):
        name = self.replay_file()
        got = self.upon("replay", name, status=1)
        self.assertIn("violated", got.stdout)

    def test_another_property_trace_or_number_of_choices_is_another_execution(self):
        name = self.replay_file()
        for field in (("property", "XX9"), ("choices", "3"), ("trace", "0123456789abcdef")):
            self.assertIn("this is not the execution that was recorded",
                          self.refused("replay", self.with_header(name, field)))

    def test_of_another_revision_it_is_only_said(self):
        name = self.with_header(self.replay_file(), ("revision", "other"), ("choices", "3"))
        self.assertIn("--any-revision", self.refused("replay", name))
        got = self.upon("replay", name, "--any-revision", status=1)
        self.assertIn("this is not the execution that was recorded", got.stderr)


    def test_what_is_kept_brings_its_packets_along(self):
        got = self.upon(*VIOLATED, "--set", "job.size=1000B", "--memory", "20000", status=1)
        command = re.search(r"again: upon (replay \S+[0-9]\.replay.*)", got.stdout).group(1)
        self.assertTrue(command.endswith(" --memory 20000"), command)
        self.assertIn("violated", self.upon(*command.split(), status=1).stdout)

    def test_two_choices_are_compared_in_either_form(self):
        name = self.replay_file()
        told = {self.upon("replay", *args).stdout for args in (
            ("--diff", "3..9", name), ("--diff", "3", "9", name), (name, "--diff", "3", "9"))}
        self.assertEqual(len(told), 1)
        for wrong in (["9", "3"], ["3"], ["3", "x"]):
            self.refused("replay", name, "--diff", *wrong)


class Packets(Sim):
    def test_a_run_without_packets_is_no_assertion_of_a_protocol(self):
        many = ["--stack", "beb", "-n", "60", "--strategy", "timed", "--seed", "1"]
        self.assertIn("--memory", self.refused("sim", "-q", *many, "--memory", "1023"))
        self.assertFalse(os.path.exists(self.path("runs")))

    def test_a_schedule_without_packets_is_left_and_the_others_are_run(self):
        got = self.upon("sim", "-q", "--stack", "beb", "--seeds", "1..3", "-n", "60", "--strategy",
                        "timed", "--memory", "1023", "--json", status=2)
        told = json.loads(got.stdout)
        self.assertEqual((told["schedules"], told["verdict"]), (3, "unknown"))
        self.assertEqual(told["stacks"][0]["ended_without_packets"], 3)
        self.assertIn("--memory", told["unknown_because"])

    def test_many_processes_find_enough_of_them(self):
        self.upon("sim", "-q", "--stack", "beb", "-n", "100", "--strategy", "timed", "--seed", "1")

    def test_messages_of_a_scenario_fit(self):
        with open(self.path("x.scn"), "w", encoding="utf-8") as f:
            f.write("start beb bytes=9000\nrequest p0 broadcast 1\nfair\n")
        self.upon("sim", "-f", "x.scn")


class Options(Sim):
    def test_a_search_makes_one_request_unless_more_are_asked_for(self):
        search = ["sim", "--strategy", "exhaustive", "--stack", "beb"]
        for key, said in (("bytes=16", "1 source × 1 requests"), ("ops=2", "1 source × 2 requests")):
            self.assertIn(said, self.upon(*search, "--set", key).stdout)

    def test_a_scenario_that_names_what_is_not_there_is_refused(self):
        for lines, said in (("fault isolate 7", "x.scn:2: p7"),
                            ("at 1ms crash 1", "x.scn:2: 'at 1ms crash 1' never happens"),
                            ("step p0\0\nstep p7", "x.scn: not a scenario: it holds a zero byte")):
            with open(self.path("x.scn"), "w", encoding="utf-8") as f:
                f.write(f"start beb n=3\n{lines}\nfair\n")
            got = self.upon("sim", "-f", "x.scn", status=2)
            self.assertIn(said, got.stderr)
            self.assertEqual(len(got.stderr.splitlines()), 1)

    def test_what_would_not_be_done_is_refused(self):
        with open(self.path("x.scn"), "w", encoding="utf-8") as f:
            f.write("start beb n=3\nfair\n")
        search = ["--strategy", "exhaustive", "--stack", "urb_all_ack"]
        sweep = ["--strategy", "sweep", "--stack", "log"]
        crash = ["--stack", "beb", "--faults", "at 3ms crash 1"]
        for args, said in (
                (sweep + ["--seeds", "1..5"], "--seeds"),
                (search + ["--seeds", "1..5"], "--seeds"),
                (search + ["--lies", "50"], "--lies"),
                (search + ["--diagram", "x.svg"], "--diagram"),
                (search + ["--keep-going"], "--keep-going"),
                (search + ["--recoveries", "1"], "no log"),
                (["--strategy", "script"], "--script FILE"),
                (["--strategy", "pctcp"] + crash, "leave out --strategy"),
                (["--strategy", "pctcp", "--stack", "le"], "clock"),
                (["--strategy", "random", "--stack", "rb_lazy"], "clock"),
                (["--strategy", "random", "--faults", "delay constant 50ms"], "clock"),
                (["--strategy", "pctcp", "--faults", "reorder 50% constant 5ms"], "clock"),
                (["--strategy", "random", "--faults", "loss 10% @5ms..50ms"], "clock"),
                (["--seeds", "1..5", "--diagram", "x.svg"], "--seed"),
                (["--seed", "1", "--window", "1..5"], "--window"),
                (["--seed", "1", "--crashes", "1"], "--crashes"),
                (["--seed", "1", "--states", "9"], "--states"),
                (["--seed", "1", "--depth", "3"], "--depth"),
                (["--seed", "1", "--transcript"], "--transcript"),
                (["-f", "x.scn", "--stack", "beb"], "--stack"),
                (["-f", "x.scn", "--seed", "5"], "--seed"),
                (["-f", "x.scn", "--set", "ops=3"], "--set"),
                (["-f", "x.scn", "--set", "job.n=3"], "the job"),
                (["-f", "x.scn", "--strategy", "timed"], "--strategy"),
                (["--set", "n=2"], "--n 2"),
                (["--set", "seed=7"], "--seed 7"),
                (["--set", "load.plant=lose"], "load.plant"),
                (["--set", "job.device=memif"], "job.device")):
            self.assertIn(said, self.refused("sim", "--time", "1s", *args)
                          if args[0] != "-f" else self.refused("sim", *args))
        self.assertFalse(os.path.exists(self.path("x.svg")))
        for args in (["--shrink", "--dump", "3"], ["-o", "x"], ["--time", "3s"],
                     ["--dump", "3", "--trace"], ["--window", "1..3"]):
            self.refused("replay", "no-such-file", *args)

    def test_a_load_that_is_given_finds_room(self):
        for key, seed in (("bytes=9000", "38"), ("ops=40", "89"), ("ops=200", "8")):
            self.upon("sim", "-q", "--stack", "luc", "--set", key, "--seed", seed)

    def test_what_is_asked_for_beside_a_script_of_faults_is_done(self):
        got = self.upon("sim", "--stack", "uc", "--seed", "1", "--lies", "5", "--set", "ops=3",
                        "--faults", "at 3ms crash 1")
        for word in (" timed ", " ops=3 ", " lie=50000 "):
            self.assertIn(word, got.stdout)

    def test_faults_that_have_their_time_or_take_some_have_a_clock(self):
        for seed in range(1, 6):
            for fault in ("partition 0,1|2 @5ms..50ms", "delay constant 50ms", "rate 1k/s"):
                self.assertIn(" timed ", self.upon("sim", "-q", "--stack", "urb", "-n", "3", "--faults", fault,
                                                   "--seed", str(seed)).stdout)
        got = self.upon("sim", "-q", "--seeds", "1..25", "--strategy", "random")
        self.assertIn("le: 1 schedules, timed", got.stdout)
        self.assertNotIn("urb: 1 schedules, timed", got.stdout)

    def test_a_script_is_all_that_goes_wrong_with_logs_too(self):
        crash = ["sim", "-q", "--trace", "--stack", "lurb", "--faults", "at 3ms crash 1"]
        for seed in ("1", "2", "3"):
            got = self.upon(*crash, "--seed", seed).stdout
            self.assertTrue(" restarts≤0 recover=0 " in got)
            self.assertEqual(got.count(": recover"), 0)
            self.assertTrue(re.search(r"(?s): request .*: crash p1", got))
            got = self.upon(*crash, "--faults", "at 50ms recover 1", "--seed", seed).stdout
            self.assertEqual(got.count(": recover p1"), 1)

    def test_what_a_job_has_for_a_live_run_is_said_in_a_line(self):
        got = self.upon("sim", "--seeds", "1..2", os.path.join(ROOT, "jobs", "recover.ini"))
        self.assertEqual(len(got.stderr.splitlines()), 1)
        for key in ("job.duration", "load.rate", "log.size"):
            self.assertIn(key, got.stderr)
        for key in ("job.stack", "job.n", "params.detect"):
            self.assertNotIn(key, got.stderr)

    def test_numbers_are_decimal_and_within_what_is_said(self):
        self.assertIn(" n=10 ", self.upon("sim", "--stack", "beb", "-n", "010", "--seed", "1").stdout)
        self.assertIn(" seed=16 ", self.upon("sim", "--stack", "beb", "--seed", "0x10").stdout)
        self.upon("sim", "--strategy", "pctcp", "--depth", "6", status=2)

    def test_the_mix_names_what_there_is(self):
        mixes = ""
        for seed in range(1, 40):
            mixes += self.upon("sim", "-q", "--stack", "uc", "-n", "3", "--seed", str(seed),
                               "--set", "instances=512").stdout
        sides = re.findall(r"(?:partition|oneway) ([0-9,|>]+)", mixes)
        self.assertGreater(len(sides), 3)
        for side in sides:
            self.assertLess(max(int(p) for p in re.findall(r"[0-9]+", side)), 3)
        for word in (" delay=20000ns ", "; heartbeat=", " detect="):
            self.assertIn(word, mixes)


class Summary(Sim):
    def test_what_was_found_is_told_to_programs_and_people(self):
        got = self.upon(*VIOLATED, "--json", "--out", "new", status=1)
        told = json.loads(got.stdout)
        with open(self.path("new/summary.json"), encoding="utf-8") as f:
            self.assertEqual(json.load(f), told)
        self.assertEqual((told["schema"], told["verdict"]), ("upon.sim/1", "invalid"))
        self.assertEqual(told["seeds"]["bounded_by"], "a violation")
        self.assertEqual(told["seeds"]["last"], told["schedules"])
        self.assertEqual(told["options"]["given"], VIOLATED[1:] + ["--json", "--out", "new"])
        found = told["violations"][0]
        self.assertEqual(found["stack"], "urb_all_ack")
        self.assertIn("violated", self.upon("replay", found["replay"], status=1).stdout)
        self.assertIn("violated", self.upon("replay", found["small_replay"], status=1).stdout)
        states = {(p["layer"], p["code"]): p for p in told["stacks"][0]["properties"]}
        self.assertEqual(states["beb", "BEB1"]["verdict"], "holds")
        self.assertEqual(states["urb", found["property"]]["violated"], 1)
        with open(self.path("new/table.txt"), encoding="utf-8") as f:
            table = f.read()
        self.assertIn(f"{found['property']} VIOLATED in 1", table)
        self.assertIn(told["digest"], table)

    def test_searches_and_sweeps_are_told_as_well(self):
        search = json.loads(self.upon("sim", "--json", "--strategy", "exhaustive", "--stack",
                                      "beb").stdout)
        self.assertEqual(search["verdict"], "valid")
        self.assertIsNone(search["searches"][0]["bounded_by"])
        sweep = json.loads(self.upon("sim", "--json", "--strategy", "sweep", "--stack",
                                     "log").stdout)
        self.assertGreater(sweep["sweeps"][0]["crash_points"], 10)


class Judging(Sim):
    def test_nothing_is_owed_beyond_what_a_stack_withstands(self):
        crashes = ["--faults", "at 1ms crash 0", "--faults", "at 1ms crash 1"]
        urb = ["sim", "-q", "--stack", "urb", "-n", "3", "--seeds", "1..20"]
        got = self.upon(*urb, *crashes, status=2)
        self.assertIn("urb: 20 schedules, 20 with more crashes than it withstands", got.stdout)
        self.assertIn("URB1 open in 20", got.stdout)
        self.assertIn("URB1 holds  ", self.upon(*urb, *crashes[:2]).stdout)
        with open(self.path("x.scn"), "w", encoding="utf-8") as f:
            f.write("start urb n=3\ncrash p1\ncrash p2\nrequest p0 broadcast 17\nfair\n")
        self.assertIn("more are down than the stack withstands", self.upon("sim", "-f", "x.scn").stdout)

    def test_a_P_whose_bound_did_not_hold_is_excused(self):
        for fault, said in ((["2ms..200ms pause 0"], "a process was paused"),
                            (["2ms..200ms partition 0|1,2"], "frames were lost"),
                            (["2ms..200ms delay constant 100ms"], "something was late")):
            for f in fault:
                got = self.upon("sim", "-q", "--stack", "urb_all_ack", "-n", "3", "--seeds", "1..5",
                                "--faults", f, "--json", status=1)
                self.assertRegex(got.stderr, f"PFD2 violated .*; P is promised .*, and {said}")
                self.assertTrue(json.loads(got.stdout)["violations"][0]["bound_broken"])
        got = self.upon(*VIOLATED, status=1)
        self.assertNotIn("P is promised", got.stdout)

    def test_what_rests_on_a_P_that_was_drawn_to_lie_is_void(self):
        got = self.upon("sim", "-q", "--stack", "c_flooding", "-n", "3", "--seeds", "1..60", "--json")
        stack = json.loads(got.stdout)["stacks"][0]
        lied = stack["misled_by_P"]
        self.assertGreater(lied, 0)
        for told in stack["properties"]:
            rests = told["code"] in ("C1", "C4")
            self.assertEqual(told["unknown"], lied if rests else 0, told)
            self.assertEqual(told["verdict"], "holds", told)
        # A scenario, as which a replay file is written, says so of itself.
        with open(os.path.join(ROOT, "labs/false_suspicion/flooding_lie.scn"),
                  encoding="utf-8") as f:
            lab = f.read()
        for start, status, said in (("start c_flooding", 1, "C4 violated at"),
                                    ("start c_flooding lies_void=1", 0,
                                     "the accuracy of P is void; P was made to lie")):
            with open(self.path("scn"), "w", encoding="utf-8") as f:
                f.write(lab.replace("start c_flooding", start))
            got = self.upon("sim", "-f", "scn", status=status)
            self.assertIn(said, got.stdout)
        self.assertIn("has no P", self.refused("sim", "-q", "--stack", "beb", "--seed", "1",
                                               "--set", "lies_void=1"))

    def test_what_is_drawn_is_what_was_run(self):
        got = self.upon("sim", "-q", "--stack", "urb_all_ack", "-n", "3", "--seed", "2", "--faults",
                        "2ms..200ms pause 0", "--diagram", "x.svg", status=1)
        choice, choices = re.search("violated .* at choice ([0-9]+) of ([0-9]+)", got.stdout).groups()
        with open(self.path("x.svg"), encoding="utf-8") as f:
            drawn = f.read()
        self.assertIn(f"PFD2 violated at choice {choice}:", drawn)
        self.assertEqual(choice, choices)
        self.assertRegex(drawn, f'class="step"[^>]*>{choice}<')


class Bounds(Sim):
    def test_what_was_not_judged_or_not_seen_is_no_valid_verdict(self):
        for args in (["--stack", "urb", "--seeds", "1..3", "--unfair"],
                     ["--stack", "urb", "--seeds", "1..3", "--unchecked"],
                     ["--stack", "urb", "--strategy", "exhaustive", "--states", "5"],
                     ["--stack", "P", "--strategy", "exhaustive"]):
            got = self.upon("sim", "-q", "--json", *args, status=2)
            told = json.loads(got.stdout)
            self.assertEqual(told["verdict"], "unknown")
            self.assertIn(told["unknown_because"], got.stderr)

    def test_the_time_that_is_given_is_that_of_all_stacks(self):
        for how in ("exhaustive", "sweep"):
            got = self.upon("sim", "--time", "1ms", "--strategy", how, status=2)
            self.assertIn("luc: bounded by time: it was not begun", got.stdout)

    def interrupted(self, *args):
        with subprocess.Popen([UPON, "sim", "-q", *args], stdout=subprocess.PIPE, text=True,
                              cwd=self.folder.name) as p:
            time.sleep(2)
            p.send_signal(signal.SIGINT)
            text = p.communicate(timeout=300)[0]
            self.assertEqual(p.returncode, 2)
        return text

    def test_a_search_and_a_sweep_end_when_they_are_told_to(self):
        self.assertIn("bounded by interruption",
                      self.interrupted("--strategy", "exhaustive", "--stack", "luc", "--time", "20m"))
        self.assertIn("bounded by interruption",
                      self.interrupted("--strategy", "sweep", "--stack", "luc", "-n", "5", "--set",
                                       "ops=8", "--time", "20m"))

    def test_seeds_that_were_not_run_are_said(self):
        got = self.upon("sim", "-q", "--stack", "pl", "--seeds", "1..1000000", "--time", "1s")
        self.assertRegex(got.stdout, "bounded by time: the seeds behind [0-9]+ were not run")
        self.assertNotIn("bounded", self.upon("sim", "-q", "--stack", "pl", "--seeds", "1..3").stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
