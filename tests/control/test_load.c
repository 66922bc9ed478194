/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The load and the verdict, in simulated time: a good run is valid, each planted bug is found
 * under the property that it violates, and what did not arrive makes a verdict unknown.
 */
#include <pthread.h>
#include <stdlib.h>

#include "control/result.h"
#include "tests/unit/harness.h"

#define N       3
#define STEP_NS 1000

/* ---- consensus in name only: p0 broadcasts its proposals, delivery decides -------------------- */

struct toy {
    struct co co;
};

static size_t toy_bytes(const struct stack_conf *conf)
{
    (void)conf;
    return sizeof(struct toy);
}

static void upon_uc_propose(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (self->st->self == 0)
            trigger(self->use[0], ev_make(EV_BEB_BROADCAST, 0, 0, 0, ev_msg(&ev[i])));
}

static void upon_beb_deliver(struct co *self, const struct ev *ev, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct op_wire *w = (const struct op_wire *)msg_data(ev_msg(&ev[i]));
        indicate(self, ev_make(EV_UC_DECIDE, 0, le64_get(w->number), 0, ev_msg(&ev[i])));
    }
}

static const struct co_class toy_class = {
    .name = "uc_toy",
    .title = "what p0 proposes is decided",
    .implements = ABS_UC,
    .uses = {ABS_BEB},
    .bytes = toy_bytes,
    .upon =
        (co_upon_fn *const[EV_TYPES]){
            [EV_UC_PROPOSE] = upon_uc_propose, [EV_BEB_DELIVER] = upon_beb_deliver},
};

static struct stack_layer toy_layers[4];
static const struct stack_def toy = {.name = "toy",
                                     .summary = "a toy",
                                     .top = "uc",
                                     .layers = toy_layers};

static const struct stack_def *toy_stack(void)
{
    const struct stack_def *beb = stack_find("beb");
    toy_layers[0] = beb->layers[0];
    toy_layers[1] = beb->layers[1];
    toy_layers[2] = (struct stack_layer){"uc", &toy_class, {"beb"}};
    return &toy;
}

/* ---- a run in simulated time ------------------------------------------------------------------- */

struct scene {
    struct sim sim;
    struct board *board;
    struct stack *st[N];
    struct verdict verdict;
    struct load_conf conf;
    bool cut;         /* nothing reaches p2 */
    uint64_t crashed; /* bitmap: takes no steps */
    unsigned pool_full;
};

static void open_scene(struct scene *s, const struct stack_def *def, struct load_conf conf)
{
    const struct stack_layer *top = def->layers;
    while (strcmp(top->name, def->top) != 0)
        top++;
    memset(s, 0, sizeof *s);
    s->pool_full = rte_mempool_avail_count(harness_pool());
    assert_int_equal(sim_init(&s->sim, N, harness_pool()), 0);
    s->board = board_open(N, BOARD_BLOCKS, 100000, 1, NULL);
    assert_non_null(s->board);
    s->board->from_ns = 1000000;
    board_put(&s->board->end_ns, 11000000);
    conf.top = load_top(top->cls->implements);
    conf.board = s->board;
    conf.seed = 42;
    conf.size = conf.size != 0 ? conf.size : 64;
    for (uint16_t p = 0; p < N; p++) {
        struct stack_conf c = {.n = N, .self = p};
        char why[256];
        stack_conf_default(&c);
        assert_int_equal(co_check_wiring(def, &load_class, &c, why, sizeof why), 0);
        void *mem = aligned_alloc(64, co_wire_bytes(def, &load_class, &c));
        s->st[p] = co_wire(mem, def, &load_class, &c, &s->sim.env[p].env);
        load_attach(s->st[p], &conf);
    }
    s->conf = conf;
    verdict_open(&s->verdict, conf.top);
}

static void crash(struct scene *s, uint16_t p)
{
    s->crashed |= 1u << p;
    board_put(&s->board->crashed, s->crashed);
}

static void step(struct scene *s)
{
    for (uint16_t p = 0; p < N; p++) {
        if (s->crashed >> p & 1)
            continue;
        s->sim.env[p].now_ns += STEP_NS;
        co_breath(s->st[p]);
    }
    while (s->sim.flights > 0)
        if ((s->cut && s->sim.flight[0].to == 2) || (s->crashed >> s->sim.flight[0].to & 1))
            sim_drop(&s->sim, 0);
        else
            sim_deliver(&s->sim, 0);
}

/* Until the load has ended, and everything arrived or some time has passed. */
static void play(struct scene *s)
{
    for (int i = 0; i < 30000; i++) {
        step(s);
        if (i % 100 == 0) {
            verdict_compare(&s->verdict, s->board);
            if (verdict_drained(s->conf.top, s->board))
                break;
        }
    }
    for (uint16_t p = 0; p < N; p++)
        if (!(s->crashed >> p & 1))
            load_detach(s->st[p]);
    verdict_close(&s->verdict, s->board);
}

static void close_scene(struct scene *s)
{
    for (uint16_t p = 0; p < N; p++) {
        stack_fini(s->st[p]);
        free(s->st[p]);
    }
    sim_fini(&s->sim);
    board_close(s->board);
    assert_int_equal(rte_mempool_avail_count(harness_pool()), s->pool_full);
}

static enum verdict_state property(const struct scene *s, const char *code)
{
    for (uint32_t i = 0; i < s->verdict.properties; i++)
        if (strcmp(s->verdict.property[i].code, code) == 0)
            return s->verdict.property[i].state;
    fail_msg("%s is not judged", code);
    return VERDICT_UNKNOWN;
}

static struct load_conf every_10_us(uint64_t sources)
{
    return (struct load_conf){.sources = sources,
                              .interval_ns = 10000,
                              .start_ns = 500000,
                              .arrival = LOAD_CONSTANT};
}

static struct scene s;

/* ---- good runs ----------------------------------------------------------------------------------- */

static void a_good_broadcast_is_valid_and_counted(void **state)
{
    (void)state;
    open_scene(&s, stack_find("beb"), every_10_us(7));
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    assert_int_equal(verdict_status(&s.verdict), 0);
    for (uint32_t p = 0; p < N; p++) {
        const struct board_row *row = board_row(s.board, p);
        /* 10 ms at 10 us. Process p's turn is p thirds of an interval later. */
        assert_int_equal(board_get(&row->offered_measured), 1000);
        assert_in_range(board_get(&row->issued_measured), 999, 1000);
        assert_int_equal(hist_count(&row->decide), 1000);
        assert_true(row->decide.max <= 2 * STEP_NS);
    }
    close_scene(&s);
}

static void a_good_consensus_is_valid_and_compared(void **state)
{
    (void)state;
    struct load_conf conf = every_10_us(1);
    conf.interval_ns = 1000;
    open_scene(&s, toy_stack(), conf);
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    assert_true(s.verdict.compared_blocks >= 10500 / BOARD_BLOCK_INSTANCES);
    assert_int_equal(board_get(&board_row(s.board, 1)->delivered), 10500);
    close_scene(&s);
}

static void proposals_that_lose_do_not_stop_their_source(void **state)
{
    (void)state;
    open_scene(&s, toy_stack(), every_10_us(7));
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    assert_int_equal(board_get(&board_row(s.board, 2)->issued), 1050);
    close_scene(&s);
}

static void a_closed_loop_keeps_its_window(void **state)
{
    (void)state;
    struct load_conf conf = {.sources = 1, .closed = true, .window = 4, .start_ns = 500000};
    open_scene(&s, stack_find("pl"), conf);
    uint64_t most = 0;
    for (int i = 0; i < 2000; i++) {
        step(&s);
        uint64_t out = board_get(&board_row(s.board, 0)->issued) -
                       board_get(&board_source(s.board, 1, 0)->delivered);
        most = out > most ? out : most;
    }
    assert_in_range(most, 1, 4);
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    close_scene(&s);
}

/* One time says when an operation of a closed loop is intended, and whether it is measured. */
static void a_closed_loop_measures_what_it_counts(void **state)
{
    (void)state;
    struct load_conf conf = {.sources = 1, .closed = true, .window = 4, .start_ns = 500000};
    open_scene(&s, stack_find("pl"), conf);
    for (uint16_t p = 0; p < N; p++)
        s.sim.env[p].env.clock_dear = true; /* a breath's time is older than the clock's */
    play(&s);
    assert_true(board_get(&board_row(s.board, 0)->issued_measured) > 1000);
    assert_int_equal(board_get(&board_row(s.board, 0)->issued_measured),
                     hist_count(&board_row(s.board, 1)->decide));
    close_scene(&s);
}

/* Whose interval is no whole number of ns: each operation of the run is sent in its time. */
static void no_operation_is_lost_at_the_edges(void **state)
{
    (void)state;
    static const double per_10_ms[] = {300, 700, 3000, 7000, 9000};
    for (size_t i = 0; i < sizeof per_10_ms / sizeof per_10_ms[0]; i++)
        for (int warm = 0; warm < 2; warm++) {
            struct load_conf conf = every_10_us(1);
            conf.interval_ns = 1e7 / per_10_ms[i];
            conf.start_ns = warm ? 0 : 1000000;
            open_scene(&s, stack_find("beb"), conf);
            play(&s);
            const struct board_row *row = board_row(s.board, 0);
            assert_int_equal(board_get(&row->offered_measured), (uint64_t)per_10_ms[i]);
            assert_int_equal(board_get(&row->unsent), 0);
            assert_in_range(s.sim.env[0].now_ns, 11000000, 11000000 + 100 * STEP_NS); /* no grace */
            close_scene(&s);
        }
}

static struct result computed(void)
{
    static struct job job = {.duration_ns = 10000000};
    struct result r = {0};
    job.top = s.conf.top;
    result_compute(&r, &job, s.board);
    return r;
}

static void nobody_runs_for(uint64_t ns)
{
    for (uint16_t p = 0; p < N; p++)
        s.sim.env[p].now_ns += ns;
}

static void steps(int n)
{
    while (n-- > 0)
        step(&s);
}

static void what_the_warm_up_left_hides_no_saturation(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        open_scene(&s, stack_find("beb"), every_10_us(1));
        steps(600);
        nobody_runs_for(400000); /* the last 40 of the warm-up are late */
        steps(late ? 9700 : 10000);
        if (late)
            nobody_runs_for(301000); /* the last 30 of the interval, too */
        play(&s);
        struct result r = computed();
        assert_int_equal((uint64_t)(r.offered_per_s / 100), 1000);
        assert_in_range(r.caught_up, 39, 41);
        assert_in_range(r.behind, late ? 29 : 0, late ? 31 : 0);
        assert_int_equal(r.operations, 1000 + r.caught_up - r.behind);
        assert_int_equal(r.unsent, 0);
        assert_int_equal(r.saturated, late);
        close_scene(&s);
    }
}

/* A source that is always late goes on after the end: not in the figures for each operation. */
static void records_for_each_operation_are_of_the_interval(void **state)
{
    (void)state;
    for (int interrupted = 0; interrupted < 2; interrupted++) {
        struct load_conf conf = every_10_us(1);
        conf.interval_ns = 10; /* 100 in a step, of which a breath issues 64 */
        open_scene(&s, stack_find("pl"), conf);
        steps(5000);
        if (interrupted)
            board_put(&s.board->end_ns, s.sim.env[0].now_ns);
        play(&s);
        struct result r = computed();
        uint64_t all = board_get(&board_row(s.board, 0)->issued);
        assert_true(all > r.operations + 10000); /* in the warm-up, and when it was over */
        /* but for what the link held when it began and when it ended */
        assert_in_range(r.measured[COUNT_tx_records], r.operations - 512, r.operations + 512);
        assert_int_equal(r.measured[COUNT_tx_retransmits], 0);
        close_scene(&s);
    }
}

static void what_was_sent_again_in_the_warm_up_is_not_in_the_interval(void **state)
{
    (void)state;
    open_scene(&s, stack_find("beb"), every_10_us(1));
    steps(100);
    s.st[0]->counters[COUNT_tx_retransmits] += 1000;
    s.st[0]->counters[COUNT_drop_short] += 10;
    steps(5000);
    s.st[0]->counters[COUNT_tx_retransmits] += 7;
    s.st[0]->counters[COUNT_drop_short] += 3;
    play(&s);
    struct result r = computed();
    assert_int_equal(r.measured[COUNT_tx_retransmits], 7);
    assert_int_equal(r.measured[COUNT_drop_short], 3);
    assert_int_equal(r.counters[COUNT_drop_short], 13);
    close_scene(&s);
}

static void a_stall_is_counted_from_the_intended_times(void **state)
{
    (void)state;
    open_scene(&s, stack_find("beb"), every_10_us(1));
    for (int i = 0; i < 4000; i++)
        step(&s);
    for (uint16_t p = 0; p < N; p++)
        s.sim.env[p].now_ns += 5000000; /* nobody runs for 5 ms: 500 operations are late */
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    const struct hist *h = &board_row(s.board, 0)->decide;
    uint64_t p50;
    assert_true(h->max >= 4900000);
    assert_true(hist_percentile(h, 75, &p50));
    assert_true(p50 >= 2000000);
    close_scene(&s);
}

static void what_was_intended_and_never_sent_is_offered(void **state)
{
    (void)state;
    struct load_conf conf = every_10_us(1);
    conf.interval_ns = 5; /* 200 in a step, of which a breath issues 64 */
    open_scene(&s, stack_find("beb"), conf);
    play(&s);
    const struct board_row *row = board_row(s.board, 0);
    assert_int_equal(board_get(&row->offered_measured), 2000000);
    assert_true(board_get(&row->issued_measured) < 700000);
    close_scene(&s);
}

/* The end of a load that is hours behind is computed, not stepped through. */
static void what_is_never_sent_is_not_counted_one_by_one(void **state)
{
    (void)state;
    for (uint8_t arrival = LOAD_CONSTANT; arrival <= LOAD_POISSON; arrival++) {
        struct load_conf conf = every_10_us(1);
        conf.arrival = arrival;
        open_scene(&s, stack_find("beb"), conf);
        for (int i = 0; i < 2000; i++)
            step(&s);
        board_put(&s.board->end_ns, 1000000 + 1000000000000000ull);
        for (uint16_t p = 0; p < N; p++)
            load_detach(s.st[p]);
        const struct board_row *row = board_row(s.board, 0);
        uint64_t offered = board_get(&row->offered_measured);
        assert_in_range(offered, 100000000000 - 100, 100000000000 + 100);
        assert_in_range(board_get(&row->unsent) + board_get(&row->issued_measured), offered - 1,
                        offered + 1);
        close_scene(&s);
    }
}

static void poisson_arrivals_have_the_mean_that_was_asked_for(void **state)
{
    (void)state;
    struct load_conf conf = every_10_us(1);
    conf.arrival = LOAD_POISSON;
    conf.interval_ns = 1000;
    open_scene(&s, stack_find("beb"), conf);
    play(&s);
    assert_in_range(board_get(&board_row(s.board, 0)->offered_measured), 9600, 10400);
    close_scene(&s);
}

static void crash_p2(struct scene *sc)
{
    for (int i = 0; i < 9000; i++)
        step(sc);
    crash(sc, 2);
    play(sc);
}

static void nothing_is_owed_to_who_crashed(void **state)
{
    (void)state;
    open_scene(&s, stack_find("beb"), every_10_us(7));
    crash_p2(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    close_scene(&s);
    open_scene(&s, toy_stack(), every_10_us(1));
    crash_p2(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    assert_true(board_get(&board_row(s.board, 1)->delivered) >
                board_get(&board_row(s.board, 2)->delivered));
    close_scene(&s);
}

/* What a source would have sent after its crash, nobody offered. */
static void a_crashed_source_offers_nothing_more(void **state)
{
    (void)state;
    for (int killed = 0; killed < 2; killed++) {
        struct job job = {.duration_ns = 10000000};
        struct result result = {0};
        open_scene(&s, stack_find("beb"), every_10_us(7));
        for (int i = 0; i < 4000; i++)
            step(&s);
        crash(&s, 2);
        play(&s);
        if (!killed)
            load_detach(s.st[2]);
        job.top = s.conf.top;
        result_compute(&result, &job, s.board);
        const struct board_row *row = board_row(s.board, 2);
        assert_in_range(board_get(&row->offered_measured), 299, 301);
        assert_in_range(board_get(&row->issued_measured), 299, 301);
        assert_false(result.saturated);
        assert_true(result.offered_per_s < 231000);
        close_scene(&s);
    }
}

/* Nor is a source that crashed while it was behind what could not send. */
static void saturation_is_not_judged_by_who_crashed(void **state)
{
    (void)state;
    struct job job = {.duration_ns = 10000000};
    struct result result = {0};
    open_scene(&s, stack_find("beb"), every_10_us(7));
    play(&s);
    job.top = s.conf.top;
    board_put(&board_row(s.board, 2)->late_measured, 500);
    result_compute(&result, &job, s.board);
    assert_true(result.saturated);
    board_put(&s.board->crashed, 1u << 2);
    result_compute(&result, &job, s.board);
    assert_false(result.saturated);
    close_scene(&s);
}

/* ---- blocks that are compared while they are written -------------------------------------------- */

#define RACES 20000

/* p1 and p2 have all of a block, and p0 decides its last instance while somebody compares. */
static void *decide_last(void *arg)
{
    struct board *b = arg;
    for (uint64_t block = 0; block < RACES; block++) {
        while (board_get(&b->stop) != block + 1)
            ;
        struct board_block *at = &board_blocks(b, 0)[(block + 1) % b->blocks];
        for (volatile uint64_t pause = block % 64; pause > 0; pause--)
            ;
        board_put(&at->digest, 2 * block + 1);
        atomic_store_explicit(&at->count, BOARD_BLOCK_INSTANCES, memory_order_release);
    }
    return NULL;
}

static void put_block(struct board *b, uint32_t p, uint64_t block, uint64_t count, uint64_t digest)
{
    struct board_block *at = &board_blocks(b, p)[(block + 1) % b->blocks];
    board_put(&at->digest, digest);
    board_put(&at->count, count);
    atomic_store_explicit(&at->number, block + 1, memory_order_release);
}

static void who_decides_meanwhile_is_not_accused(void **state)
{
    (void)state;
    struct board *b = board_open(N, BOARD_BLOCKS, 1, 1, NULL);
    struct verdict v;
    pthread_t decider;
    assert_non_null(b);
    verdict_open(&v, load_top(ABS_UC));
    assert_int_equal(pthread_create(&decider, NULL, decide_last, b), 0);
    for (uint64_t block = 0; block < RACES; block++) {
        put_block(b, 0, block, BOARD_BLOCK_INSTANCES - 1, 2 * block);
        for (uint32_t p = 1; p < N; p++)
            put_block(b, p, block, BOARD_BLOCK_INSTANCES, 2 * block + 1);
        atomic_store_explicit(&b->stop, block + 1, memory_order_release);
        while (v.next_block == block)
            verdict_compare(&v, b);
    }
    pthread_join(decider, NULL);
    assert_int_equal(v.compared_blocks, RACES);
    for (uint32_t i = 0; i < v.properties; i++)
        if (v.property[i].state != VERDICT_VALID)
            fail_msg("%s", v.property[i].witness);
    board_close(b);
}

static void UC4_holds_for_what_was_decided_before_a_crash(void **state)
{
    (void)state;
    struct load_conf conf = every_10_us(1);
    conf.interval_ns = 1000;
    conf.plant = LOAD_PLANT_REPLACE; /* at p2 */
    open_scene(&s, toy_stack(), conf);
    crash_p2(&s);
    assert_true(board_get(&board_row(s.board, 2)->delivered) >= BOARD_BLOCK_INSTANCES);
    assert_int_equal(property(&s, "UC4"), VERDICT_INVALID);
    close_scene(&s);
}

/* ---- planted bugs ---------------------------------------------------------------------------------- */

static void plant_from(uint64_t sources, const struct stack_def *def, enum load_plant plant,
                       const char *code, enum verdict_state expected)
{
    struct load_conf conf = every_10_us(sources);
    conf.plant = plant;
    open_scene(&s, def, conf);
    play(&s);
    assert_int_equal(property(&s, code), expected);
    assert_int_equal(s.verdict.state, expected);
    assert_int_equal(verdict_status(&s.verdict), expected == VERDICT_INVALID ? 1 : 2);
    for (uint32_t i = 0; i < s.verdict.properties; i++) /* and nothing else is accused */
        if (strcmp(s.verdict.property[i].code, code) != 0)
            assert_int_not_equal(s.verdict.property[i].state, VERDICT_INVALID);
    close_scene(&s);
}

static void plant(const struct stack_def *def, enum load_plant what, const char *code,
                  enum verdict_state expected)
{
    plant_from(1, def, what, code, expected);
}

static void UC2_an_altered_decision_is_found(void **state)
{
    (void)state;
    plant(toy_stack(), LOAD_PLANT_ALTER, "UC2", VERDICT_INVALID);
}

static void UC3_a_second_decision_is_found(void **state)
{
    (void)state;
    plant(toy_stack(), LOAD_PLANT_REPEAT, "UC3", VERDICT_INVALID);
}

static void UC4_another_decision_is_found(void **state)
{
    (void)state;
    plant(toy_stack(), LOAD_PLANT_REPLACE, "UC4", VERDICT_INVALID);
}

static void UC1_a_missing_decision_is_unknown(void **state)
{
    (void)state;
    plant(toy_stack(), LOAD_PLANT_LOSE, "UC1", VERDICT_UNKNOWN);
}

static void BEB3_an_altered_message_is_found(void **state)
{
    (void)state;
    plant(stack_find("beb"), LOAD_PLANT_ALTER, "BEB3", VERDICT_INVALID);
}

static void BEB3_another_message_is_found(void **state)
{
    (void)state;
    plant(stack_find("beb"), LOAD_PLANT_REPLACE, "BEB3", VERDICT_INVALID);
}

static void BEB2_a_second_delivery_is_found(void **state)
{
    (void)state;
    plant(stack_find("beb"), LOAD_PLANT_REPEAT, "BEB2", VERDICT_INVALID);
}

static void BEB1_a_missing_message_is_unknown(void **state)
{
    (void)state;
    plant(stack_find("beb"), LOAD_PLANT_LOSE, "BEB1", VERDICT_UNKNOWN);
}

/* By digests alone: what a checker says besides is tested with upon run. */
static void digests_find_each_plant_in_each_broadcast_and_link(void **state)
{
    (void)state;
    static const struct {
        const char *stack;
        uint64_t sources;
        const char *creation, *duplication, *complete; /* of what p2 takes from them */
    } of[] = {
        {"pl", 2, "PL3", "PL2", "PL1"},
        {"fpl", 2, "FPL3", "FPL2", "FPL1"},
        {"rb_eager", 1, "RB3", "RB2", "RB4"},
        {"rb_eager", 4, "RB3", "RB2", "RB1"},
        {"rb_lazy", 1, "RB3", "RB2", "RB4"},
        {"urb", 1, "URB3", "URB2", "URB4"},
        {"urb", 4, "URB3", "URB2", "URB1"},
        {"urb_all_ack", 1, "URB3", "URB2", "URB4"},
        {"urb_all_ack", 4, "URB3", "URB2", "URB1"},
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        const struct stack_def *def = stack_find(of[i].stack);
        const bool in_order = strcmp(of[i].stack, "fpl") == 0; /* what is missing is overtaken */
        if (!in_order)
            plant_from(of[i].sources, def, LOAD_PLANT_ALTER, of[i].creation, VERDICT_INVALID);
        plant_from(of[i].sources, def, LOAD_PLANT_REPLACE, of[i].creation, VERDICT_INVALID);
        plant_from(of[i].sources, def, LOAD_PLANT_REPEAT, of[i].duplication, VERDICT_INVALID);
        plant_from(of[i].sources, def, LOAD_PLANT_LOSE, in_order ? "FPL4" : of[i].complete,
                   in_order ? VERDICT_INVALID : VERDICT_UNKNOWN);
    }
}

/* ---- of a source that crashed ---------------------------------------------------------------- */

/* p0, the only source, issues until 9 ms; for the last `cut` steps nothing reaches p2. */
static void crash_the_source(const struct stack_def *def, enum load_plant plant, int cut)
{
    struct load_conf conf = every_10_us(1);
    conf.plant = plant;
    open_scene(&s, def, conf);
    for (int i = 0; i < 9000; i++) {
        s.cut = i >= 9000 - cut;
        step(&s);
    }
    crash(&s, 0);
}

static uint64_t delivered(uint32_t p)
{
    return board_get(&board_source(s.board, p, 0)->delivered);
}

/* What p1 has p2 shall have: the drain waits for the relay. */
static void URB4_is_waited_for_when_the_source_has_crashed(void **state)
{
    (void)state;
    crash_the_source(stack_find("urb"), LOAD_PLANT_NONE, 100);
    assert_false(verdict_drained(s.conf.top, s.board));
    assert_true(verdict_lacking(s.conf.top, s.board) > 0);
    s.cut = false;
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_VALID);
    assert_true(delivered(1) >= 840);
    assert_int_equal(delivered(1), delivered(2));
    close_scene(&s);
}

static void URB4_an_unlevel_end_of_a_crashed_source_is_unknown(void **state)
{
    (void)state;
    const char *const code[] = {"RB4", "URB4", "UC1"};
    const struct stack_def *const def[] = {stack_find("rb_eager"), stack_find("urb"), toy_stack()};
    for (int i = 0; i < 3; i++) {
        crash_the_source(def[i], LOAD_PLANT_NONE, 100); /* and p2 stays cut off */
        play(&s);
        assert_int_equal(property(&s, code[i]), VERDICT_UNKNOWN);
        assert_int_equal(s.verdict.state, VERDICT_UNKNOWN);
        close_scene(&s);
    }
}

/* What who crashed had delivered binds the others where agreement is uniform, and there alone. */
static void URB4_counts_what_who_crashed_had_delivered(void **state)
{
    (void)state;
    const char *const code[] = {"RB4", "URB4"};
    const enum verdict_state expected[] = {VERDICT_VALID, VERDICT_UNKNOWN};
    for (int i = 0; i < 2; i++) {
        crash_the_source(stack_find(i == 0 ? "rb_eager" : "urb"), LOAD_PLANT_NONE, 0);
        struct board_source *own = board_source(s.board, 0, 0);
        uint64_t more = board_get(&board_row(s.board, 0)->issued) + 1; /* than others have */
        board_put(&own->delivered, more);
        board_put(&own->floor, more);
        board_put(&own->top, more);
        play(&s);
        assert_int_equal(property(&s, code[i]), expected[i]);
        assert_int_equal(s.verdict.state, expected[i]);
        close_scene(&s);
    }
}

/* p1 has all up to 101, p2 has not 100 and has 102: as many, and not the same. */
static void URB4_as_many_are_not_the_same(void **state)
{
    (void)state;
    struct board *b = board_open(N, BOARD_BLOCKS, 1, 1, NULL);
    struct verdict v;
    assert_non_null(b);
    for (uint32_t p = 1; p < N; p++) {
        struct board_source *at = board_source(b, p, 0);
        board_put(&at->delivered, 102);
        board_put(&at->digest, p);
        board_put(&at->floor, p == 1 ? 102 : 100);
        board_put(&at->top, p == 1 ? 102 : 103);
        board_put(&board_row(b, p)->done, 1);
    }
    board_put(&board_row(b, 0)->issued, 103);
    board_put(&b->crashed, 1);
    verdict_open(&v, load_top(ABS_URB));
    assert_false(verdict_drained(v.top, b));
    verdict_close(&v, b);
    assert_int_equal(v.state, VERDICT_UNKNOWN);
    board_close(b);
}

static void planted_of_a_crashed_source(const char *stack, enum load_plant plant, const char *code,
                                        enum verdict_state expected)
{
    crash_the_source(stack_find(stack), plant, 0);
    play(&s);
    assert_int_equal(property(&s, code), expected);
    assert_int_equal(s.verdict.state, expected);
    close_scene(&s);
}

static void what_is_planted_is_found_though_the_source_crashed(void **state)
{
    (void)state;
    planted_of_a_crashed_source("beb", LOAD_PLANT_REPLACE, "BEB3", VERDICT_INVALID);
    planted_of_a_crashed_source("rb_eager", LOAD_PLANT_REPLACE, "RB3", VERDICT_INVALID);
    planted_of_a_crashed_source("urb", LOAD_PLANT_REPLACE, "URB3", VERDICT_INVALID);
    planted_of_a_crashed_source("rb_eager", LOAD_PLANT_LOSE, "RB4", VERDICT_UNKNOWN);
    planted_of_a_crashed_source("urb", LOAD_PLANT_LOSE, "URB4", VERDICT_UNKNOWN);
    planted_of_a_crashed_source("urb", LOAD_PLANT_REPEAT, "URB2", VERDICT_INVALID);
    planted_of_a_crashed_source("urb", LOAD_PLANT_ALTER, "URB3", VERDICT_INVALID);
}

/* Neither had all that the source posted: they are compared with each other. */
static void receivers_are_compared_below_what_the_source_posted(void **state)
{
    (void)state;
    crash_the_source(stack_find("urb"), LOAD_PLANT_REPLACE, 0);
    board_add(&board_row(s.board, 0)->issued, 1);
    play(&s);
    assert_int_equal(property(&s, "URB3"), VERDICT_INVALID);
    close_scene(&s);
}

static void who_was_cut_off_is_named(void **state)
{
    (void)state;
    open_scene(&s, stack_find("beb"), every_10_us(1));
    s.cut = true;
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_UNKNOWN);
    assert_non_null(strstr(s.verdict.property[0].witness, "p2"));
    close_scene(&s);
}

static void nothing_issued_is_nothing_judged(void **state)
{
    (void)state;
    struct load_conf conf = every_10_us(1);
    conf.start_ns = UINT64_MAX / 2;
    open_scene(&s, stack_find("beb"), conf);
    play(&s);
    assert_int_equal(s.verdict.state, VERDICT_UNKNOWN);
    close_scene(&s);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_good_broadcast_is_valid_and_counted),
    cmocka_unit_test(a_good_consensus_is_valid_and_compared),
    cmocka_unit_test(proposals_that_lose_do_not_stop_their_source),
    cmocka_unit_test(a_closed_loop_keeps_its_window),
    cmocka_unit_test(a_closed_loop_measures_what_it_counts),
    cmocka_unit_test(no_operation_is_lost_at_the_edges),
    cmocka_unit_test(what_the_warm_up_left_hides_no_saturation),
    cmocka_unit_test(records_for_each_operation_are_of_the_interval),
    cmocka_unit_test(what_was_sent_again_in_the_warm_up_is_not_in_the_interval),
    cmocka_unit_test(a_stall_is_counted_from_the_intended_times),
    cmocka_unit_test(what_was_intended_and_never_sent_is_offered),
    cmocka_unit_test(what_is_never_sent_is_not_counted_one_by_one),
    cmocka_unit_test(poisson_arrivals_have_the_mean_that_was_asked_for),
    cmocka_unit_test(nothing_is_owed_to_who_crashed),
    cmocka_unit_test(a_crashed_source_offers_nothing_more),
    cmocka_unit_test(saturation_is_not_judged_by_who_crashed),
    cmocka_unit_test(who_decides_meanwhile_is_not_accused),
    cmocka_unit_test(UC4_holds_for_what_was_decided_before_a_crash),
    cmocka_unit_test(UC1_a_missing_decision_is_unknown),
    cmocka_unit_test(UC2_an_altered_decision_is_found),
    cmocka_unit_test(UC3_a_second_decision_is_found),
    cmocka_unit_test(UC4_another_decision_is_found),
    cmocka_unit_test(BEB1_a_missing_message_is_unknown),
    cmocka_unit_test(BEB2_a_second_delivery_is_found),
    cmocka_unit_test(BEB3_an_altered_message_is_found),
    cmocka_unit_test(BEB3_another_message_is_found),
    cmocka_unit_test(digests_find_each_plant_in_each_broadcast_and_link),
    cmocka_unit_test(URB4_is_waited_for_when_the_source_has_crashed),
    cmocka_unit_test(URB4_an_unlevel_end_of_a_crashed_source_is_unknown),
    cmocka_unit_test(URB4_counts_what_who_crashed_had_delivered),
    cmocka_unit_test(URB4_as_many_are_not_the_same),
    cmocka_unit_test(what_is_planted_is_found_though_the_source_crashed),
    cmocka_unit_test(receivers_are_compared_below_what_the_source_posted),
    cmocka_unit_test(who_was_cut_off_is_named),
    cmocka_unit_test(nothing_issued_is_nothing_judged),
};

HARNESS_MAIN(tests)
