/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory is left: the least of the machine's and of what our cgroups allow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/machine.h"

static char root[64];

/* Write a file below the root, and the folders that it lies in. */
static void put(const char *path, const char *text)
{
    char command[512];
    snprintf(command, sizeof command, "mkdir -p $(dirname %s%s) && printf '%s' > %s%s", root, path,
             text, root, path);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/upon-machine-XXXXXX");
    assert_non_null(mkdtemp(root));
    put("/proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    4000 kB\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static void without_groups_it_is_the_machine(void **state)
{
    (void)state;
    assert_int_equal(machine_memory_left_below(root), 4000 * 1024);
    assert_int_equal(machine_memory_left_below("/nonexistent"), UINT64_MAX);
    assert_true(machine_memory_left() > 0);
}

static void the_least_limit_on_the_way_up_counts(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "0::/a/b\n");
    put("/sys/fs/cgroup/a/b/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.current", "1000\n");
    assert_int_equal(machine_memory_left_below(root), 4000 * 1024);
    put("/sys/fs/cgroup/a/memory.max", "100000\n");
    put("/sys/fs/cgroup/a/memory.current", "30000\n");
    assert_int_equal(machine_memory_left_below(root), 70000);
    put("/sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 10000\n"); /* can be had again */
    assert_int_equal(machine_memory_left_below(root), 80000);
    put("/sys/fs/cgroup/memory.max", "5000\n"); /* as a container sees its own */
    put("/sys/fs/cgroup/memory.current", "6000\n");
    assert_int_equal(machine_memory_left_below(root), 0);
}

static void the_first_kind_of_groups_is_known_too(void **state)
{
    (void)state;
    put("/proc/self/cgroup", "5:cpuset:/x\n4:memory:/job/1\n0::/\n");
    put("/sys/fs/cgroup/memory/job/1/memory.limit_in_bytes", "9223372036854771712\n");
    put("/sys/fs/cgroup/memory/job/1/memory.usage_in_bytes", "1000\n");
    assert_int_equal(machine_memory_left_below(root), 4000 * 1024);
    put("/sys/fs/cgroup/memory/job/1/memory.limit_in_bytes", "50000\n");
    put("/sys/fs/cgroup/memory/job/1/memory.stat", "total_inactive_file 500\n");
    assert_int_equal(machine_memory_left_below(root), 49500);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(without_groups_it_is_the_machine, set_up, tear_down),
    cmocka_unit_test_setup_teardown(the_least_limit_on_the_way_up_counts, set_up, tear_down),
    cmocka_unit_test_setup_teardown(the_first_kind_of_groups_is_known_too, set_up, tear_down),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
