/* SPDX-License-Identifier: BSD-3-Clause */
#include "epoch_cases.h"

static void finish_disk(uint16_t p)
{
    while (w.disk[p]->writes > 0)
        disk_sim_finish(w.disk[p], 0, DISK_KEEPS, NULL, NULL);
}

/* The two others have stored the value, and q has heard that it is decided. */
static void test_LEP6_a_decision_is_told_when_the_own_disk_has_it(void **state)
{
    (void)state;
    for (uint16_t q = 0; q < 3; q++) {
        start_with(&of_lep, 3);
        w.disks_held = true;
        propose(0, 0);
        world_run(&w, 1 * MS);
        finish_disk((uint16_t)((q + 1) % 3));
        finish_disk((uint16_t)((q + 2) % 3));
        world_run(&w, 1 * MS);
        for (uint16_t p = 0; p < 3; p++)
            assert_int_equal(decided(p, 0), p != q);
        finish_disk(q);
        world_run(&w, 1 * MS);
        assert_true(decided(q, 0));
        world_end(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE("LEP1_LEP2_LEP4_in_the_first_and_in_a_later_epoch",
             case_in_the_first_and_in_a_later_epoch, &of_lep),
        cmocka_unit_test(test_LEP6_a_decision_is_told_when_the_own_disk_has_it),
        CASE("LEP1_to_LEP4_over_every_cut_of_an_epoch_and_crashes", case_over_every_cut_of_an_epoch,
             &of_lep),
        CASE("LEP5_who_aborts_is_aborted", case_who_aborts_is_aborted, &of_lep),
    };
    harness_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
