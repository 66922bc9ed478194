/* SPDX-License-Identifier: BSD-3-Clause */
/* Named stacks, bottom first, and every module. `upon list` prints these tables. */
#include "broadcast/broadcast.h"
#include "co.h"
#include "links/links.h"

const struct co_class *const co_classes[] = {
    &pl_window_class,
    &beb_basic_class,
    NULL,
};

static const struct stack_def stack_pl = {
    .name = "pl",
    .summary = "perfect links by a sliding window",
    .top = "pl",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}}, {0}},
};

static const struct stack_def stack_beb = {
    .name = "beb",
    .summary = "best-effort broadcast",
    .top = "beb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {0}},
};

const struct stack_def *const stack_defs[] = {&stack_pl, &stack_beb, NULL};
