/* SPDX-License-Identifier: BSD-3-Clause */
#include "counters.h"

const struct counter_text counter_texts[COUNTERS] = {
#define COUNTER(id, text) {#id, text},
#include "counters.def"
#undef COUNTER
};
