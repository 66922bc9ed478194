/* SPDX-License-Identifier: BSD-3-Clause */
/* A disk under the fault engine: slow writes are told late, failing ones do not reach the disk. */
#include <errno.h>

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

static uint64_t below_now(struct env *env)
{
    const uintptr_t at = (uintptr_t)env - offsetof(struct below, env);
    return ((const struct below *)at)->now_ns;
}

static const struct disk_ops below_disk_ops = {.write = below_write,
                                               .submit = below_submit,
                                               .reap = below_reap};
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
    t->fault.disk.ops->write(&t->fault.disk, 0, 0, buffer, 0, 4096);
}

static uint32_t reap(struct bench_disk *t)
{
    return t->fault.disk.ops->reap(&t->fault.disk, t->done, 16);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rule_the_disk_is_as_it_is),
        cmocka_unit_test(slow_writes_are_told_when_their_delay_is_over),
        cmocka_unit_test(failing_writes_never_reach_the_disk),
        cmocka_unit_test(the_disks_of_others_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
