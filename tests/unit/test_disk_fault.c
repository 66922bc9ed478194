/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk under the fault engine: slow writes are told late, failing ones do not reach the disk. */
#include <errno.h>
#include <time.h>

#include "dataplane/disk_fault.h"
#include "dataplane/env.h"
#include "tests/unit/harness.h"

#define MS 1000000ull

/* A disk that finishes what it is given at once, and a clock that the test moves. */
struct below {
    struct disk disk;
    struct env env;
    uint64_t now_ns;
    uint32_t writes;
    uint32_t finished;
    uint32_t waited; /* flushes, and super blocks */
    struct disk_done done[16];
};

static void below_write(struct disk *d, uint32_t slot, uint64_t offset, uint32_t buffer,
                        uint32_t from, uint32_t bytes)
{
    struct below *b = (struct below *)d;
    (void)slot, (void)offset, (void)from;
    b->writes++;
    b->done[b->finished++] = (struct disk_done){buffer, (int32_t)bytes};
}

static void below_submit(struct disk *d)
{
    (void)d;
}

static uint32_t below_reap(struct disk *d, struct disk_done *done, uint32_t n)
{
    struct below *b = (struct below *)d;
    uint32_t got = b->finished < n ? b->finished : n;
    memcpy(done, b->done, got * sizeof done[0]);
    b->finished -= got;
    memmove(b->done, b->done + got, b->finished * sizeof done[0]);
    return got;
}

static int below_flush(struct disk *d)
{
    ((struct below *)d)->waited++;
    return 0;
}

static int below_write_super(struct disk *d, const void *block)
{
    (void)block;
    ((struct below *)d)->waited++;
    return 0;
}

static uint64_t below_now(struct env *env)
{
    const uintptr_t at = (uintptr_t)env - offsetof(struct below, env);
    return ((const struct below *)at)->now_ns;
}

static const struct disk_ops below_disk_ops = {.write = below_write,
                                               .submit = below_submit,
                                               .reap = below_reap,
                                               .flush = below_flush,
                                               .write_super = below_write_super};
static const struct env_ops below_env_ops = {.now = below_now};

struct bench_disk {
    struct below below;
    struct fault_engine engine;
    struct disk_fault fault;
    struct disk_done done[16];
};

static void start(struct bench_disk *t, const char *rule)
{
    struct fault_rule r;
    char why[256];
    *t = (struct bench_disk){.below = {.disk = {.ops = &below_disk_ops, .buffer_count = 16},
                                       .env = {.ops = &below_env_ops}}};
    fault_init(&t->engine, 7, NULL, 0);
    if (rule != NULL) {
        assert_int_equal(fault_parse(rule, &r, why, sizeof why), 0);
        fault_init(&t->engine, 7, &r, 1);
    }
    assert_int_equal(disk_fault_init(&t->fault, &t->below.disk, &t->engine, 1, &t->below.env), 0);
}

static void write_from(struct bench_disk *t, uint32_t buffer)
{
    t->fault.over.disk.ops->write(&t->fault.over.disk, 0, 0, buffer, 0, 4096);
}

static uint32_t reap(struct bench_disk *t)
{
    return t->fault.over.disk.ops->reap(&t->fault.over.disk, t->done, 16);
}

static void without_a_rule_the_disk_is_as_it_is(void **state)
{
    (void)state;
    struct bench_disk t;
    start(&t, NULL);
    write_from(&t, 3);
    assert_int_equal(reap(&t), 1);
    assert_int_equal(t.done[0].buffer, 3);
    assert_int_equal(t.done[0].result, 4096);
}

static void slow_writes_are_told_when_their_delay_is_over(void **state)
{
    (void)state;
    struct bench_disk t;
    start(&t, "disk-slow constant 5ms 1");
    write_from(&t, 0);
    t.below.now_ns = 1 * MS;
    write_from(&t, 1);
    assert_int_equal(t.below.writes, 2);
    assert_int_equal(reap(&t), 0);
    t.below.now_ns = 6 * MS;
    assert_int_equal(reap(&t), 2);
    assert_int_equal(t.done[0].buffer, 0);
    assert_int_equal(t.done[1].buffer, 1);
    assert_int_equal(t.done[1].result, 4096);
    t.engine.armed = 0;
    write_from(&t, 2);
    assert_int_equal(reap(&t), 1);
}

static void failing_writes_never_reach_the_disk(void **state)
{
    (void)state;
    struct bench_disk t;
    start(&t, "disk-fail 1");
    write_from(&t, 4);
    assert_int_equal(t.below.writes, 0);
    assert_int_equal(reap(&t), 1);
    assert_int_equal(t.done[0].buffer, 4);
    assert_int_equal(t.done[0].result, -EIO);
}

static void the_disks_of_others_are_left_alone(void **state)
{
    (void)state;
    struct bench_disk t;
    start(&t, "disk-fail 0");
    write_from(&t, 4);
    assert_int_equal(reap(&t), 1);
    assert_int_equal(t.done[0].result, 4096);
}

/* The flush of a new life and the super block: 0, or −errno of both. */
static int wait_for_both(struct bench_disk *t)
{
    struct disk *d = &t->fault.over.disk;
    int flushed = d->ops->flush(d), written = d->ops->write_super(d, NULL);
    assert_int_equal(flushed, written);
    return flushed;
}

static void what_is_waited_for_fails_and_is_slow_as_well(void **state)
{
    (void)state;
    struct bench_disk t;
    struct timespec begin, end;
    start(&t, "disk-fail 1");
    assert_int_equal(wait_for_both(&t), -EIO);
    assert_int_equal(t.below.waited, 0);
    t.engine.armed = 0;
    assert_int_equal(wait_for_both(&t), 0);
    assert_int_equal(t.below.waited, 2);
    start(&t, "disk-fail 0"); /* another's */
    assert_int_equal(wait_for_both(&t), 0);
    start(&t, "disk-slow constant 5ms 1");
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(wait_for_both(&t), 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_int_equal(t.below.waited, 2);
    assert_true((uint64_t)(end.tv_sec - begin.tv_sec) * 1000 * MS + (uint64_t)end.tv_nsec >=
                (uint64_t)begin.tv_nsec + 10 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rule_the_disk_is_as_it_is),
        cmocka_unit_test(slow_writes_are_told_when_their_delay_is_over),
        cmocka_unit_test(failing_writes_never_reach_the_disk),
        cmocka_unit_test(the_disks_of_others_are_left_alone),
        cmocka_unit_test(what_is_waited_for_fails_and_is_slow_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
