/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The laboratory's program: a stack of its own, given to the simulator.
 *
 *   alternating-bit FILE.scn    obey a scenario (control/script.h) and print its transcript
 *   alternating-bit lossy       2,000 random schedules that lose and repeat, but keep the order
 *   alternating-bit reorder     the same, and frames overtake each other: until a property breaks
 *
 * Exit status: 0 as promised, 1 a property was violated, 2 it could not run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alternating_bit.h"
#include "control/replay.h"
#include "control/script.h"
#include "dataplane/eal.h"
#include "protocols/links/links.h"

#define SCHEDULES 2000

static const struct stack_def stack = {
    .name = "alternating_bit",
    .top = "fpl",
    .layers = (const struct stack_layer[]){{"fll", &fll_device_class, {NULL}},
                                           {"fpl", &fpl_alternating_bit_class, {"fll"}},
                                           {0}},
};

static const struct sim_job job = {.def = &stack, .n = 2, .ops = 4, .delay_ns = 20000};

static int obey(struct sim_world *w, const char *path)
{
    static char text[1 << 16];
    static struct explain x;
    struct script sc = {.w = w, .job = job, .named = true, .echo = stdout, .name = path};
    sc.job.ops = 0; /* the scenario's requests are all there are */
    char why[512];
    uint16_t layer;
    FILE *f = fopen(path, "r");
    if (f == NULL || fread(text, 1, sizeof text - 1, f) == 0) {
        fprintf(stderr, "alternating-bit: %s cannot be read\n", path);
        return 2;
    }
    fclose(f);
    explain_attach(&x, w, stdout);
    x.transcript = true;
    x.shown = &sc.shown;
    int err = script_text(&sc, text, why, sizeof why);
    explain_detach(&x);
    if (err != 0) {
        fprintf(stderr, "alternating-bit: %s\n", why);
        return 2;
    }
    const struct check_result *r = sim_world_violation(w, &layer);
    if (r == NULL)
        printf("no property is violated%s\n", sc.fair ? "" : "; liveness is open");
    else
        printf("%s is violated: %s\n", r->code, r->witness);
    return r != NULL;
}

/* The oldest frame of an edge that has one; `any`: whichever. */
static uint32_t frame(const struct sim *s, struct random *r, bool any)
{
    uint32_t k = random_below(r, s->flights);
    for (uint32_t i = 0; i < k && !any; i++)
        if (s->flight[i].from == s->flight[k].from)
            k = i;
    return k;
}

/* One choice of the adversary: a request, an alarm, or the fate of a frame. */
static void choose(struct sim_world *w, struct random *r, bool reorder)
{
    struct choice c = {.kind = CHOICE_TIMER, .p = (uint16_t)random_below(r, 2)};
    uint32_t die = random_below(r, 100);
    if (die < 10) {
        if (sim_world_request(w, c.p, &c) && (c.q = 1 - c.p, true))
            sim_world_apply(w, &c);
    } else if (die < 30 || w->sim.flights == 0) {
        sim_world_apply(w, &c);
    } else {
        c = choice_frame(die < 45   ? CHOICE_DROP
                         : die < 55 ? CHOICE_DUPLICATE
                                    : CHOICE_DELIVER,
                         &w->sim, frame(&w->sim, r, reorder));
        sim_world_apply(w, &c);
    }
}

static int search(struct sim_world *w, bool reorder)
{
    static struct explain x;
    struct mix mix = mix_default(STRATEGY_RANDOM, &stack, 2);
    char why[256];
    uint16_t layer;
    for (uint64_t seed = 1; seed <= SCHEDULES; seed++) {
        struct random r = random_seeded(seed, 0);
        if (sim_world_start(w, &job, why, sizeof why) != 0) {
            fprintf(stderr, "alternating-bit: %s\n", why);
            return 2;
        }
        explain_attach(&x, w, NULL);
        for (int i = 0; i < 60 && sim_world_violation(w, &layer) == NULL; i++)
            choose(w, &r, reorder);
        if (sim_world_violation(w, &layer) == NULL)
            sim_world_end(w, adversary_settle(w, &mix));
        explain_detach(&x);
        const struct check_result *v = sim_world_violation(w, &layer);
        if (v == NULL)
            continue;
        explain_print(&x, stdout);
        printf("seed %" PRIu64 ": %s is violated: %s\n", seed, v->code, v->witness);
        return 1;
    }
    printf("%d schedules, no property is violated\n", SCHEDULES);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "alternating-bit FILE.scn | lossy | reorder\n");
        return 2;
    }
    struct rte_mempool *pool = NULL;
    if (eal_start_light(32) == 0)
        pool = eal_pool("lab", 2047, 0, 1024);
    struct sim_world *w = pool != NULL ? sim_world_new(pool) : NULL;
    if (w == NULL) {
        fprintf(stderr, "alternating-bit: no memory for packets\n");
        return 2;
    }
    bool reorder = strcmp(argv[1], "reorder") == 0;
    int status = reorder || strcmp(argv[1], "lossy") == 0 ? search(w, reorder) : obey(w, argv[1]);
    sim_world_free(w);
    return status;
}
