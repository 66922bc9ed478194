/* SPDX-License-Identifier: BSD-3-Clause */
/* Rows by key: each key has one, whatever keys ask for the same slot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "protocols/checks/check_table.h"

struct row {
    uint64_t value;
};

/* `n` keys are given rows, found again, and forgotten by a reset; twice. */
static void rows_of(uint64_t (*key)(uint64_t i), uint64_t n)
{
    struct check_table t;
    check_table_init(&t, sizeof(struct row));
    for (int round = 0; round < 2; round++) {
        for (uint64_t i = 0; i < n; i++) {
            struct row *r = check_table_get(&t, key(i));
            assert_int_equal(r->value, 0); /* zeroed, and nobody else's */
            r->value = i + 1;
            assert_null(check_table_find(&t, key(i + n)));
        }
        assert_int_equal(t.rows, n);
        for (uint64_t i = 0; i < n; i++) {
            struct row *r = check_table_find(&t, key(i));
            assert_non_null(r);
            assert_int_equal(r->value, i + 1);
            assert_ptr_equal(check_table_get(&t, key(i)), r);
        }
        assert_int_equal(t.rows, n);
        check_table_reset(&t);
    }
    check_table_fini(&t);
}

static uint64_t any(uint64_t i)
{
    return check_key(i, 7);
}

/* All ask for the same place of the same block: the others of that place are not enough. */
static uint64_t of_one_slot(uint64_t i)
{
    return i << 32 | 5;
}

static uint64_t of_groups(uint64_t i)
{
    uint64_t message = i / 1000, who = i % 1000;
    return check_group_key(check_key(message, who / CHECK_BLOCK_SLOTS), (uint32_t)who);
}

static void test_each_key_has_its_row(void **state)
{
    (void)state;
    rows_of(any, 5000);
}

static void test_keys_that_ask_for_one_slot_have_theirs(void **state)
{
    (void)state;
    rows_of(of_one_slot, 600);
}

static void test_keys_of_a_group_have_theirs(void **state)
{
    (void)state;
    rows_of(of_groups, 20000);
}

/* What makes a thousand neighbours cheap: sixteen of them lie in one block of slots. */
static void test_neighbours_of_a_group_share_a_block(void **state)
{
    (void)state;
    for (uint64_t message = 0; message < 100; message++) {
        uint64_t key = check_key(message, 0), seen = 0;
        for (uint32_t who = 0; who < CHECK_BLOCK_SLOTS; who++) {
            uint64_t k = check_group_key(key, who);
            assert_int_equal(k / CHECK_BLOCK_SLOTS, key / CHECK_BLOCK_SLOTS);
            seen |= 1ull << k % CHECK_BLOCK_SLOTS;
        }
        assert_int_equal(seen, (1ull << CHECK_BLOCK_SLOTS) - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_has_its_row),
        cmocka_unit_test(test_keys_that_ask_for_one_slot_have_theirs),
        cmocka_unit_test(test_keys_of_a_group_have_theirs),
        cmocka_unit_test(test_neighbours_of_a_group_share_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
