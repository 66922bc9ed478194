/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process writes down: lines are whole, gaps are counted where they are, nothing grows. */
#include "tests/unit/harness.h"

#include "control/spool.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct co_probe {
    struct co co;
};

static size_t probe_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct co_probe);
}

static const struct co_class probe_class = {.name = "probe",
                                            .implements = ABS_APP,
                                            .bytes = probe_bytes};

/* A stack and a component that take no step: events are shown to the trace as co_run() would. */
struct fixture {
    int fd;
    struct spool *spool;
    struct stack *st;
    struct co link, user;
    struct co *users[1];
    struct spool_trace trace;
};

static void open_fixture(struct fixture *f)
{
    static struct co_class link_class = {.name = "pl_probe", .implements = ABS_PL};
    memset(f, 0, sizeof *f);
    f->fd = spools_make(2);
    assert_true(f->fd >= 0);
    f->spool = spools_map(f->fd, 2);
    assert_non_null(f->spool);
    f->st = calloc(1, sizeof *f->st);
    assert_non_null(f->st);
    f->st->now = 1500000000;
    f->spool->start_ns = 1000000000;
    f->users[0] = &f->user;
    f->link =
        (struct co){.st = f->st, .cls = &link_class, .name = "pl", .user = f->users, .users = 1};
    f->user = (struct co){.st = f->st, .cls = &probe_class, .name = "probe", .use = {&f->link}};
}

static void close_fixture(struct fixture *f)
{
    spools_unmap(f->spool, 2);
    close(f->fd);
    free(f->st);
}

/* ⟨pl, Send | p1, -⟩ */
static void send_one(struct fixture *f)
{
    const struct ev e = ev_make(EV_PL_SEND, 1, 0, 0, MSG_NONE);
    assert_true(f->st->trace->handled(f->st->trace, f->st, &f->link, &e, 1));
}

static const char line_wanted[] = "0.500000000 p0 ⟨pl, Send | p1, -⟩\n";

/* Drain into memory; the caller frees. */
static char *drained(struct fixture *f, bool end)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (end)
        spool_trace_end(f->spool, out);
    else
        (void)spool_trace_drain(f->spool, out);
    fclose(out);
    return text;
}

static void an_event_is_a_line_with_the_time_since_the_load_began(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    spool_trace_on(&f.trace, f.spool, f.st);
    spool_trace_on(&f.trace, f.spool, f.st); /* twice is once */
    send_one(&f);
    spool_trace_off(&f.trace, f.st);
    assert_null(f.st->trace);
    char *text = drained(&f, true);
    assert_string_equal(text, line_wanted);
    free(text);
    close_fixture(&f);
}

static bool others_were_shown;
static bool other(struct trace *t, struct stack *st, struct co *to, const struct ev *ev, uint32_t n)
{
    (void)t, (void)st, (void)to, (void)ev, (void)n;
    others_were_shown = true;
    return true;
}

static void who_observes_already_goes_on(void **state)
{
    struct fixture f;
    struct trace before = {other};
    (void)state;
    open_fixture(&f);
    f.st->trace = &before;
    spool_trace_on(&f.trace, f.spool, f.st);
    send_one(&f);
    assert_true(others_were_shown);
    spool_trace_off(&f.trace, f.st);
    assert_ptr_equal(f.st->trace, &before);
    close_fixture(&f);
}

static void what_has_no_room_is_counted_at_its_place(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    spool_trace_on(&f.trace, f.spool, f.st);
    const uint64_t fit = SPOOL_TRACE_BYTES / (sizeof line_wanted - 1), more = 1000;
    for (uint64_t i = 0; i < fit + more; i++)
        send_one(&f);
    char *text = drained(&f, false);
    assert_int_equal(strlen(text), fit * (sizeof line_wanted - 1));
    free(text);
    send_one(&f); /* behind the gap */
    char want[256];
    snprintf(want, sizeof want, "… %llu events for which there was no room\n%s",
             (unsigned long long)more, line_wanted);
    text = drained(&f, false);
    assert_string_equal(text, want);
    free(text);
    close_fixture(&f);
}

static void a_gap_at_the_end_is_told_when_the_trace_ends(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    spool_trace_on(&f.trace, f.spool, f.st);
    const uint64_t fit = SPOOL_TRACE_BYTES / (sizeof line_wanted - 1);
    for (uint64_t i = 0; i < fit + 7; i++)
        send_one(&f);
    spool_trace_off(&f.trace, f.st);
    char *text = drained(&f, true);
    const char want[] = "… 7 events for which there was no room\n";
    assert_string_equal(text + strlen(text) - strlen(want), want);
    free(text);
    close_fixture(&f);
}

static void lines_stay_whole_around_the_end_of_the_ring(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    spool_trace_on(&f.trace, f.spool, f.st);
    for (int i = 0; i < 100000; i++) {
        send_one(&f);
        if (i % 7 != 0)
            continue;
        char *text = drained(&f, false);
        for (const char *at = text; *at != '\0'; at += sizeof line_wanted - 1)
            assert_memory_equal(at, line_wanted, sizeof line_wanted - 1);
        free(text);
    }
    close_fixture(&f);
}

/* A reader of memory that it shares with a process believes nothing. */
static void indices_that_lie_are_not_followed(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    atomic_store(&f.spool->head, SPOOL_TRACE_BYTES + 1);
    char *text = drained(&f, false);
    assert_string_equal(text, "");
    free(text);
    f.spool->snapshot_bytes = UINT64_MAX;
    FILE *out = tmpfile();
    assert_int_equal(spool_snapshot_write(f.spool, out), 0);
    assert_int_equal(ftell(out), SPOOL_SNAPSHOT_BYTES);
    fclose(out);
    close_fixture(&f);
}

static uint64_t blocks(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void memory_is_taken_when_somebody_asks_and_given_back(void **state)
{
    struct fixture f;
    (void)state;
    open_fixture(&f);
    assert_true(blocks(f.fd) < 64 << 10);
    memset(f.spool->snapshot, 'x', SPOOL_SNAPSHOT_BYTES);
    f.spool->snapshot_bytes = SPOOL_SNAPSHOT_BYTES;
    assert_true(blocks(f.fd) > SPOOL_SNAPSHOT_BYTES / 2);
    FILE *out = fopen("/dev/null", "w");
    assert_int_equal(spool_snapshot_write(f.spool, out), 0);
    fclose(out);
    assert_true(blocks(f.fd) < 64 << 10);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_a_line_with_the_time_since_the_load_began),
        cmocka_unit_test(who_observes_already_goes_on),
        cmocka_unit_test(what_has_no_room_is_counted_at_its_place),
        cmocka_unit_test(a_gap_at_the_end_is_told_when_the_trace_ends),
        cmocka_unit_test(lines_stay_whole_around_the_end_of_the_ring),
        cmocka_unit_test(indices_that_lie_are_not_followed),
        cmocka_unit_test(memory_is_taken_when_somebody_asks_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
