/* SPDX-License-Identifier: BSD-3-Clause */
/* The counters of counters.def as an enumeration and their texts. */
#ifndef UPON_COUNTERS_H
#define UPON_COUNTERS_H

#include <stdint.h>

enum counter {
#define COUNTER(id, text) COUNT_##id,
#include "counters.def"
#undef COUNTER
    COUNTERS,
    COUNT_drop_first = COUNT_drop_not_ip,
};

struct counter_text {
    const char *id;
    const char *text;
};

extern const struct counter_text counter_texts[COUNTERS];

#endif
