/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Choices: everything that can happen in a simulated world, one value each. A schedule is a list of
 * them; a line of a scenario is one in words.
 */
#ifndef UPON_SIM_CHOICE_H
#define UPON_SIM_CHOICE_H

#include "dataplane/disk_sim.h"
#include "dataplane/env_sim.h"
#include "sim_stack.h"

enum choice_kind {
    CHOICE_NONE,
    CHOICE_STEP,        /* Exec(p): one breath of p */
    CHOICE_DELIVER,     /* Del: frame p→q #k into q's InBuf, and q steps */
    CHOICE_ARRIVE,      /* Del: frame p→q #k into q's InBuf, which waits for its step */
    CHOICE_DUPLICATE,   /* a copy of p→q #k arrives and q steps, unless b = WAITS; the frame stays
                          in flight */
    CHOICE_DROP,        /* frame p→q #k is lost */
    CHOICE_CORRUPT,     /* frame p→q #k arrives with bit a flipped */
    CHOICE_TIMER,       /* p's clock moves to its earliest timer, and p steps, unless b = WAITS */
    CHOICE_ADVANCE,     /* the common clock moves by a ns */
    CHOICE_REQUEST,     /* p's application requests value a (destination q, instance b); p steps */
    CHOICE_CRASH,       /* p crashes, before its next step */
    CHOICE_CRASH_AT,    /* p steps and crashes at event k of that step, sending nothing */
    CHOICE_CRASH_SENT,  /* p steps and crashes when k of its frames have left */
    CHOICE_CRASH_SUPER, /* p crashes when it next writes its super block, k copies being written */
    CHOICE_LOSE_SUPER, /* when p next writes its super block, its disk loses copy 0 (k = 1), 1 (2) or
                          both (3), and says that it has them */
    CHOICE_RECOVER,    /* p starts again under the next incarnation, its volatile state lost; if
                          k > 0 it crashes at once, when k − 1 copies of the super block are there */
    CHOICE_WRITTEN,    /* write #k of p's disk comes to its end, with fate b, and p steps */
    CHOICE_FLIP,       /* bit b of byte a of p's segment k (or copy of the super block) flips */
    CHOICE_PAUSE,      /* p takes no steps until … */
    CHOICE_RESUME,
    CHOICE_LIE, /* p's detector says: q crashed (P), is the leader (Ω); k = LIE_EPFD: ◇P suspects q,
                      or no more, if it did; p steps, unless b = WAITS */
    CHOICE_ARM,    /* fault rule k of the job holds … */
    CHOICE_DISARM, /* … no more */
    CHOICE_HEAL,   /* all rules are disarmed, all processes resumed */
    CHOICES
};

/*
 * What a crash leaves of the sectors that were on their way to a disk (a crash's a), or a failed
 * write of its own (a): any other number is a coin for each sector.
 */
enum { KEEPS_NOTHING, KEEPS_ALL, KEEPS_FIRST, KEEPS_LAST, KEEPS };

/* A number from KEEPS on: a coin for each sector, of that seed; from here on, a bit for each sector that
 * would change the medium, in order: of up to 32 every state there can be. */
#define KEEPS_CHOSEN (1ull << 32)

#define LIE_EPFD 1 /* a lie's k */

#define WRITTEN_WAITS 256u /* added to the fate: p does not step */
#define WAITS         1u   /* a timer's, lie's or duplicate's b: nobody steps */

extern const char *const fate_names[DISK_FATES]; /* of a write */
extern const char *const keeps_names[KEEPS];

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

/* The same without the step that it has its process take; kind NONE: it is that step alone. False:
 * there is no step in it. */
bool choice_without_step(struct choice *c);

/* The choice that delivers (or drops …) the frame at index `i` of the flight. */
static inline struct choice choice_frame(enum choice_kind kind, const struct sim *s, uint32_t i)
{
    const struct sim_frame *f = &s->flight[i];
    return (
        struct choice){.kind = (uint8_t)kind, .p = f->from, .q = f->to, .k = f->ordinal, .hint = i};
}

#endif
