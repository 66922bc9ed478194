/* SPDX-License-Identifier: BSD-3-Clause */
/* Job files: what is read, what is refused and in which words, what is written back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/eal_words.h"
#include "control/job.h"

static struct job job;
static char why[1024];
static char path[64];

static void write_job(const char *text)
{
    snprintf(path, sizeof path, "/tmp/upon-job-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static int read_and_check(const char *text, char *const sets[], uint32_t count)
{
    why[0] = '\0';
    if (text != NULL)
        write_job(text);
    int err = job_read(&job, text != NULL ? path : NULL, sets, count, why, sizeof why);
    if (err == 0)
        err = job_check(&job, why, sizeof why);
    if (text != NULL)
        unlink(path);
    return err;
}

/* Refused in line `line` (0: none) with a sentence that contains `words`. */
static void refused(const char *text, int line, const char *words)
{
    char place[128];
    if (read_and_check(text, NULL, 0) == 0)
        fail_msg("not refused: %s", text);
    snprintf(place, sizeof place, "%s:%d: ", path, line);
    if (line > 0 && strncmp(why, place, strlen(place)) != 0)
        fail_msg("\"%s\" does not begin with %s", why, place);
    if (strstr(why, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void accepted(const char *text)
{
    if (read_and_check(text, NULL, 0) != 0)
        fail_msg("%s", why);
}

static void set_refused(const char *set, const char *words)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", set);
    char *const sets[] = {(char *)"job.stack=beb", copy};
    if (read_and_check(NULL, sets, 2) == 0)
        fail_msg("not refused: %s", set);
    if (strstr(why, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, words);
}

#define BEB "[job]\nstack = beb\n"

static void values_have_units(void **state)
{
    (void)state;
    accepted("[job]\nstack = beb\nn = 5\nsize = 1KiB\nduration = 200ms\nwarmup = 10us\n"
             "seed = 0xff ; of all choices\n# a remark\n[load]\nrate = 1.5M\n[params]\n"
             "give_up = never\nrto_min = 1.5ms\nmsg_copy = 2KiB\ninstances = 1Ki\n");
    assert_int_equal(job.n, 5);
    assert_int_equal(job.conf.n, 5);
    assert_int_equal(job.size, 1024);
    assert_int_equal(job.duration_ns, 200000000);
    assert_int_equal(job.warmup_ns, 10000);
    assert_int_equal(job.seed, 255);
    assert_true(job.rate > 1499999 && job.rate < 1500001);
    assert_true(job.conf.give_up_ns == UINT64_MAX);
    assert_int_equal(job.conf.rto_min_ns, 1500000);
    assert_int_equal(job.conf.msg_copy_bytes, 2048);
    assert_int_equal(job.conf.instances, 1024);
    assert_int_equal(job.sources, 1);
}

static void an_override_beats_the_file(void **state)
{
    (void)state;
    char *const sets[] = {(char *)"job.n=7", (char *)"job.proposer=all"};
    assert_int_equal(read_and_check(BEB "n = 5\n", sets, 2), 0);
    assert_int_equal(job.n, 7);
    assert_int_equal(job.sources, 0x7f);
}

static void rate_max_is_a_closed_loop_with_a_wide_window(void **state)
{
    (void)state;
    accepted(BEB "[load]\nrate = max\n");
    assert_int_equal(job.mode, JOB_CLOSED);
    assert_true(job.window >= 256);
    accepted(BEB "[load]\nrate = max\nwindow = 8\n");
    assert_int_equal(job.window, 8);
}

static void what_is_resolved_can_be_run_again(void **state)
{
    (void)state;
    static const char *const jobs[] =
        {BEB, BEB "proposer = 2\ncores = 0,1\n[load]\nrate = max\n",
         BEB "[load]\nmode = closed\nwindow = 3\n",
         BEB "size = 3000B\nmtu = 4KiB\nduration = 1234567us\n[load]\nrate = 33333.25\narrival = "
             "poisson\n[params]\n"
             "give_up = never\ndetect = 7ms\n"};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        char text[4096] = "", again[4096] = "";
        accepted(jobs[i]);
        FILE *f = fmemopen(text, sizeof text, "w");
        job_write(&job, f);
        fclose(f);
        accepted(text);
        f = fmemopen(again, sizeof again, "w");
        job_write(&job, f);
        fclose(f);
        assert_string_equal(text, again);
    }
}

static void what_is_unknown_is_refused_with_what_there_is(void **state)
{
    (void)state;
    refused(BEB "sise = 64B\n", 3, "job.sise: there is no such key; there are stack n device size");
    refused("[jobs]\nn = 3\n", 2, "jobs.n: there is no such section; there are [job]");
    refused("[job]\nstack = bebb\n", 2, "job.stack: there is no stack \"bebb\"; there are ");
    refused(BEB "device = rings\n", 3, "job.device: there is no device \"rings\"; there are ring");
    refused(BEB "proposer = somebody\n", 3, "write leader, all or a rank");
    refused(BEB "proposer = 3\n", 3, "there is no p3; ranks are 0 to 2");
    refused("[job]\nstack = omega\n", 2, "upon run has no load for eventual leader detector");
    refused("[job]\nstack = c_flooding\n", 2, "regular consensus");
}

static void bad_values_are_refused_with_an_example(void **state)
{
    (void)state;
    refused(BEB "n = three\n", 3, "job.n: \"three\" is no value for it; write a whole number");
    refused(BEB "n = -1\n", 3, "is no value");
    refused(BEB "n = 1e99\n", 3, "is no value");
    refused(BEB "n = 2.5\n", 3, "is no value");
    refused(BEB "duration = 5\n", 3, "write a number and ns, us, ms, s, m or h");
    refused(BEB "duration = 5 parsecs\n", 3, "\"5 parsecs\"");
    refused(BEB "duration = nan\n", 3, "is no value");
    refused(BEB "size = 1KB\n", 3, "write a number and B, KiB or MiB");
    refused(BEB "size = 0.3B\n", 3, "is no value");
    refused(BEB "seed = 18446744073709551616\n", 3, "is no value");
    refused(BEB "\n\n[load]\nrate = 0\n", 6, "write operations per second");
    refused(BEB "[load]\nrate = inf\n", 4, "is no value");
    refused(BEB "[load]\nmode = ajar\n", 4, "write one of open|closed");
}

static void impossible_combinations_are_refused_with_the_remedy(void **state)
{
    (void)state;
    refused(BEB "size = 31B\n", 3, "32 at least");
    refused(BEB "size = 1MiB\n", 3, "at most");
    refused(BEB "pool = 64\n", 3, "11264 at least, or 0 for enough");
    refused(BEB "n = 0\n", 3, "1 to 64");
    refused(BEB "n = 65\n", 3, "1 to 64");
    refused(BEB "duration = 0s\n", 3, "measured interval");
    refused(BEB "duration = never\n", 3, "measured interval");
    refused(BEB "[load]\nmode = open\nrate = max\n", 4, "leave load.mode out");
    refused(BEB "[load]\nmode = closed\nrate = 50k\n", 5, "leave load.rate out");
    refused(BEB "[load]\nwindow = 8\n", 4, "write load.mode = closed");
    refused(BEB "[load]\nmode = closed\nwindow = 0\n", 5, "write 1 to");
    refused(BEB "[load]\nmode = closed\narrival = poisson\n", 5, "leave it out");
    refused(BEB "[params]\nflight_msgs = 1000\n", 4, "flight_msgs = 1000: must be a power of two");
    refused(BEB "[params]\nflight_msgs = 4096\nring_msgs = 4096\n", 5, "at least twice");
    refused(BEB "[params]\nmsg_copy = 1MiB\n", 4, "bytes of a message");
    refused(BEB "duration = 25h\n", 3,
            "job.duration: \"25h\" is no value for it; write 24h at most");
    refused(BEB "warmup = 99999999h\n", 3, "write 24h at most");
    refused(BEB "mtu = 1B\n", 3, "job.mtu: messages of 64 bytes need an MTU of 280");
    refused(BEB "mtu = 1kB\nsize = 1KiB\n", 4,
            "job.size: messages of 1024 bytes need an MTU of 1240");
}

/* Messages that layers send without asking for room, and that must have it. */
static void rings_too_small_for_their_stack_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *stack;
        uint32_t n, least;
    } of[] = {{"pl", 2, 4},        {"beb", 7, 4},    {"urb", 1, 8},  {"urb", 3, 16},
              {"urb", 7, 32},      {"urb", 64, 512}, {"uc", 1, 32},  {"uc", 7, 32},
              {"rb_lazy", 7, 64},  {"lurb", 3, 16},  {"luc", 3, 32}, {"pl_textbook", 2, 4},
              {"rb_eager", 12, 64}};
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++)
        for (uint32_t ring = of[i].least / 2; ring <= of[i].least; ring *= 2) {
            char text[256], want[128];
            snprintf(text, sizeof text,
                     "[job]\nstack = %s\nn = %u\n[params]\nflight_msgs = %u\nring_msgs = %u\n",
                     of[i].stack, of[i].n, ring / 2, ring);
            snprintf(want, sizeof want, "takes %u at least", of[i].least);
            if (ring < of[i].least)
                refused(text, 6, want);
            else
                accepted(text);
        }
    refused("[job]\nstack = rb_lazy\n[params]\nflight_msgs = 512\n", 4,
            "a quarter of params.ring_msgs at least, 1024");
    accepted("[job]\nstack = uc\n[params]\nflight_msgs = 1\n");
}

/* What libinih would pass over. */
static void lines_that_would_be_dropped_are_refused(void **state)
{
    (void)state;
    refused("[job] n = 7\nstack = beb\n", 1, "\"n = 7\" stands behind the section");
    refused(BEB "[load]x\n", 3, "\"x\" stands behind the section");
    refused("[load]\rrate = 5\r[job]\rn = 7\r", 1, "a carriage return stands in the line");
    refused(BEB "n = 5\rn = 7\n", 3, "a carriage return");
    accepted("[job] ; a remark]\r\nstack = beb\r\n  [load]\t# another\r\nrate = 5\r\n");
    assert_true(job.rate == 5);
}

static void a_parameter_that_is_of_no_use_is_refused(void **state)
{
    (void)state;
    refused(BEB "[params]\nframe_records = 0\n", 4, "write 1 to 64");
    refused(BEB "[params]\nbatch_events = 0\n", 4, "write 1 to 64");
    refused(BEB "[params]\nbatch_events = 65\n", 4, "write 1 to 64");
    refused(BEB "[params]\nack_delay = never\n", 4, "params.ack_delay: ");
    accepted(BEB "[params]\nbatch_events = 64\nack_delay = 0\n");
    refused(BEB "[params]\nheartbeat = 0\n", 4, "params.heartbeat: it must be 1 ns to a day");
    refused(BEB "[params]\nrto_max = 0s\n", 4, "params.rto_max: it must be 1 ns");
    refused(BEB "[params]\nrto_min = 5s\nrto_max = 1s\n", 4, "raise params.rto_max");
    refused(BEB "[load]\nmode = closed\narrival = constant\n", 5, "leave it out");
}

/* What the device and the placement cannot do is said before anything starts, with its place. */
static void what_the_device_cannot_do_is_refused_with_its_place(void **state)
{
    (void)state;
    refused(BEB "n = 17\ndevice = pcap\n[device]\nargs = p%p.pcap\n", 3,
            "job.n: device pcap: n = 17");
    refused(BEB "size = 1.5KiB\n", 3, "job.size: messages of 1536 bytes need an MTU of 1752");
    refused(BEB "size = 2KiB\nmtu = 2KiB\n", 3, "set job.mtu = 2264");
    refused(BEB "mtu = 65249B\n", 3, "job.mtu: mtu = 65249 is more than 65248");
    accepted(BEB "mtu = 65248B\n");
    refused(BEB "cores = 4000\n", 3, "job.cores: placement 4000: processor 4000 is not ours");
    refused(BEB "cores = 0:0,1;0:1,2\n", 3, "job.cores: placement");
    refused(BEB "device = pcap\n", 3, "device.args = \"\": names no file");
    refused(BEB "device = eal\n", 3, "device.args = \"\" names no port");
    refused(BEB "device = af_packet\n", 3, "device.args = \"\": ");
    refused(BEB "device = tap\n[device]\nargs = t/%p\n", 5,
            "device.args = \"t/%p\": names no interface");
    refused(BEB "device = memif\n[device]\nargs = /nonexistent\n", 5, "is no folder");
    refused(BEB "device = memif\nn = 64\n", 4, "and DPDK has 32: lower job.n");
    refused(BEB "device = null\nn = 33\n", 4, "and DPDK has 32: lower job.n");
    accepted(BEB "device = memif\nn = 5\n");
    accepted(BEB "device = null\nn = 32\n");
    accepted(BEB "device = eal\nsize = 4KiB\n[device]\nargs = 0\neal = --vdev=net_null0\n");
}

/* A key that would change nothing is not passed over in silence. */
static void what_would_have_no_effect_is_refused(void **state)
{
    (void)state;
    char text[512] = BEB "device = eal\n[device]\nargs = 0\neal = --vdev=net_null0";
    refused(BEB "checksum = on\n", 3, "job.checksum: frames over ring have no headers");
    refused(BEB "[device]\nargs = x\n", 4, "device.args: device ring takes no argument");
    refused(BEB "device = null\n[device]\nargs = x\n", 5, "device null takes no argument");
    refused(BEB "[log]\nsqpoll = yes\n", 4, "log.sqpoll: stack beb keeps nothing in a log");
    refused(BEB "[log]\nkeep = no\n", 4, "log.keep: stack beb keeps nothing in a log");
    accepted(
        "[job]\nstack = luc\nsize = 8KiB\nmtu = 9000\n"); /* and a log as large as that takes */
    refused("[job]\nstack = luc\nsize = 8KiB\nmtu = 9000\n[log]\nsize = 64MiB\n", 6,
            "half of it must hold what stack luc may keep");
    refused(BEB "[log]\nsize = 64MiB\n", 4, "log.size: stack beb keeps nothing in a log");
    refused(BEB "device = tap\n[device]\nargs = t%p-%p\n", 5, "leave one %p");
    refused(BEB "device = tap\n[device]\nargs = t%p\nnetns = %p%p\n", 6, "leave one %p");
    for (int i = 1; i < EAL_WORDS_MAX; i++)
        strcat(text, " -v");
    accepted(text);
    strcat(text, " -v");
    refused(text, 6, "device.eal: more than 32 words");
}

/* Its words for each OS process: of a word with %p one for each process there, by its rank. */
static void eal_words_are_those_of_the_processes_here(void **state)
{
    (void)state;
    struct eal_words w;
    const uint16_t self[] = {2, 13};
    assert_true(eal_words_make(&w, "  --vdev=net_x%p,iface=v%p\t-n 4 ", self, 2));
    const char *want[] = {"--vdev=net_x2,iface=v2", "--vdev=net_x13,iface=v13", "-n", "4", NULL};
    assert_int_equal(w.words, 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(w.word[i], want[i]);
    assert_null(w.word[4]);
    assert_true(eal_words_make(&w, "", self, 2));
    assert_int_equal(w.words, 0);
    uint16_t many[EAL_WORDS_MAX + 1];
    for (uint16_t i = 0; i <= EAL_WORDS_MAX; i++)
        many[i] = i;
    assert_true(eal_words_make(&w, "-a%p", many, EAL_WORDS_MAX));
    assert_string_equal(w.word[EAL_WORDS_MAX - 1], "-a31");
    assert_false(eal_words_make(&w, "-a%p", many, EAL_WORDS_MAX + 1));
    char large[EAL_WORDS_BYTES + 1];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_false(eal_words_make(&w, large, self, 1));
    large[sizeof large - 2] = '\0';
    assert_true(eal_words_make(&w, large, self, 1));
}

/* What is chosen for a job holds what its stack may keep, and could be written, too. */
static void a_pool_is_as_large_as_its_params_need(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t least;
    } of[] = {
        {BEB, 2 * 4096 + 3 * 1024},
        {"[job]\nstack = uc\n[params]\ninstances = 8192\n", 2 * 8192 + 3 * 1024},
        {"[job]\nstack = uc\n[params]\ninstances = 65536\n", 2 * 65536 + 3 * 1024},
        {"[job]\nstack = urb\nn = 5\n[params]\nstore_msgs = 32Ki\n", 2 * 32768 + 5 * 1024},
        {BEB "[params]\nring_msgs = 64Ki\n", 2 * 4096 + 3 * 16384},
        {BEB "n = 25\n", 2 * 4096 + 24 * 1024},
        {BEB "n = 64\n", 2 * 4096 + 24 * 1024},
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        const uint16_t self[] = {0};
        char pool[64];
        accepted(of[i].text);
        struct fabric_conf conf = job_fabric(&job, self, 1);
        assert_int_equal(conf.pool_pkts, 0);
        assert_int_equal(conf.pool_least, of[i].least);
        assert_true(fabric_memory_wanted(&conf) > (uint64_t)of[i].least * 2048);
        snprintf(pool, sizeof pool, "job.pool=%u", of[i].least - 1);
        char *const sets[] = {pool};
        assert_int_not_equal(read_and_check(of[i].text, sets, 1), 0);
        snprintf(pool, sizeof pool, "job.pool=%u", of[i].least);
        assert_int_equal(read_and_check(of[i].text, sets, 1), 0);
    }
    refused(BEB "[params]\nstore_msgs = 2048Mi\n", 4, "params.store_msgs: a process would need");
    refused(BEB "[params]\nring_msgs = 2048Mi\n", 4, "params.ring_msgs: a process would need");
    refused(BEB "[params]\nring_msgs = 4096\nflight_msgs = 2048Mi\n", 4, "twice flight_msgs");
}

/* The names of what was given and is not read, one behind the other. */
static const char *unread(const char *text)
{
    static char all[256];
    char name[JOB_TEXT_BYTES + 96];
    uint32_t next = 0;
    accepted(text);
    all[0] = '\0';
    while (job_unread_next(&job, &next, name, sizeof name) != NULL) {
        size_t file = strcspn(name, ":"); /* of the file, which has another name each time */
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s ", name + file);
    }
    return all;
}

static void what_no_layer_reads_is_named_and_not_written(void **state)
{
    (void)state;
    char text[4096] = "";
    assert_string_equal(unread(BEB), "");
    assert_string_equal(unread(BEB "tolerate_crash = yes\n"), ":3: job.tolerate_crash ");
    assert_string_equal(unread(BEB "device = memif\ntolerate_crash = yes\n"), "");
    assert_string_equal(unread("[job]\nstack = luc\ntolerate_crash = yes\n"), "");
    assert_string_equal(unread("[job]\nstack = pl\n[params]\ninstances = 64\ngive_up = 1s\n"),
                        ":4: params.instances ");
    assert_string_equal(unread("[job]\nstack = uc\n[params]\nstore_msgs = 64\ndetect = 1s\n"
                               "heartbeat = 5ms\ninstances = 64\n"),
                        ":4: params.store_msgs ");
    assert_string_equal(unread("[job]\nstack = fll\n[params]\nflight_msgs = 64\nrto_min = 1ms\n"
                               "ring_msgs = 256\nframe_records = 3\n"),
                        ":4: params.flight_msgs :5: params.rto_min ");
    assert_string_equal(unread(BEB "[params]\ndetect = 1ms\nheartbeat = 1ms\n"),
                        ":5: params.heartbeat :4: params.detect ");
    FILE *f = fmemopen(text, sizeof text, "w");
    job_write(&job, f);
    fclose(f);
    assert_null(strstr(text, "detect"));
    assert_non_null(strstr(text, "give_up"));
}

static void dpdk_is_not_asked_for_its_usage(void **state)
{
    (void)state;
    refused(BEB "[device]\neal = --vdev=net_null0 -h\n", 4, "-h asks DPDK for its usage");
    refused(BEB "[device]\neal = --hel\n", 4, "leave it out");
    accepted(BEB "[device]\neal = --vdev=net_null0 --huge-unlink=always\n");
}

static void a_bug_that_cannot_show_is_not_planted(void **state)
{
    (void)state;
    refused("[job]\nstack = pl\n[load]\nplant = alter\n", 4, "write job.proposer = all, or 1");
    refused("[job]\nstack = fpl\nproposer = 2\n[load]\nplant = alter\n", 5, "nobody sends to it");
    accepted("[job]\nstack = pl\nproposer = 1\n[load]\nplant = alter\n");
    accepted("[job]\nstack = pl\nproposer = all\n[load]\nplant = alter\n");
    accepted(BEB "[load]\nplant = alter\n");
}

/* What the next one who reads it would understand otherwise. */
static void text_that_cannot_be_written_back_is_refused(void **state)
{
    (void)state;
    set_refused("device.args=/tmp/m ;s", "no ; behind a blank");
    set_refused("device.args=;s", "no ; behind a blank");
    set_refused("device.args= /tmp", "is no value");
    set_refused("job.control=off\nseed = 99", "no control characters");
    char *const map[] = {(char *)"job.cores=0:0;0:1"};
    assert_int_equal(job_read(&job, NULL, map, 1, why, sizeof why), 0);
}

/* The longest text that is taken is read back; one more is refused where it is given. */
static void a_text_whose_line_would_be_too_long_is_refused(void **state)
{
    (void)state;
    char set[256] = "log.dir=/", text[4096] = "";
    char *const sets[] = {(char *)"job.stack=luc", set};
    memset(set + strlen(set), 'x', 190 - strlen("dir = /\n"));
    assert_int_equal(read_and_check(NULL, sets, 2), 0);
    FILE *f = fmemopen(text, sizeof text, "w");
    job_write(&job, f);
    fclose(f);
    accepted(text);
    strcat(set, "x");
    assert_int_not_equal(read_and_check(NULL, sets, 2), 0);
    assert_non_null(strstr(why, "at most 190 characters"));
}

static void numbers_are_decimal_unless_they_say_so(void **state)
{
    (void)state;
    accepted(BEB "seed = 010\n");
    assert_int_equal(job.seed, 10);
    accepted(BEB "seed = 9223372036854775807\n");
    refused(BEB "seed = 9223372036854775808\n", 3, "write a whole number below 2^63");
    refused(BEB "seed = 0x\n", 3, "is no value");
    refused(BEB "seed = 0xfg\n", 3, "is no value");
    refused(BEB "seed = -1\n", 3, "is no value");
}

static void what_is_no_job_file_is_refused(void **state)
{
    (void)state;
    char line[400];
    refused(BEB "n 3\n", 3, "neither [section] nor key = value");
    refused(BEB "n = 3\nn = 5\n", 4, "given before, in line 3");
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    char text[512];
    snprintf(text, sizeof text, BEB "cores = %s\n", line);
    refused(text, 3, "longer than");
    refused("n = 3\n", 1, "n stands before every section; write [job] above it");
    refused("[job\nn = 3\n", 1, "a section without its ]; write [job]");
    write_job("[job]\n");
    FILE *f = fopen(path, "a");
    fwrite("n = 3\0 5\n", 1, 9, f);
    fclose(f);
    assert_int_not_equal(job_read(&job, path, NULL, 0, why, sizeof why), 0);
    assert_non_null(strstr(why, ":2: a zero byte"));
    unlink(path);
    assert_int_not_equal(job_read(&job, "/nonexistent/job.ini", NULL, 0, why, sizeof why), 0);
    assert_non_null(strstr(why, "/nonexistent/job.ini: No such file"));
    assert_int_not_equal(job_read(&job, "/", NULL, 0, why, sizeof why), 0);
    assert_non_null(strstr(why, "/: "));
}

static void bad_overrides_are_refused(void **state)
{
    (void)state;
    set_refused("n=3", "write section.key=value");
    set_refused("job.n", "write section.key=value");
    set_refused("job.m=3", "--set job.m: there is no such key");
    set_refused("job.n=x", "--set job.n: \"x\" is no value");
    set_refused("job.n=99", "--set job.n: 99 processes");
    set_refused("job.size=8B", "--set job.size: 8 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_units),
        cmocka_unit_test(an_override_beats_the_file),
        cmocka_unit_test(rate_max_is_a_closed_loop_with_a_wide_window),
        cmocka_unit_test(what_is_resolved_can_be_run_again),
        cmocka_unit_test(what_is_unknown_is_refused_with_what_there_is),
        cmocka_unit_test(bad_values_are_refused_with_an_example),
        cmocka_unit_test(impossible_combinations_are_refused_with_the_remedy),
        cmocka_unit_test(rings_too_small_for_their_stack_are_refused),
        cmocka_unit_test(lines_that_would_be_dropped_are_refused),
        cmocka_unit_test(a_parameter_that_is_of_no_use_is_refused),
        cmocka_unit_test(what_the_device_cannot_do_is_refused_with_its_place),
        cmocka_unit_test(what_would_have_no_effect_is_refused),
        cmocka_unit_test(eal_words_are_those_of_the_processes_here),
        cmocka_unit_test(a_pool_is_as_large_as_its_params_need),
        cmocka_unit_test(what_no_layer_reads_is_named_and_not_written),
        cmocka_unit_test(dpdk_is_not_asked_for_its_usage),
        cmocka_unit_test(a_bug_that_cannot_show_is_not_planted),
        cmocka_unit_test(text_that_cannot_be_written_back_is_refused),
        cmocka_unit_test(a_text_whose_line_would_be_too_long_is_refused),
        cmocka_unit_test(numbers_are_decimal_unless_they_say_so),
        cmocka_unit_test(what_is_no_job_file_is_refused),
        cmocka_unit_test(bad_overrides_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
