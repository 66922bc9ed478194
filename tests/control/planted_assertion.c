/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon` with an assertion in its protocols that fails: p1 may not live longer than a millisecond. */
#include <assert.h>

#include "protocols/co.h"

#define LIFE_NS 1000000

void __real_stack_check(const struct stack *st);
void __wrap_stack_check(const struct stack *st);

void __wrap_stack_check(const struct stack *st)
{
    __real_stack_check(st);
    assert(st->self != 1 || st->now < LIFE_NS);
}
