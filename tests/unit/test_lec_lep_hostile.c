/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes that no correct process sends, to logged epoch change and logged epoch consensus: counted,
 * never believed, never stored; and what is right is still heard afterwards.
 */
#include "scripted.h"

#define MS 1000000u

static struct world w;
static const struct stack_conf conf = {.flight_msgs = 32,
                                       .ring_msgs = 1024,
                                       .instances = 64,
                                       .store_msgs = 64,
                                       .inbox_events = 2048,
                                       .rto_min_ns = 1 * MS,
                                       .rto_max_ns = 4 * MS,
                                       .give_up_ns = UINT64_MAX};

enum { LEC_BYTES = 16, LEP_SHORT = 24, LEP_LONG = 32 };
enum { READ = 1, STATE, END, WRITE, ACCEPT, DECIDED, DONE, RESUME, LEP_KINDS };
enum { NEWEPOCH = 1, NACK, ASK, LEC_KINDS };

/* Send bytes from p to q, as the component of that name there would; q = UINT16_MAX: by beb. */
static void send(const char *name, uint16_t p, uint16_t q, const uint8_t *bytes, uint32_t len)
{
    struct msg m = msg_new(w.st[p], len);
    if (len > 0)
        memcpy(msg_data(m), bytes, len);
    if (q == UINT16_MAX)
        trigger(stack_co(w.st[p], "beb"), ev_make(EV_BEB_BROADCAST, 0, 0, 0, m));
    else
        link_send(stack_co(w.st[p], name), stack_co(w.st[p], "pl"), EV_PL_SEND, q, m);
    world_step(&w, p);
    world_settle(&w);
}

static uint64_t unread(uint16_t p)
{
    return w.st[p]->counters[COUNT_drop_message];
}

static uint64_t stored(uint16_t p)
{
    return w.st[p]->counters[COUNT_log_records];
}

/* These bytes, by either way, from p to q: counted once for each, and no record is made of them. */
static void refused(const char *name, uint16_t p, uint16_t q, const uint8_t *bytes, uint32_t len)
{
    uint64_t before = unread(q), records = stored(q);
    send(name, p, q, bytes, len);
    if (unread(q) != before + 1)
        fail_msg("%s: kind %u, %u bytes over pl: not counted", name, len > 0 ? bytes[0] : 0, len);
    send(name, p, UINT16_MAX, bytes, len);
    if (unread(q) != before + 2)
        fail_msg("%s: kind %u, %u bytes over beb: not counted", name, len > 0 ? bytes[0] : 0, len);
    assert_int_equal(stored(q), records);
}

/* ---- lec ------------------------------------------------------------------------------------- */

static void lec_message(uint8_t *b, uint8_t kind, uint64_t ts)
{
    memset(b, 0, LEC_BYTES + 1);
    b[0] = kind;
    le64_put(b + 8, ts);
}

static void start_lec(void)
{
    world_start(&w, &scripted_lec, 3, &conf);
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(world_count_type(&w, p, EV_LEC_START_EPOCH), 1); /* epoch 0 */
    script_trust(&w, 0, 1);
    world_settle(&w);
    w.seens = 0;
}

/* p0 trusts p1, and hears p1's announcement: it is as able as ever. */
static void end_lec(void)
{
    uint8_t b[LEC_BYTES + 1];
    assert_int_equal(w.seens, 0);
    lec_message(b, NEWEPOCH, 3 * 100 + 1);
    send("lec", 1, UINT16_MAX, b, LEC_BYTES);
    world_run(&w, 3 * MS);
    assert_int_equal(world_count_type(&w, 0, EV_LEC_START_EPOCH), 1);
    world_end(&w);
}

static void test_lec_truncated_at_every_byte_starts_no_epoch(void **state)
{
    (void)state;
    uint8_t b[LEC_BYTES + 1];
    start_lec();
    for (uint8_t kind = NEWEPOCH; kind < LEC_KINDS; kind++) {
        lec_message(b, kind, 4);
        for (uint32_t len = 0; len < LEC_BYTES; len++)
            refused("lec", 1, 0, b, len);
        refused("lec", 1, 0, b, LEC_BYTES + 1);
    }
    end_lec();
}

static void test_lec_kinds_out_of_range_start_no_epoch(void **state)
{
    (void)state;
    uint8_t b[LEC_BYTES + 1];
    start_lec();
    for (uint32_t kind = 0; kind < 256; kind++) {
        if (kind >= NEWEPOCH && kind < LEC_KINDS)
            continue;
        lec_message(b, (uint8_t)kind, 4);
        refused("lec", 1, 0, b, LEC_BYTES);
    }
    end_lec();
}

static void test_lec_an_epoch_of_another_leader_is_not_started(void **state)
{
    (void)state;
    uint8_t b[LEC_BYTES + 1];
    start_lec();
    for (uint64_t ts = 0; ts < 30; ts++) {
        if (ts % 3 == 1)
            continue; /* that p1 may announce */
        lec_message(b, NEWEPOCH, ts);
        refused("lec", 1, 0, b, LEC_BYTES);
    }
    end_lec();
}

static void test_lec_timestamps_out_of_range_start_no_epoch(void **state)
{
    (void)state;
    static const uint64_t far[] = {(UINT64_MAX >> 2) + 1, UINT64_MAX >> 1, UINT64_MAX - 2};
    uint8_t b[LEC_BYTES + 1];
    start_lec();
    for (uint8_t kind = NEWEPOCH; kind < LEC_KINDS; kind++)
        for (int i = 0; i < 3; i++) {
            lec_message(b, kind, far[i] - far[i] % 3 + 1); /* p1's */
            refused("lec", 1, 0, b, LEC_BYTES);
        }
    end_lec();
}

/* ---- lep ------------------------------------------------------------------------------------- */

struct said {
    uint8_t kind;
    uint32_t count;
    uint64_t ets;
    uint64_t inst;
    uint64_t more;
};

static uint32_t lep_message(uint8_t *b, struct said s)
{
    memset(b, 0, LEP_LONG + 8);
    b[0] = s.kind;
    le32_put(b + 4, s.count);
    le64_put(b + 8, s.ets);
    le64_put(b + 16, s.inst);
    le64_put(b + 24, s.more);
    return s.kind == STATE || s.kind == END || s.kind == ACCEPT ? LEP_LONG : LEP_SHORT;
}

static void start_lep(void)
{
    world_start(&w, &scripted_lep, 3, &conf);
    for (uint16_t p = 0; p < 3; p++) {
        trigger(stack_co(w.st[p], "lep"), ev_make(EV_LEP_INIT, 0, 0, 0, MSG_NONE));
        world_step(&w, p);
    }
    world_settle(&w);
    w.seens = 0;
}

/* Nobody has decided; and an instance that is proposed now is decided. */
static void end_lep(void)
{
    assert_int_equal(w.seens, 0);
    world_request(&w, 0, EV_LEP_PROPOSE, 0, 0, world_msg(&w, 0, 77, 16));
    world_run(&w, 10 * MS);
    for (uint16_t p = 0; p < 3; p++)
        assert_int_equal(world_count(&w, p, EV_LEP_DECIDE, UINT16_MAX, 77), 1);
    world_end(&w);
}

static void test_lep_truncated_at_every_byte_is_neither_stored_nor_decided(void **state)
{
    (void)state;
    uint8_t b[LEP_LONG + 8];
    start_lep();
    for (uint8_t kind = READ; kind < LEP_KINDS; kind++) {
        uint32_t whole = lep_message(b, (struct said){.kind = kind, .count = 1, .inst = 2});
        for (uint32_t len = 0; len < whole; len++) {
            refused("lep", 0, 1, b, len); /* to a follower */
            refused("lep", 1, 0, b, len); /* to the leader */
        }
    }
    end_lep();
}

static void test_lep_kinds_out_of_range_and_bytes_behind_are_refused(void **state)
{
    (void)state;
    uint8_t b[LEP_LONG + 8];
    start_lep();
    for (uint32_t kind = 0; kind < 256; kind++) {
        uint32_t whole = lep_message(b, (struct said){.kind = (uint8_t)kind, .count = 1});
        bool known = kind >= READ && kind < LEP_KINDS;
        if (known && (kind == STATE || kind == WRITE))
            continue; /* a value may follow */
        refused("lep", 0, 1, b, known ? whole + 1 : whole);
        refused("lep", 1, 0, b, known ? whole + 1 : whole);
    }
    end_lep();
}

static void test_lep_numbers_out_of_range_are_refused(void **state)
{
    (void)state;
    static const uint64_t far = (UINT64_MAX >> 2) + 1;
    uint8_t b[LEP_LONG + 8];
    start_lep();
    for (uint8_t kind = READ; kind < LEP_KINDS; kind++) {
        const struct said bad[] = {{kind, 1, far - far % 3 + 3, 2, 2},
                                   {kind, 1, UINT64_MAX, 2, 2},
                                   {kind, 1, 0, far, 2},
                                   {kind, 1, 0, UINT64_MAX, 2},
                                   {kind, 1, 0, 2, far},
                                   {kind, 1, 0, 2, UINT64_MAX}};
        for (int i = 0; i < 6; i++) {
            uint32_t whole = lep_message(b, bad[i]);
            if (i >= 4 && whole == LEP_SHORT)
                continue; /* it has no such number */
            refused("lep", 0, 1, b, whole);
            refused("lep", 1, 0, b, whole);
        }
    }
    end_lep();
}

/* Who does not lead an epoch can neither read, write nor decide in it, by whatever way. */
static void test_lep_only_the_leader_of_an_epoch_leads_it(void **state)
{
    (void)state;
    static const uint8_t leads[] = {WRITE, DECIDED};
    uint8_t b[LEP_LONG + 8];
    start_lep();
    for (int i = 0; i < 2; i++)
        for (uint64_t ets = 0; ets < 9; ets++) {
            if (ets % 3 == 2)
                continue;
            uint32_t whole =
                lep_message(b, (struct said){.kind = leads[i], .ets = ets, .count = 1, .inst = 2});
            refused("lep", 2, 1, b, whole);
        }
    lep_message(b, (struct said){.kind = READ, .ets = 3});
    uint64_t before = unread(1);
    send("lep", 2, UINT16_MAX, b, LEP_SHORT);
    assert_int_equal(unread(1), before + 1);
    end_lep();
}

/* Counts that lie: more instances than there are rows, none, more ahead of stable than there are. */
static void test_lep_counts_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct said bad[] = {{WRITE, 3, 0, 2, 0},
                                      {WRITE, UINT32_MAX, 0, 2, 0},
                                      {DECIDED, 0, 0, 2, 0},
                                      {DECIDED, 65, 0, 2, 0},
                                      {DECIDED, UINT32_MAX, 0, 2, 0}};
    uint8_t b[LEP_LONG + 8];
    start_lep();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t whole = lep_message(b, bad[i]);
        refused("lep", 0, 1, b, whole);
    }
    static const struct said lies[] = {{ACCEPT, 0, 0, 2, 0},
                                       {ACCEPT, 65, 0, 2, 0},
                                       {ACCEPT, UINT32_MAX, 0, 2, 0},
                                       {STATE, 3, 0, 2, 0}};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        uint32_t whole = lep_message(b, lies[i]);
        uint64_t before = unread(0);
        send("lep", 1, 0, b, whole);
        assert_int_equal(unread(0), before + 1);
    }
    end_lep();
}

/* Whatever peers say, in whichever order: invariants hold (they are checked after each step). */
static void test_lep_noise_in_every_field_breaks_no_invariant(void **state)
{
    (void)state;
    struct random r = random_seeded(3, 1);
    uint8_t b[LEP_LONG + 8];
    start_lep();
    for (uint32_t i = 0; i < 3000; i++) {
        lep_message(b, (struct said){.kind = (uint8_t)random_below(&r, LEP_KINDS + 1),
                                     .count = random_below(&r, 70),
                                     .ets = random_below(&r, 4),
                                     .inst = random_below(&r, 90),
                                     .more = random_below(&r, 90)});
        uint16_t from = (uint16_t)random_below(&r, 3);
        send("lep", from, random_below(&r, 2) ? UINT16_MAX : (uint16_t)random_below(&r, 3), b,
             random_below(&r, LEP_LONG + 8));
        w.seens = 0;
    }
    world_run(&w, 3 * MS);
    world_end(&w);
}

/* ---- while the disk takes its time ------------------------------------------------------------ */

static void finish_one(uint16_t p)
{
    assert_true(w.disk[p]->writes > 0);
    disk_sim_finish(w.disk[p], 0, DISK_KEEPS, NULL, NULL);
    world_step(&w, p); /* hears of it, and may ask for more */
    world_step(&w, p);
}

/* Announcements and epochs that follow one another faster than the disk is: one record of each on its
 * way, and one that holds the last. */
static void test_lec_epochs_that_outrun_the_disk_wait_in_one_record(void **state)
{
    (void)state;
    uint8_t b[LEC_BYTES + 1];
    start_lec();
    uint64_t before = stored(0);
    w.disks_held = true;
    for (uint64_t k = 1; k <= 50; k++) {
        script_trust(&w, 0, 0);
        world_step(&w, 0);
        script_trust(&w, 0, 1);
        world_step(&w, 0);
        lec_message(b, NEWEPOCH, 300 * k + 1);
        send("lec", 1, 0, b, LEC_BYTES);
    }
    assert_int_equal(stored(0), before + 2);
    assert_int_equal(w.seens, 0);
    while (w.disk[0]->writes > 0)
        finish_one(0);
    assert_int_equal(stored(0), before + 4);
    assert_int_equal(world_count_type(&w, 0, EV_LEC_START_EPOCH), 1);
    assert_int_equal(w.seen[0].attr, 300 * 50 + 1);
    w.disks_held = false;
    world_run(&w, 3 * MS);
    world_end(&w);
}

/* Values of ever newer epochs for one instance: the same. That it is decided is not told before the
 * value that is, is stored, nor stored. */
static void test_lep_values_that_outrun_the_disk_wait_in_one_record(void **state)
{
    (void)state;
    uint8_t b[LEP_LONG + 8];
    start_lep();
    uint64_t before = stored(1), ets = 0;
    w.disks_held = true;
    for (; ets < 60; ets += 3) {
        uint32_t bytes = lep_message(b, (struct said){.kind = WRITE, .ets = ets});
        le64_put(b + bytes, 1000 + ets);
        send("lep", 0, 1, b, bytes + 8);
    }
    uint32_t bytes = lep_message(b, (struct said){.kind = DECIDED, .count = 1, .ets = ets - 3});
    send("lep", 0, 1, b, bytes);
    assert_int_equal(stored(1), before + 1); /* of an old value, and nothing of the decision */
    finish_one(1);
    assert_int_equal(stored(1), before + 2); /* the value */
    assert_int_equal(world_count_type(&w, 1, EV_LEP_LEARN), 0);
    while (w.disk[1]->writes > 0)
        finish_one(1);
    assert_int_equal(world_count(&w, 1, EV_LEP_LEARN, UINT16_MAX, 1000 + ets - 3), 1);
    w.disks_held = false;
    world_run(&w, 20 * MS); /* a heartbeat: and that it is decided */
    assert_int_equal(stored(1), before + 3);
    w.seens = 0;
    world_restart(&w, 1);
    assert_int_equal(world_count(&w, 1, EV_LEP_DECIDE, UINT16_MAX, 1000 + ets - 3), 1);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lec_truncated_at_every_byte_starts_no_epoch),
        cmocka_unit_test(test_lec_kinds_out_of_range_start_no_epoch),
        cmocka_unit_test(test_lec_an_epoch_of_another_leader_is_not_started),
        cmocka_unit_test(test_lec_timestamps_out_of_range_start_no_epoch),
        cmocka_unit_test(test_lep_truncated_at_every_byte_is_neither_stored_nor_decided),
        cmocka_unit_test(test_lep_kinds_out_of_range_and_bytes_behind_are_refused),
        cmocka_unit_test(test_lep_numbers_out_of_range_are_refused),
        cmocka_unit_test(test_lep_only_the_leader_of_an_epoch_leads_it),
        cmocka_unit_test(test_lep_counts_out_of_range_are_refused),
        cmocka_unit_test(test_lep_noise_in_every_field_breaks_no_invariant),
        cmocka_unit_test(test_lec_epochs_that_outrun_the_disk_wait_in_one_record),
        cmocka_unit_test(test_lep_values_that_outrun_the_disk_wait_in_one_record),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
