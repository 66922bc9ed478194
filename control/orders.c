/* SPDX-License-Identifier: BSD-3-Clause */
#include "orders.h"

#include <assert.h>
#include <errno.h>

static_assert((ORDERS_MAX & (ORDERS_MAX - 1)) == 0, "a slot is found by a mask");

/* ---- the control thread ------------------------------------------------------------------------ */

uint64_t order_post(struct orders *o, const struct order *order)
{
    uint64_t posted = atomic_load_explicit(&o->posted, memory_order_relaxed);
    if (posted - atomic_load_explicit(&o->answered, memory_order_acquire) >= ORDERS_MAX)
        return 0;
    o->slot[posted % ORDERS_MAX].order = *order;
    atomic_store_explicit(&o->posted, posted + 1, memory_order_release);
    return posted + 1;
}

bool order_acked(const struct orders *o, uint64_t number, struct order_answer *answer)
{
    uint64_t posted = atomic_load_explicit(&o->posted, memory_order_relaxed);
    assert(number > 0 && number <= posted);
    if (atomic_load_explicit(&o->answered, memory_order_acquire) < number)
        return false;
    if (answer == NULL)
        return true;
    if (posted - number >= ORDERS_MAX) /* its slot is another's */
        *answer = (struct order_answer){.result = -ESTALE, .why = "the answer was not kept"};
    else
        *answer = o->slot[(number - 1) % ORDERS_MAX].answer;
    return true;
}

/* ---- the process's thread ---------------------------------------------------------------------- */

const struct order *order_next(const struct orders *o)
{
    uint64_t answered = atomic_load_explicit(&o->answered, memory_order_relaxed);
    if (atomic_load_explicit(&o->posted, memory_order_acquire) == answered)
        return NULL;
    return &o->slot[answered % ORDERS_MAX].order;
}

void order_answer(struct orders *o, const struct order_answer *answer)
{
    uint64_t answered = atomic_load_explicit(&o->answered, memory_order_relaxed);
    assert(answered < atomic_load_explicit(&o->posted, memory_order_relaxed));
    o->slot[answered % ORDERS_MAX].answer = *answer;
    atomic_store_explicit(&o->answered, answered + 1, memory_order_release);
}

/* ---- names --------------------------------------------------------------------------------------- */

const char *order_name(enum order_kind kind)
{
    static const char *const names[ORDERS] =
        {[ORDER_NONE] = "none",   [ORDER_ARM] = "arm",         [ORDER_DISARM] = "disarm",
         [ORDER_CLEAR] = "clear", [ORDER_PAUSE] = "pause",     [ORDER_RESUME] = "resume",
         [ORDER_CRASH] = "crash", [ORDER_RECOVER] = "recover", [ORDER_SNAPSHOT] = "snapshot",
         [ORDER_TRACE] = "trace"};
    return (unsigned)kind < ORDERS ? names[kind] : "?";
}
