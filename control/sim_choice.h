/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Choices: everything that can happen in a simulated world, one value each. A schedule is a list of
 * them; a line of a scenario is one in words.
 */
#ifndef UPON_SIM_CHOICE_H
#define UPON_SIM_CHOICE_H

#include "dataplane/env_sim.h"
#include "sim_stack.h"

enum choice_kind {
    CHOICE_NONE,
    CHOICE_STEP,       /* Exec(p): one breath of p */
    CHOICE_DELIVER,    /* Del: frame p→q #k into q's InBuf, and q steps */
    CHOICE_ARRIVE,     /* Del: frame p→q #k into q's InBuf, which waits for its step */
    CHOICE_DUPLICATE,  /* a copy of p→q #k arrives and q steps; the frame stays in flight */
    CHOICE_DROP,       /* frame p→q #k is lost */
    CHOICE_CORRUPT,    /* frame p→q #k arrives with bit a flipped */
    CHOICE_TIMER,      /* p's clock moves to its earliest timer, and p steps */
    CHOICE_ADVANCE,    /* the common clock moves by a ns */
    CHOICE_REQUEST,    /* p's application requests value a (destination q, instance b); p steps */
    CHOICE_CRASH,      /* p crashes, before its next step */
    CHOICE_CRASH_AT,   /* p steps and crashes at event k of that step, sending nothing */
    CHOICE_CRASH_SENT, /* p steps and crashes when k of its frames have left */
    CHOICE_RECOVER,    /* p starts again under the next incarnation, its state lost */
    CHOICE_PAUSE,      /* p takes no steps until … */
    CHOICE_RESUME,
    CHOICE_LIE,    /* p's detector says: q crashed (P), is suspected (◇P), is the leader (Ω) */
    CHOICE_ARM,    /* fault rule k of the job holds … */
    CHOICE_DISARM, /* … no more */
    CHOICE_HEAL,   /* all rules are disarmed, all processes resumed */
    CHOICES
};

struct choice {
    uint8_t kind;
    uint16_t p;
    uint16_t q;
    uint32_t k;
    uint64_t a;
    uint64_t b;
    uint32_t hint; /* where frame k was found in the flight; any value is right */
};

extern const char *const choice_names[CHOICES]; /* the first word of its line in a script */

/* Write a choice as a line of a script, without the newline. Returns the length. */
int choice_text(const struct choice *c, const struct sim_app *app, char *text, size_t size);

/* The choice that delivers (or drops …) the frame at index `i` of the flight. */
static inline struct choice choice_frame(enum choice_kind kind, const struct sim *s, uint32_t i)
{
    const struct sim_frame *f = &s->flight[i];
    return (
        struct choice){.kind = (uint8_t)kind, .p = f->from, .q = f->to, .k = f->ordinal, .hint = i};
}

#endif
