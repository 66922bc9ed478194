/* SPDX-License-Identifier: BSD-3-Clause */
/* What figures are made of a board: rates, roles, states, who waits for whom; and their JSON. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_pause.h>

#include "control/figures.h"
#include "control/result.h"

#define N       3
#define S       1000000000ull
#define START   (100 * S)
#define FROM    (START + S)
#define SAMPLES 64
#define MOMENTS 300

static struct job job;
static struct board *board;
static struct figures *figures;

static void set_up(void)
{
    char why[512];
    char set_stack[] = "job.stack=uc";
    char *sets[] = {set_stack};
    assert_int_equal(job_read(&job, NULL, sets, 1, why, sizeof why), 0);
    assert_int_equal(job_check(&job, why, sizeof why), 0);
    board = board_open(N, 1, SAMPLES, 1, NULL);
    assert_non_null(board);
    board->from_ns = FROM;
    board_put(&board->start_ns, START);
    board_put(&board->end_ns, FROM + 10 * S);
    figures = figures_open(&job, board, "runs/a");
    assert_non_null(figures);
}

static void tear_down(void)
{
    figures_close(figures);
    board_close(board);
}

/* As board_post_write() does. */
static void put_post(uint16_t p, const struct co_post *post, uint64_t at_ns)
{
    struct board_post *to = &board_row(board, p)->post;
    for (size_t i = 0; i < BOARD_POST_WORDS; i++)
        to->word[i] = ((const uint64_t *)post)[i];
    to->at_ns = at_ns;
    to->version += 2;
}

static void put_latencies(uint16_t p, uint64_t ns, uint32_t count)
{
    while (count-- > 0)
        hist_record(&board_row(board, p)->decide, ns);
}

static void test_rates_are_of_the_interval_since_the_last_page(void **state)
{
    (void)state;
    set_up();
    struct board_row *row = board_row(board, 0);
    for (uint16_t p = 0; p < N; p++)
        board_put(&board_row(board, p)->delivered, 1000);
    board_put(&row->issued, 1000);
    board_put(&row->counters[COUNT_tx_retransmits], 10);
    const struct figures_page *page = figures_lock(figures, START + 2 * S);
    assert_float_equal(page->interval_s, 2, 1e-9);
    assert_float_equal(page->process[0].sent_per_s, 500, 1e-6);
    assert_int_equal(page->phase, FIGURES_MEASURED);
    figures_unlock(figures);
    board_put(&row->issued, 4000);
    board_put(&board_row(board, 2)->delivered, 1300);
    board_put(&row->delivered, 5000);
    board_put(&board_row(board, 1)->delivered, 5000);
    board_put(&row->counters[COUNT_tx_retransmits], 13);
    page = figures_lock(figures, START + 3 * S);
    assert_float_equal(page->interval_s, 1, 1e-9);
    assert_float_equal(page->process[0].sent_per_s, 3000, 1e-6);
    assert_float_equal(page->sent_per_s, 3000, 1e-6);
    assert_float_equal(page->delivered_per_s, 300, 1e-6); /* of the slowest */
    assert_float_equal(page->resent_per_s, 3, 1e-6);
    figures_unlock(figures);
    tear_down();
}

static void test_a_fresh_page_is_given_to_all_who_look(void **state)
{
    (void)state;
    set_up();
    figures_lock(figures, START + S);
    figures_unlock(figures);
    board_put(&board_row(board, 0)->issued, 77);
    assert_int_equal(figures_lock(figures, START + S + S / 2)->process[0].issued, 0);
    figures_unlock(figures);
    assert_int_equal(figures_lock(figures, START + 2 * S)->process[0].issued, 77);
    figures_unlock(figures);
    tear_down();
}

static void test_percentiles_are_of_the_interval_alone(void **state)
{
    (void)state;
    set_up();
    put_latencies(0, 1000, 100000);
    const struct figures_page *page = figures_lock(figures, START + S);
    assert_int_equal(page->process[0].latency.p50_ns, 1000);
    assert_int_equal(page->process[1].latency.p50_ns, UINT64_MAX);
    figures_unlock(figures);
    put_latencies(0, 50, 2000);
    page = figures_lock(figures, START + 2 * S);
    assert_int_equal(page->process[0].latency.count, 2000);
    assert_int_equal(page->process[0].latency.p99_ns, 50);
    assert_int_equal(page->latency.p99_ns, 50);
    figures_unlock(figures);
    tear_down();
}

static void test_who_issues_nothing_shows_the_latency_of_sampled_deliveries(void **state)
{
    (void)state;
    set_up();
    for (uint32_t i = 0; i < SAMPLES; i++)
        board_samples(board, 2)[i].latency_ns = i < 32 ? 10 : 2000;
    board_put(&board_row(board, 2)->samples, 32);
    assert_int_equal(figures_lock(figures, START + S)->process[2].latency.p50_ns, 10);
    figures_unlock(figures);
    board_put(&board_row(board, 2)->samples, SAMPLES);
    const struct figures_page *page = figures_lock(figures, START + 2 * S);
    assert_int_equal(page->process[2].latency.p50_ns, 2000);
    assert_int_equal(page->process[2].latency.count, 32);
    figures_unlock(figures);
    tear_down();
}

static void test_roles_and_suspicions_are_what_the_processes_say(void **state)
{
    (void)state;
    set_up();
    struct co_post post = {.have = POST_TRUSTED | POST_SUSPECTED, .trusted = 1, .suspected = 1};
    put_post(1, &post, START + S);
    put_post(2, &post, START + S);
    post.trusted = 0;
    post.suspected = 0;
    put_post(0, &post, START + S);
    const struct figures_page *page = figures_lock(figures, START + S);
    assert_int_equal(page->process[0].role, FIGURES_LEADER); /* it does not know better */
    assert_int_equal(page->process[1].role, FIGURES_LEADER);
    assert_int_equal(page->process[2].role, FIGURES_FOLLOWER);
    assert_int_equal(page->process[0].suspected_by, 6);
    assert_int_equal(page->process[1].suspected_by, 0);
    figures_unlock(figures);
    /* In an epoch it is that one's leader who leads, whomever Ω trusts. */
    post = (struct co_post){.have = POST_TRUSTED | POST_EPOCH, .trusted = 0, .leader = 2};
    put_post(2, &post, START + 2 * S);
    assert_int_equal(figures_lock(figures, START + 2 * S)->process[2].role, FIGURES_LEADER);
    figures_unlock(figures);
    tear_down();
}

static void test_states_tell_paused_crashed_silent_and_starting_apart(void **state)
{
    (void)state;
    set_up();
    const struct co_post post = {.have = POST_TRUSTED};
    put_post(0, &post, START + S);
    put_post(1, &post, START + S);
    const struct figures_page *page = figures_lock(figures, START + S);
    assert_int_equal(page->process[0].state, FIGURES_RUNNING);
    assert_int_equal(page->process[2].state, FIGURES_STARTING);
    figures_unlock(figures);
    board->orders[1].state = PROCESS_PAUSED;
    page = figures_lock(figures, START + 3 * S);
    assert_int_equal(page->process[0].state, FIGURES_SILENT);
    assert_int_equal(page->process[1].state, FIGURES_PAUSED);
    figures_unlock(figures);
    board->orders[1].state = PROCESS_CRASHED;
    board_put(&board->crashed, 1);
    page = figures_lock(figures, START + 4 * S);
    assert_int_equal(page->process[0].state, FIGURES_CRASHED);
    assert_int_equal(page->process[1].state, FIGURES_CRASHED);
    assert_int_equal(page->process[1].role, FIGURES_ROLE_NONE);
    figures_unlock(figures);
    tear_down();
}

static void test_who_recovers_is_told_from_who_crashed_and_who_is_back(void **state)
{
    (void)state;
    set_up();
    const struct co_post post = {.have = POST_TRUSTED};
    const struct order recover = {.kind = ORDER_RECOVER};
    put_post(0, &post, START + S);
    board->orders[0].state = PROCESS_CRASHED;
    board_put(&board->crashed, 1); /* for the verdict, for good */
    assert_int_equal(figures_lock(figures, START + S)->process[0].state, FIGURES_CRASHED);
    figures_unlock(figures);
    assert_int_equal(order_post(&board->orders[0], &recover), 1);
    assert_int_equal(figures_lock(figures, START + 2 * S)->process[0].state, FIGURES_RECOVERING);
    figures_unlock(figures);
    order_answer(&board->orders[0], &(struct order_answer){.result = 0});
    board->orders[0].state = PROCESS_UP;
    put_post(0, &post, START + 3 * S);
    assert_int_equal(figures_lock(figures, START + 3 * S)->process[0].state, FIGURES_RUNNING);
    figures_unlock(figures);
    tear_down();
}

static uint64_t layer_index(const char *name)
{
    uint64_t i = 0;
    while (strcmp(job.def->layers[i].name, name) != 0)
        i++;
    return i;
}

static void test_a_wait_names_layer_quorum_missing_processes_and_age(void **state)
{
    (void)state;
    set_up();
    struct co_post post = {.waits = 1};
    post.wait[0] = (struct post_wait){.layer = layer_index("ep"),
                                      .kind = POST_QUORUM,
                                      .open = 4,
                                      .origin = NOBODY_POSTED,
                                      .oldest = 17,
                                      .have = 3,
                                      .missing = 4,
                                      .need = 2,
                                      .since_ns = START + S};
    put_post(0, &post, START + 3 * S);
    const struct figures_page *page = figures_lock(figures, START + 3 * S);
    assert_int_equal(page->waits, 1);
    const struct figures_wait *w = &page->wait[0];
    char text[FIGURES_TEXT_BYTES];
    assert_string_equal(w->layer, "ep");
    assert_float_equal(w->age_s, 2, 1e-6);
    assert_string_equal(figures_wait_text(text, sizeof text, w, N),
                        "instance 17: quorum 2 of 3, has p0 p1, missing p2");
    assert_int_equal(page->process[0].pending, 4);
    figures_unlock(figures);
    tear_down();
}

static void test_lines_of_waits_begin_with_the_oldest_and_leave_out_the_busy(void **state)
{
    (void)state;
    set_up();
    struct co_post post = {.waits = 3};
    for (int i = 0; i < 3; i++)
        post.wait[i] = (struct post_wait){.layer = layer_index("ep"),
                                          .kind = POST_LEADER,
                                          .origin = NOBODY_POSTED,
                                          .oldest = (uint64_t)i,
                                          .missing = 2,
                                          .since_ns = START + (uint64_t)(3 - i) * S};
    post.wait[0].since_ns = START + 4 * S - S / 20; /* 50 ms: it is at work */
    put_post(0, &post, START + 4 * S);
    char line[4][FIGURES_LINE_BYTES];
    const struct figures_page *page = figures_lock(figures, START + 4 * S);
    assert_int_equal(figures_wait_lines(page, N, line, 4), 2);
    assert_string_equal(line[0], "p0 ep, 3.0 s: instance 2: leader p1");
    assert_string_equal(line[1], "p0 ep, 2.0 s: instance 1: leader p1");
    assert_int_equal(figures_wait_lines(page, N, line, 1), 1);
    assert_string_equal(line[0], "p0 ep, 3.0 s: instance 2: leader p1");
    figures_unlock(figures);
    tear_down();
}

static void test_a_wait_grows_older_while_its_process_is_paused(void **state)
{
    (void)state;
    set_up();
    struct co_post post = {.waits = 1};
    post.wait[0] = (struct post_wait){.kind = POST_LEADER, .missing = 2, .since_ns = START + S};
    put_post(0, &post, START + S);
    board->orders[0].state = PROCESS_PAUSED;
    const struct figures_page *page = figures_lock(figures, START + 4 * S);
    assert_int_equal(page->waits, 1);
    assert_float_equal(page->wait[0].age_s, 3, 1e-6);
    figures_unlock(figures);
    /* Of one that crashed nobody waits for anything. */
    board->orders[0].state = PROCESS_CRASHED;
    assert_int_equal(figures_lock(figures, START + 5 * S)->waits, 0);
    figures_unlock(figures);
    tear_down();
}

static void test_a_link_that_hears_nothing_is_waited_for(void **state)
{
    (void)state;
    set_up();
    struct co_post post = {.have = POST_LINKS};
    post.link[1] = (struct post_link){.state = POST_LINK_UP,
                                      .flight = 10,
                                      .queued = 2,
                                      .window = 1024,
                                      .stalled_ns = 2 * FIGURES_STALLED_NS};
    post.link[2] = (struct post_link){.state = POST_LINK_UP,
                                      .flight = 5,
                                      .stalled_ns = FIGURES_STALLED_NS / 2};
    put_post(0, &post, START + S);
    const struct figures_page *page = figures_lock(figures, START + S);
    char text[FIGURES_TEXT_BYTES];
    assert_int_equal(page->waits, 1);
    assert_string_equal(page->wait[0].layer, "pl");
    assert_string_equal(figures_wait_text(text, sizeof text, &page->wait[0], N),
                        "12 messages: acknowledgement of p1");
    assert_int_equal(page->process[0].flight, 15);
    figures_unlock(figures);
    tear_down();
}

static void test_the_json_says_the_same(void **state)
{
    (void)state;
    set_up();
    struct co_post post = {.have = POST_LINKS | POST_TRUSTED | POST_SUSPECTED, .suspected = 4};
    post.link[1] = (struct post_link){.state = POST_LINK_UP, .flight = 3, .window = 8};
    put_post(0, &post, START + S);
    board_put(&board_row(board, 0)->counters[COUNT_drop_short], 5);
    put_latencies(0, 1000, 5000);
    json_t *o = figures_page_json(figures, figures_lock(figures, START + 2 * S));
    figures_unlock(figures);
    const char *schema, *state_name, *role, *phase;
    json_int_t n, drops, suspect, by, p50, flight;
    json_t *p99;
    assert_int_equal(
        json_unpack(
            o, "{s:s, s:i, s:s, s:[{s:s, s:s, s:{s:I}, s:[I], s:I}, {}, {s:[I], s:o}], s:[{s:I}]}",
            "schema", &schema, "n", &n, "phase", &phase, "process", "state", &state_name, "role",
            &role, "drops", "drop_short", &drops, "suspects", &suspect, "p50_ns", &p50,
            "suspected_by", &by, "p99_ns", &p99, "link", "flight", &flight),
        0);
    assert_string_equal(schema, "upon.figures/1");
    assert_string_equal(state_name, "running");
    assert_string_equal(role, "leader");
    assert_string_equal(phase, "measured");
    assert_int_equal(drops, 5);
    assert_int_equal(suspect, 2);
    assert_int_equal(by, 0);
    assert_int_equal(p50, 1000);
    assert_int_equal(flight, 3);
    assert_true(json_is_null(p99));
    json_decref(o);
    tear_down();
}

/* ---- a post is read whole ------------------------------------------------------------------------- */

static atomic_bool writing;
static uint64_t turn;

static void post_turn(const struct co *self, struct co_post *p)
{
    (void)self;
    p->trusted = p->suspected = p->link[N - 1].resent = turn;
}

static void *write_for_ever(void *arg)
{
    static const struct co_class cls = {.name = "turn", .post = post_turn};
    static struct co co = {.cls = &cls};
    static struct stack st;
    static struct board_post_memory memory;
    st = (struct stack){.n = N, .components = 1, .now = 1};
    st.co[0] = &co;
    co.st = &st;
    for (turn = 1; atomic_load(&writing); turn++) {
        board_post_write(arg, &memory, &st);
        for (int i = 0; i < 10; i++)
            rte_pause(); /* it is at other work for most of the time */
    }
    return NULL;
}

static void test_what_is_being_written_is_not_read(void **state)
{
    (void)state;
    static struct board_post post;
    struct co_post seen;
    uint64_t at_ns;
    post.version = 2;
    assert_true(board_post_read(&post, N, &seen, &at_ns));
    post.version = 3;
    assert_false(board_post_read(&post, N, &seen, &at_ns));
}

static void test_a_reader_sees_one_moment_while_the_writer_goes_on(void **state)
{
    (void)state;
    static struct board_post post;
    struct co_post seen;
    uint64_t at_ns, moments = 0, last = 0, waited = 0;
    pthread_t writer;
    assert_false(board_post_read(&post, N, &seen, &at_ns));
    atomic_store(&writing, true);
    assert_int_equal(pthread_create(&writer, NULL, write_for_ever, &post), 0);
    while (moments < MOMENTS) { /* with the writer at work, not asleep */
        if (!board_post_read(&post, N, &seen, &at_ns) || seen.trusted == last) {
            if (++waited % 1000 == 0)
                sched_yield();
            continue;
        }
        assert_int_equal(seen.trusted, seen.suspected);
        assert_int_equal(seen.trusted, seen.link[N - 1].resent);
        moments++;
        last = seen.trusted;
    }
    atomic_store(&writing, false);
    pthread_join(writer, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates_are_of_the_interval_since_the_last_page),
        cmocka_unit_test(test_a_fresh_page_is_given_to_all_who_look),
        cmocka_unit_test(test_percentiles_are_of_the_interval_alone),
        cmocka_unit_test(test_who_issues_nothing_shows_the_latency_of_sampled_deliveries),
        cmocka_unit_test(test_roles_and_suspicions_are_what_the_processes_say),
        cmocka_unit_test(test_states_tell_paused_crashed_silent_and_starting_apart),
        cmocka_unit_test(test_who_recovers_is_told_from_who_crashed_and_who_is_back),
        cmocka_unit_test(test_a_wait_names_layer_quorum_missing_processes_and_age),
        cmocka_unit_test(test_lines_of_waits_begin_with_the_oldest_and_leave_out_the_busy),
        cmocka_unit_test(test_a_wait_grows_older_while_its_process_is_paused),
        cmocka_unit_test(test_a_link_that_hears_nothing_is_waited_for),
        cmocka_unit_test(test_the_json_says_the_same),
        cmocka_unit_test(test_what_is_being_written_is_not_read),
        cmocka_unit_test(test_a_reader_sees_one_moment_while_the_writer_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
