/* SPDX-License-Identifier: BSD-3-Clause */
/* Hostile frames: each lie is counted under its own reason, nothing of it is delivered, memory
 * stays flat, and the run goes on. */
#include "harness.h"

#include <stdlib.h>

#include "protocols/links/links.h"
#include "protocols/random.h"

#define MESSAGES 3

static struct world w;
static uint8_t good[512]; /* a frame of three messages of 16 bytes from p0 to p1 */
static uint32_t good_len;
static unsigned pool_in_use;

static struct frame_wire *header(uint8_t *frame)
{
    return (struct frame_wire *)frame;
}

/* The i-th record of the good frame. */
static uint8_t *record(uint8_t *frame, int i)
{
    return frame + FRAME_BYTES + i * (RECORD_BYTES + 16);
}

static void start_under(const struct stack_conf *conf)
{
    world_start(&w, stack_find("pl"), 3, conf);
    for (uint64_t i = 0; i < MESSAGES; i++)
        world_request(&w, 0, EV_PL_SEND, 1, 0, world_msg(&w, 0, i, 16));
    world_step(&w, 0);
    assert_int_equal(w.sim.flights, 1);
    struct rte_mbuf *pkt = w.sim.flight[0].pkt;
    good_len = pkt->pkt_len;
    assert_true(good_len == FRAME_BYTES + MESSAGES * (RECORD_BYTES + 16));
    memcpy(good, pkt_data(pkt), good_len);
    sim_drop(&w.sim, 0);
    pool_in_use = rte_mempool_in_use_count(w.pool);
}

static void start(void)
{
    start_under(NULL);
}

/* Everything that was sent arrives in the end, once, in spite of what came before. */
static void end(void)
{
    world_run(&w, 50000000);
    for (uint64_t i = 0; i < MESSAGES; i++)
        assert_int_equal(world_count(&w, 1, EV_PL_DELIVER, 0, i), 1);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER), MESSAGES);
    world_end(&w);
}

/* A packet of two segments, the second from `split` on; one segment if split = len. */
static struct rte_mbuf *packet(const uint8_t *data, uint32_t len, uint32_t split)
{
    struct rte_mbuf *pkt = pkt_alloc(w.pool);
    memcpy(pkt_data(pkt), data, split);
    pkt->data_len = (uint16_t)split;
    pkt->pkt_len = len;
    if (split < len) {
        struct rte_mbuf *rest = pkt_alloc(w.pool);
        memcpy(pkt_data(rest), data + split, len - split);
        rest->data_len = (uint16_t)(len - split);
        pkt->next = rest;
        pkt->nb_segs = 2;
    }
    return pkt;
}

/* p1 receives these bytes, whoever sent them. */
static void inject(struct rte_mbuf *pkt)
{
    struct env *env = &w.sim.env[0].env;
    env->ops->tx(env, 1, &pkt, 1);
    world_deliver(&w, w.sim.flights - 1);
}

static uint64_t dropped(void)
{
    uint64_t sum = 0;
    for (int c = COUNT_drop_first; c < COUNTERS; c++)
        sum += w.st[1]->counters[c];
    return sum;
}

/* Inject it: counted `times` under `reason` and under no other, and `delivered` messages arrive. */
static void expect(struct rte_mbuf *pkt, enum counter reason, uint64_t times, uint32_t delivered)
{
    uint64_t all = dropped(), its = w.st[1]->counters[reason];
    uint32_t seen = world_count_type(&w, 1, EV_PL_DELIVER);
    inject(pkt);
    if (w.st[1]->counters[reason] - its != times || dropped() - all != times)
        fail_msg("not counted %u times as %s alone", (unsigned)times, counter_texts[reason].id);
    assert_int_equal(world_count_type(&w, 1, EV_PL_DELIVER) - seen, delivered);
}

static void refused(const uint8_t *frame, enum counter reason)
{
    expect(packet(frame, good_len, good_len), reason, 1, 0);
}

static void test_truncated_at_every_byte(void **state)
{
    (void)state;
    start();
    for (uint32_t len = 0; len < good_len; len++)
        expect(packet(good, len, len), len < FRAME_BYTES ? COUNT_drop_short : COUNT_drop_length, 1,
               0);
    assert_int_equal(rte_mempool_in_use_count(w.pool), pool_in_use);
    end();
}

static void test_all_zeros_of_every_length(void **state)
{
    static const uint8_t zeros[512];
    (void)state;
    start();
    for (uint32_t len = 0; len < sizeof zeros; len++)
        expect(packet(zeros, len, len), len < FRAME_BYTES ? COUNT_drop_short : COUNT_drop_version,
               1, 0);
    end();
}

#define LIE(statement, reason)         \
    do {                               \
        uint8_t bad[512];              \
        memcpy(bad, good, sizeof bad); \
        statement;                     \
        refused(bad, COUNT_##reason);  \
    } while (0)

static void test_each_lie_of_the_header_has_its_reason(void **state)
{
    (void)state;
    start();
    LIE(header(bad)->version = FRAME_VERSION + 1, drop_version);
    LIE(header(bad)->version = 1, drop_version); /* a dissector would see WireGuard */
    LIE(header(bad)->kind = FRAME_KIND_NONE, drop_version);
    LIE(header(bad)->kind = FRAME_KINDS, drop_version);
    LIE(header(bad)->kind = FRAME_KIND_PLAIN, drop_version); /* no layer takes them here */
    LIE(le32_put(header(bad)->cluster, 1), drop_cluster);
    LIE(le32_put(header(bad)->cluster, 0), drop_cluster);
    LIE(le16_put(header(bad)->to, 0), drop_receiver);
    LIE(le16_put(header(bad)->to, 2), drop_receiver);
    LIE(le16_put(header(bad)->from, 1), drop_sender); /* ourselves */
    LIE(le16_put(header(bad)->from, 3), drop_sender);
    LIE(le16_put(header(bad)->from, UINT16_MAX), drop_sender);
    LIE(le32_put(header(bad)->bytes, good_len + 1), drop_length);
    LIE(le32_put(header(bad)->bytes, UINT32_MAX), drop_length);
    LIE(le32_put(header(bad)->bytes, FRAME_BYTES - 1), drop_length);
    LIE(le32_put(header(bad)->bytes, 0), drop_length);
    LIE(le32_put(header(bad)->bytes, FRAME_BYTES + 3 * RECORD_BYTES - 1), drop_length);
    LIE(le16_put(header(bad)->records, FRAME_RECORDS_MAX + 1), drop_length);
    LIE(le16_put(header(bad)->records, UINT16_MAX), drop_length);
    LIE(le16_put(header(bad)->records, 0), drop_length); /* bytes of no record */
    LIE(le32_put(header(bad)->reserved, 1), drop_field);
    LIE(le32_put(header(bad)->incarnation, 0), drop_incarnation);
    LIE(le64_put(header(bad)->ack, 1), drop_ack_future);
    LIE(le64_put(header(bad)->ack, UINT64_MAX), drop_ack_future);
    end();
}

/* Else one forged frame would make a peer deaf to the process that it names. */
static void test_another_life_is_a_lie_where_nobody_recovers(void **state)
{
    (void)state;
    const struct stack_conf conf = {.one_life = true};
    start_under(&conf);
    LIE(le32_put(header(bad)->incarnation, 2), drop_incarnation);
    LIE(le32_put(header(bad)->incarnation, UINT32_MAX), drop_incarnation);
    LIE(le32_put(header(bad)->incarnation, 0), drop_incarnation);
    end();
}

static void test_sequence_numbers_beyond_the_window(void **state)
{
    (void)state;
    uint64_t flight = PL_WINDOW_FLIGHT_MSGS;
    start();
    LIE(le64_put(header(bad)->seq, flight - MESSAGES + 1), drop_seq_future);
    LIE(le64_put(header(bad)->seq, UINT64_MAX), drop_seq_future);
    LIE(le64_put(header(bad)->seq, UINT64_MAX - MESSAGES), drop_seq_future);
    LIE(le64_put(header(bad)->seq, UINT64_MAX / 2 + 1), drop_seq_future);
    end();
}

static void test_frames_of_an_earlier_incarnation(void **state)
{
    (void)state;
    start();
    LIE(le32_put(header(bad)->to_incarn, 7), drop_incarnation); /* who we never were */
    end();
    start();
    uint8_t newer[512];
    memcpy(newer, good, sizeof newer);
    le32_put(header(newer)->incarnation, 2);
    expect(packet(newer, good_len, good_len), COUNT_drop_incarnation, 0, MESSAGES);
    LIE((void)bad, drop_incarnation);
    stack_fini(w.st[0]); /* p0 itself is believed dead now: no liveness to ask for */
    world_crash(&w, 0);
    world_end(&w);
}

static void test_records_that_lie(void **state)
{
    (void)state;
    start(); /* the first record: nothing of the frame is delivered */
    LIE(le16_put(record(bad, 0), UINT16_MAX), drop_record);
    LIE(le16_put(record(bad, 0), MESSAGES * 20 - RECORD_BYTES + 1), drop_record);
    LIE(record(bad, 0)[3] = 1, drop_record);
    end();
}

static void test_what_stands_before_a_record_that_lies_is_delivered(void **state)
{
    (void)state;
    uint8_t bad[512];
    start();
    memcpy(bad, good, sizeof bad);
    le16_put(record(bad, 2), 17);
    expect(packet(bad, good_len, good_len), COUNT_drop_record, 1, 2);
    end();
    start();
    memcpy(bad, good, sizeof bad);
    le32_put(header(bad)->bytes, good_len - 1);
    expect(packet(bad, good_len, good_len), COUNT_drop_record, 1, 2);
    end();
}

static void test_a_record_for_nobody(void **state)
{
    (void)state;
    start();
    uint8_t bad[512];
    memcpy(bad, good, sizeof bad);
    record(bad, 0)[2] = 17;
    record(bad, 1)[2] = CO_PORTS_MAX;
    record(bad, 2)[2] = UINT8_MAX;
    expect(packet(bad, good_len, good_len), COUNT_drop_user, MESSAGES, 0);
    stack_fini(w.st[0]); /* p1 has acknowledged them: they are gone */
    world_crash(&w, 0);
    world_end(&w);
}

static void test_a_frame_longer_than_it_says_is_padded(void **state)
{
    (void)state;
    start();
    uint8_t padded[512] = {0};
    memcpy(padded, good, good_len);
    expect(packet(padded, sizeof padded, sizeof padded), COUNT_drop_length, 0, MESSAGES);
    end();
}

static void test_split_anywhere_but_between_records(void **state)
{
    (void)state;
    for (uint32_t split = 0; split <= good_len; split++) {
        start();
        uint32_t at = split < FRAME_BYTES ? 0 : (split - FRAME_BYTES) % (RECORD_BYTES + 16);
        uint32_t before = split < FRAME_BYTES ? 0 : (split - FRAME_BYTES) / (RECORD_BYTES + 16);
        struct rte_mbuf *pkt = packet(good, good_len, split);
        if (split < FRAME_BYTES)
            expect(pkt, COUNT_drop_short, 1, 0);
        else if (at == 0 || at == RECORD_BYTES) /* a record, or a shared body, begins a segment */
            expect(pkt, COUNT_drop_record, 0, MESSAGES);
        else
            expect(pkt, COUNT_drop_record, 1, before);
        end();
    }
}

static void test_a_flood_of_duplicates_is_delivered_once(void **state)
{
    (void)state;
    start();
    expect(packet(good, good_len, good_len), COUNT_drop_duplicate, 0, MESSAGES);
    for (int i = 0; i < 5000; i++)
        expect(packet(good, good_len, good_len), COUNT_drop_duplicate, MESSAGES, 0);
    world_lose(&w, UINT16_MAX, UINT16_MAX);
    assert_true(rte_mempool_in_use_count(w.pool) <= pool_in_use + 2);
    end();
}

static void test_a_flood_of_noise_leaves_nothing_behind(void **state)
{
    (void)state;
    struct random r = random_seeded(11, 0);
    start();
    for (int i = 0; i < 20000; i++) {
        uint8_t noise[512];
        uint32_t len = random_below(&r, sizeof noise);
        for (uint32_t k = 0; k < sizeof noise; k++)
            noise[k] = (uint8_t)random_u64(&r);
        inject(packet(noise, len, len));
    }
    assert_int_equal(dropped(), 20000);
    assert_int_equal(rte_mempool_in_use_count(w.pool), pool_in_use);
    end();
}

/* A decoder that is handed an exactly sized buffer stays inside of it: a sanitizer watches. */
static void test_the_decoder_reads_no_byte_beyond_its_length(void **state)
{
    (void)state;
    const struct frame_self me = {0x55504f4e, 3, 1};
    struct frame f = {.kind = FRAME_KIND_WINDOW,
                      .cluster = me.cluster,
                      .incarnation = 1,
                      .to = 1,
                      .bytes = FRAME_BYTES};
    for (uint32_t len = 0; len <= FRAME_BYTES; len++) {
        uint8_t whole[FRAME_BYTES], *exact = malloc(len > 0 ? len : 1);
        struct frame got;
        frame_encode(whole, &f);
        memcpy(exact, whole, len);
        int said = frame_decode(exact, len, len, &me, &got);
        assert_int_equal(said, len < FRAME_BYTES ? (int)COUNT_drop_short : -1);
        free(exact);
    }
}

static void test_what_is_encoded_is_decoded(void **state)
{
    (void)state;
    const struct frame_self me = {77, 9, 5};
    struct random r = random_seeded(3, 0);
    for (int i = 0; i < 1000; i++) {
        struct frame f = {.seq = random_u64(&r),
                          .ack = random_u64(&r),
                          .sack = random_u64(&r),
                          .credit = (uint32_t)random_u64(&r),
                          .cluster = 77,
                          .incarnation = (uint32_t)random_u64(&r) | 1,
                          .to_incarn = (uint32_t)random_u64(&r),
                          .bytes = 400,
                          .records = (uint16_t)(1 + random_below(&r, 9)),
                          .from = (uint16_t)random_below(&r, 5),
                          .to = 5,
                          .kind = (uint8_t)(1 + random_below(&r, 2))};
        uint8_t wire[FRAME_BYTES], again[FRAME_BYTES];
        struct frame got;
        frame_encode(wire, &f);
        assert_int_equal(frame_decode(wire, sizeof wire, 400, &me, &got), -1);
        frame_encode(again, &got);
        assert_memory_equal(wire, again, sizeof wire);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncated_at_every_byte),
        cmocka_unit_test(test_all_zeros_of_every_length),
        cmocka_unit_test(test_each_lie_of_the_header_has_its_reason),
        cmocka_unit_test(test_another_life_is_a_lie_where_nobody_recovers),
        cmocka_unit_test(test_sequence_numbers_beyond_the_window),
        cmocka_unit_test(test_frames_of_an_earlier_incarnation),
        cmocka_unit_test(test_records_that_lie),
        cmocka_unit_test(test_what_stands_before_a_record_that_lies_is_delivered),
        cmocka_unit_test(test_a_record_for_nobody),
        cmocka_unit_test(test_a_frame_longer_than_it_says_is_padded),
        cmocka_unit_test(test_split_anywhere_but_between_records),
        cmocka_unit_test(test_a_flood_of_duplicates_is_delivered_once),
        cmocka_unit_test(test_a_flood_of_noise_leaves_nothing_behind),
        cmocka_unit_test(test_the_decoder_reads_no_byte_beyond_its_length),
        cmocka_unit_test(test_what_is_encoded_is_decoded),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
