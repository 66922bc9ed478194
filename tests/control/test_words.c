/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node that died is quoted with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_debug.h>

#include "control/nodes.h"

static char said[16384];

static const char *words(const char *text)
{
    snprintf(said, sizeof said, "%s", text);
    return nodes_words(said);
}

static void the_last_line_is_quoted(void **state)
{
    (void)state;
    assert_string_equal(words(""), "");
    assert_string_equal(words("one\n"), "one");
    assert_string_equal(words("one\nupon: two\n\n"), "two");
}

static void of_a_panic_its_sentence_is_quoted(void **state)
{
    (void)state;
    assert_string_equal(words("hello\nPANIC in f():\np1: no packet\n1: /lib/libc.so (f+1) [2]\n"),
                        "p1: no packet");
    assert_string_equal(words("EAL: PANIC in f(): p1: no packet\n0: x\n"), "p1: no packet");
    assert_string_equal(words("PANIC in"), "PANIC in");
    assert_string_equal(words("PANIC in f():"), "");
}

/* As DPDK writes it. */
static void of_a_real_panic_its_sentence_is_quoted(void **state)
{
    (void)state;
    int fd = memfd_create("words", 0);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(fd, STDERR_FILENO);
        dup2(fd, STDOUT_FILENO);
        rte_panic("p%u: no packet for a message: raise job.pool\n", 7);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    ssize_t got = pread(fd, said, sizeof said - 1, 0);
    assert_true(got > 0);
    said[got] = '\0';
    assert_string_equal(nodes_words(said), "p7: no packet for a message: raise job.pool");
    close(fd);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_last_line_is_quoted),
    cmocka_unit_test(of_a_panic_its_sentence_is_quoted),
    cmocka_unit_test(of_a_real_panic_its_sentence_is_quoted),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, NULL);
}
