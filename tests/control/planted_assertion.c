/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon` with an assertion in its protocols that fails: p1 may not live longer than a millisecond. Or,
 * where the environment says UPON_PLANTED=leak, with a packet that is never given back then. */
#include <assert.h>
#include <stdlib.h>

#include "protocols/co.h"

#define LIFE_NS 1000000

void __real_stack_check(const struct stack *st);
void __wrap_stack_check(const struct stack *st);

void __wrap_stack_check(const struct stack *st)
{
    static bool leaked;
    __real_stack_check(st);
    if (st->self != 1 || st->now < LIFE_NS)
        return;
    assert(getenv("UPON_PLANTED") != NULL);
    if (!leaked)
        leaked = rte_pktmbuf_alloc(st->env->pool) != NULL;
}
