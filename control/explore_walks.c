/* SPDX-License-Identifier: BSD-3-Clause */
/* Schedules at random in which no state is matched: each state on their way must have been seen. */
#include "explore_state.h"

#include <string.h>

#define STREAM_WALKS 0x77616c6bu /* of the seed, apart from those of the processes */

/* A level with nothing in it; its list keeps its memory. */
static void blank(struct level *l)
{
    struct act *act = l->act;
    uint32_t max = l->act_max;
    memset(l, 0, sizeof *l);
    l->act = act;
    l->act_max = max;
}

/* One of the choices of the last level; now and then a crash, or a crash within the step; a crash leaves
 * something on the disk, as a rule. */
static void walk_somewhere(struct explore *x, struct random *random, uint32_t useful)
{
    struct level *child = explore_child(x), *l = &x->level[x->depth - 1];
    bool crash = useful == 0 || random_below(random, 8) == 0;
    struct act a = l->act[random_below(random, crash ? l->acts : useful)];
    for (;;) {
        explore_apply(x, &a, child);
        l->next = l->acts;
        explore_put_variants(x, l, &a);
        uint32_t variants = l->acts - l->next;
        bool another = random_below(random, 8) < (crashes(&a.c) ? 7 : 1);
        if (variants == 0 || !another || explore_violated(x))
            return;
        a = l->act[l->next + random_below(random, variants)];
        explore_go_to(x, l);
        child = explore_child(x);
    }
}

/* Where a walk stands is a state that the search has seen, too. */
static bool met(const struct explore *x, const struct level *l, uint64_t *states)
{
    struct seen *s = table_find(&x->table, explore_state_hash(x, l));
    *states += !s->met;
    s->met = s->hash != 0;
    return s->met;
}

/* From the start until nothing can be chosen. False: something on the way was unseen. */
static bool walk(struct explore *x, struct random *random, uint64_t *states)
{
    blank(explore_level(x, 0));
    explore_go_to(x, x->level);
    for (x->depth = 1;; x->depth++) {
        struct level *l = &x->level[x->depth - 1];
        bool starts = explore_put_start(x, l);
        if (explore_violated(x) || (!starts && !met(x, l, states)))
            return false;
        uint32_t useful = starts ? 1 : explore_put_all(x, l);
        if (l->acts == 0)
            return x->conf.safety_only || !explore_judge_end(x, l);
        walk_somewhere(x, random, useful);
    }
}

void explore_walks(struct explore *x)
{
    struct explore_result *r = x->r, aside = {0}; /* what a walk counts is not the search's */
    struct random random = random_seeded(x->conf.job.seed, STREAM_WALKS);
    x->r = &aside;
    for (uint32_t i = 0; i < x->conf.walks && !r->unseen; i++)
        r->unseen = !walk(x, &random, &r->met);
    x->r = r;
}
