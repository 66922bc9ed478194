/* SPDX-License-Identifier: BSD-3-Clause */
/* Named stacks, bottom first, and every module. `upon list` prints these tables. */
#include "broadcast/broadcast.h"
#include "co.h"
#include "detectors/detectors.h"
#include "links/links.h"
#include "log/log.h"

const struct co_class *const co_classes[] = {
    &pl_window_class,
    &log_device_class,
    &p_exclude_on_timeout_class,
    &epfd_increasing_timeout_class,
    &omega_monarchical_class,
    &le_monarchical_class,
    &beb_basic_class,
    &rb_lazy_class,
    &rb_eager_class,
    &urb_all_ack_class,
    &urb_majority_ack_class,
    NULL,
};

static const struct stack_def stack_pl = {
    .name = "pl",
    .summary = "perfect links by a sliding window",
    .top = "pl",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}}, {0}},
};

static const struct stack_def stack_p = {
    .name = "P",
    .summary = "perfect failure detector by heartbeats, where delays are bounded",
    .top = "P",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {0}},
};

static const struct stack_def stack_le = {
    .name = "le",
    .summary = "leader election over P",
    .top = "le",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"le", &le_monarchical_class, {"P"}},
                                           {0}},
};

static const struct stack_def stack_epfd = {
    .name = "epfd",
    .summary = "eventually perfect failure detector by heartbeats",
    .top = "epfd",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"epfd", &epfd_increasing_timeout_class, {"pl"}},
                                           {0}},
};

static const struct stack_def stack_omega = {
    .name = "omega",
    .summary = "eventual leader detector over ◇P",
    .top = "omega",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"epfd", &epfd_increasing_timeout_class, {"pl"}},
                                           {"omega", &omega_monarchical_class, {"epfd"}},
                                           {0}},
};

static const struct stack_def stack_beb = {
    .name = "beb",
    .summary = "best-effort broadcast",
    .top = "beb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {0}},
};

static const struct stack_def stack_log = {
    .name = "log",
    .summary = "stable storage alone",
    .top = "log",
    .layers = (const struct stack_layer[]){{"log", &log_device_class, {NULL}}, {0}},
};

static const struct stack_def stack_rb_lazy = {
    .name = "rb_lazy",
    .summary = "reliable broadcast that relays when its origin crashes",
    .top = "rb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"rb", &rb_lazy_class, {"beb", "P"}},
                                           {0}},
};

static const struct stack_def stack_rb_eager = {
    .name = "rb_eager",
    .summary = "reliable broadcast that always relays",
    .top = "rb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"rb", &rb_eager_class, {"beb"}},
                                           {0}},
};

static const struct stack_def stack_urb_all_ack = {
    .name = "urb_all_ack",
    .summary = "uniform reliable broadcast, acknowledged by all who have not crashed",
    .top = "urb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"P", &p_exclude_on_timeout_class, {"pl"}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"urb", &urb_all_ack_class, {"beb", "P"}},
                                           {0}},
};

static const struct stack_def stack_urb = {
    .name = "urb",
    .summary = "uniform reliable broadcast, acknowledged by a majority",
    .top = "urb",
    .layers = (const struct stack_layer[]){{"pl", &pl_window_class, {NULL}},
                                           {"beb", &beb_basic_class, {"pl"}},
                                           {"urb", &urb_majority_ack_class, {"beb"}},
                                           {0}},
};

const struct stack_def *const stack_defs[] = {
    &stack_pl,      &stack_p,        &stack_le,          &stack_epfd, &stack_omega, &stack_beb,
    &stack_rb_lazy, &stack_rb_eager, &stack_urb_all_ack, &stack_urb,  &stack_log,   NULL,
};
