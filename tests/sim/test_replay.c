/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/replay.h"
#include "worlds.h"

static struct adversary *adversary;
static char why[512];
static char path[] = "/tmp/upon-replay-XXXXXX";

/* Record one swarm run of a stack. Returns its trace hash. */
static uint64_t record(struct sim_world *w, const char *stack, uint64_t seed)
{
    struct mix mix;
    struct sim_job job = {.def = stack_find(stack)};
    adversary_draw(seed, &job, &mix);
    mix.lie = 10000;
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    struct outcome out = adversary_run(adversary, w, &mix, seed);
    assert_int_equal(replay_write(path, w, out.violated ? out.result.code : "-",
                                  out.fair ? REPLAY_END_FAIR : REPLAY_END),
                     0);
    return w->trace_hash;
}

static void test_a_file_replays_byte_for_byte(void **state)
{
    (void)state;
    static const char *const stacks[] = {"pl", "beb", "urb", "omega", "rb_lazy", "urb_all_ack"};
    struct sim_world *w = sim_world_new(pool);
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0]; i++)
        for (uint64_t seed = 1; seed <= 10; seed++) {
            struct replay_info info;
            char *text;
            uint64_t trace = record(w, stacks[i], seed), hash = sim_world_hash(w);
            assert_int_equal(replay_read(path, false, &info, &text, why, sizeof why), 0);
            assert_true(info.trace_hash == trace);
            struct script s = {.w = w, .recorded = true};
            if (script_text(&s, text, why, sizeof why) != 0)
                fail_msg("%s seed %u: %s", stacks[i], (unsigned)seed, why);
            assert_true(w->trace_hash == trace);
            assert_true(sim_world_hash(w) == hash);
            free(text);
        }
    world_free(w);
}

static void test_a_file_cut_anywhere_is_refused(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct replay_info info;
    char *text;
    record(w, "beb", 3);
    FILE *f = fopen(path, "r");
    fseek(f, 0, SEEK_END);
    long bytes = ftell(f);
    fclose(f);
    for (long cut = bytes - 1; cut >= 0; cut -= 1 + bytes / 400) {
        assert_int_equal(truncate(path, cut), 0);
        assert_true(replay_read(path, false, &info, &text, why, sizeof why) < 0);
        assert_null(text);
    }
    world_free(w);
}

static void test_an_altered_file_is_refused(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct replay_info info;
    char *text;
    record(w, "beb", 3);
    FILE *f = fopen(path, "r+");
    fseek(f, 0, SEEK_END);
    long bytes = ftell(f);
    /* Behind the property and the trace, which are compared and told, not believed. */
    for (long at = 80; at < bytes; at += 1 + bytes / 400) {
        fseek(f, at, SEEK_SET);
        int c = fgetc(f);
        fseek(f, at, SEEK_SET);
        fputc(c ^ 1, f);
        fflush(f);
        bool refused = replay_read(path, false, &info, &text, why, sizeof why) < 0;
        free(text);
        if (!refused)
            assert_true(at < 120); /* the hexadecimal trace */
        fseek(f, at, SEEK_SET);
        fputc(c, f);
        fflush(f);
    }
    fclose(f);
    world_free(w);
}

static void test_another_revision_is_refused_unless_asked_for(void **state)
{
    (void)state;
    struct replay_info info;
    char *text;
    struct sim_world *w = sim_world_new(pool);
    record(w, "beb", 3);
    FILE *f = fopen(path, "r+");
    fseek(f, (long)strlen("upon replay 1\nrevision "), SEEK_SET);
    fputc('X', f);
    fclose(f);
    assert_true(replay_read(path, false, &info, &text, why, sizeof why) < 0);
    assert_non_null(strstr(why, "--any-revision"));
    assert_int_equal(replay_read(path, true, &info, &text, why, sizeof why), 0);
    free(text);
    world_free(w);
}

static void test_scenarios_that_make_no_sense_are_refused_with_line_and_word(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"step p0", "start"},
        {"start nope", "nope"},
        {"start beb n=0\nstep p0", "n = 0"},
        {"start beb n=x", "n=x"},
        {"start beb speed=3", "speed"},
        {"start beb n=70000", "too large"},
        {"start beb\nstart beb", "twice"},
        {"start beb\nfault loss 400%", "400%"},
        {"start beb\nstep p7", "p7"},
        {"start beb\nstep q1", "step"},
        {"start beb\nstep p1 p2", "p2"},
        {"start beb\ndeliver 0->1", "0->1"},
        {"start beb\ndeliver 0-1", "edge"},
        {"start beb\nrequest p0 broadcast", "value"},
        {"start beb\nrequest p0 propose 1", "propose"},
        {"start beb\nrequest p0 broadcast 1 2", "2"},
        {"start beb\ncrash p0\nstep p0", "p0"},
        {"start beb\ncrash-at p0", "number"},
        {"start beb\narm 3", "arm"},
        {"start beb\nrun fast", "run"},
        {"start beb\nend\nheal", "heal"},
        {"start epfd\nrequest p0 send 1", "no requests"},
        {"at 1ms crash 1\nstart beb", "between 'start' and the first"},
        {"start beb\nstep p0\nat 1ms crash 1", "between 'start' and the first"},
        {"start beb n=3\nat 1ms crash 3\nstep p0", "p3 is not one"},
        {"start beb\n2ms..1ms loss 1%", "ends before it begins"},
        {"start beb\nat 1ms recover 1\nstep p0", "p1 has not crashed"},
        {"start beb\n1ms..2ms disk-fail 1\nstep p0", "no log"},
        {"start beb\nfault disk-slow constant 5ms 1\nstep p0", "no log"},
        {"start beb n=3\n\nfault isolate 7\nfair", "scenario:3: p7 is not one"},
        {"start beb n=3\nfault loss 0->7\nfair", "p7 is not one"},
        {"start beb n=3\n\nat 1ms crsh 1\nfair", "scenario:3: fault 'crsh'"},
        {"start beb n=3\ndeliver 0->7 all", "p7 is not one"},
        {"start beb n=3\ndelivr 0->1 all", "'delivr'"},
        {"start beb n=3\nsettle 3", "'3'"},
        {"start beb n=3\nfair foo", "'foo'"},
        {"start beb n=3\nend foo", "'foo'"},
        {"start beb n=3\nend fair foo", "'foo'"},
        {"start beb n=3 forward=7\nfair", "forward=7"},
        {"start beb n=3 bytes=4294967295\nfair", "bytes=4294967295"},
        {"start beb n=3 unstable=1\nfair", "no log"},
        {"start lurb n=3 unstable=9\nfair", "unstable=9"},
        {"start beb n=3 disk_ns=5ms\nfair", "disk_ns=5000000: stack beb has no log"},
        {"start beb n=3 lag=2\nfair", "lag=2: stack beb has no log"},
        {"start uc n=2\nrequest p0 propose 7 @99999999999\nfair", "instance 99999999999"},
        {"start luc n=2\nrequest p0 propose 7 @17\nfair", "instance 17"},
        {"start c_flooding n=2\nrequest p0 propose 7 @400\nfair", "instance 400"},
        {"start beb\nrequest p0 broadcast 1\ndeliver 0->1 #4294967296", "#4294967296"},
        {"start beb\ncrash-at p0 4294967296", "number"},
        {"start beb\nfault loss 1%\narm 4294967296", "number"},
        {"start log\nrequest p0 store 1\nwritten p0 #4294967296", "#4294967296"},
        {"start log\nflip p0 segment 4294967296 byte 0 bit 0", "flip p1"},
        {"start beb\nadvance 18446744073709551615", "292 years"},
        {"start beb\nadvance 1000000h\nadvance 2000000h", "292 years"},
        {"start beb\nadvance 1000000h\nrun 2000000h", "292 years"},
        {"start beb\nlie p0 p1", "no detector"},
        {"start urb_all_ack\nlie p0 p1 epfd", "no detector"},
        {"start urb_all_ack\ncrash p0\nlie p0 p1", "p0 has crashed"},
        {"start beb\nfault loss 1%\narm 1", "1 faults"},
        {"start beb\nresume p0", "p0 is not paused"},
        {"start beb\npause p0\nstep p0", "p0 is paused"},
        {"start beb\nrecover p0", "p0 has not crashed"},
        {"start beb\ncrash p0\nrecover p0 super 0", "no log"},
        {"start beb\ntimer p0", "no timer"},
        {"start beb\ncrash-super p0 0", "no log"},
        {"start log\ncrash-super p0 2", "copies 0 and 1"},
        {"start beb\nlose-super p0 1", "no log"},
        {"start log\nlose-super p0 4", "3 both"},
        {"start log\nflip p0 segment 0 byte 0 bit 9", "no such bit"},
        {"start lpl n=2\nrequest p0 send p1 17\nsettle\nrun 50ms\nrequest p0 send p1 18\n"
         "crash p1\ndeliver 0->1",
         "p1 has crashed"},
    };
    struct sim_world *w = sim_world_new(pool);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct script s = {.w = w};
        assert_true(script_text(&s, bad[i][0], why, sizeof why) < 0);
        if (strstr(why, bad[i][1]) == NULL)
            fail_msg("\"%s\" gives \"%s\"", bad[i][0], why);
    }
    world_free(w);
}

static void test_what_was_to_befall_a_process_and_did_not_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool over;
    } cases[] = {{"start beb\nat 1ms crash 1\nfair\n", false},
                 {"start beb\nat 1ms crash 1\nrun 500us\nfair\n", false},
                 {"start beb\nat 1ms crash 1\nrun 2ms\nfair\n", true},
                 {"start beb\n1ms.. loss 10%\nadvance 2ms\nfair\n", true},
                 {"start beb\n1ms..9ms pause 1\nrun 2ms\nfair\n", true}};
    struct sim_world *w = sim_world_new(pool);
    for (size_t i = 0; i < RTE_DIM(cases); i++) {
        struct script s = {.w = w, .name = "x.scn"};
        assert_int_equal(script_text(&s, cases[i].text, why, sizeof why), 0);
        assert_int_equal(script_over(&s, why, sizeof why) == 0, cases[i].over);
        if (!cases[i].over)
            assert_string_equal(why, "x.scn:2: 'at 1ms crash 1' never happens: no 'run' keeps "
                                     "time until then");
    }
    world_free(w);
}

static void test_a_scenario_reads_as_it_runs(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct script s = {.w = w};
    static const char text[] = "# p0 crashes when one frame has left: p1 delivers, p2 does not\n"
                               "start beb n=3\n"
                               "request p0 broadcast 17 waiting\n"
                               "crash-sent p0 1\n"
                               "settle\n"
                               "run 50ms\n"
                               "fair\n";
    if (script_text(&s, text, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_true(s.judged && s.fair);
    assert_int_equal(w->crossed, 3); /* one broadcast, p0's and p1's deliveries */
    uint16_t layer;
    assert_null(sim_world_violation(w, &layer));
    world_free(w);
}

const char upon_revision[] = "1234567";

static void test_a_script_of_faults_befalls_a_scenario_at_its_times(void **state)
{
    (void)state;
    struct sim_world *w = sim_world_new(pool);
    struct script s = {.w = w};
    static const char text[] = "start beb n=3\n"
                               "0s..2ms partition 0,1 | 2\n"
                               "at 3ms crash 1\n"
                               "4ms..5ms pause 2\n"
                               "request p0 broadcast 17\n"
                               "run 1ms\n";
    if (script_text(&s, text, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_true(w->sim.env[2].counters[COUNT_drop_fault] > 0);
    assert_int_equal(w->proc[1].state, SIM_RUNNING);
    assert_int_equal(script_line(&s, "run 2500us", why, sizeof why), 0);
    assert_int_equal(w->proc[1].state, SIM_CRASHED);
    assert_int_equal(w->proc[2].state, SIM_RUNNING);
    assert_int_equal(script_line(&s, "run 1ms", why, sizeof why), 0);
    assert_int_equal(w->proc[2].state, SIM_PAUSED);
    assert_int_equal(script_line(&s, "run 1ms", why, sizeof why), 0);
    assert_int_equal(w->proc[2].state, SIM_RUNNING);
    world_free(w);
}

static void test_what_a_script_of_faults_did_replays_without_it(void **state)
{
    (void)state;
    struct faults f = {0};
    static const char *const lines[] = {"1ms..4ms loss 30%", "2ms..3ms pause 1", "at 5ms crash 2",
                                        "4ms..6ms rate 1k/s burst=2 0->1"};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(faults_add(&f, lines[i], "script", i + 1, why, sizeof why), 0);
    struct sim_world *w = sim_world_new(pool);
    struct sim_job job = {.def = stack_find("urb"),
                          .n = 3,
                          .seed = 9,
                          .ops = 20,
                          .delay_ns = 20000};
    struct mix mix = mix_default(STRATEGY_TIMED, job.def, 3);
    mix.plan = &f;
    mix.crash = 0;
    assert_int_equal(sim_plan_rules(&f, &job, why, sizeof why), 0);
    assert_int_equal(sim_world_start(w, &job, why, sizeof why), 0);
    struct outcome out = adversary_run(adversary, w, &mix, 9);
    assert_true(out.fair && !out.violated);
    assert_int_equal(w->proc[2].state, SIM_CRASHED);
    assert_int_equal(replay_write(path, w, "-", REPLAY_END_FAIR), 0);
    uint64_t trace = w->trace_hash;
    struct replay_info info;
    char *text;
    assert_int_equal(replay_read(path, false, &info, &text, why, sizeof why), 0);
    struct script s = {.w = w};
    if (script_text(&s, text, why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_true(w->trace_hash == trace);
    free(text);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_replays_byte_for_byte),
        cmocka_unit_test(test_a_file_cut_anywhere_is_refused),
        cmocka_unit_test(test_an_altered_file_is_refused),
        cmocka_unit_test(test_another_revision_is_refused_unless_asked_for),
        cmocka_unit_test(test_scenarios_that_make_no_sense_are_refused_with_line_and_word),
        cmocka_unit_test(test_what_was_to_befall_a_process_and_did_not_is_said),
        cmocka_unit_test(test_a_scenario_reads_as_it_runs),
        cmocka_unit_test(test_a_script_of_faults_befalls_a_scenario_at_its_times),
        cmocka_unit_test(test_what_a_script_of_faults_did_replays_without_it),
    };
    int fd = mkstemp(path);
    if (fd < 0 || !worlds_start())
        return 2;
    close(fd);
    adversary = adversary_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    adversary_free(adversary);
    unlink(path);
    return failed;
}
