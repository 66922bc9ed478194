/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault engine: rules that say what happens to a frame on its way, and to whom. It sits at the
 * environment's edge, in simulations and in live runs alike. Pure: what it decides about a frame is
 * a function of the seed, the armed rules, the frame's edge and its number there, so that a schedule
 * with a part left out draws the same faults for what remains. Integers only: the same in every
 * build.
 *
 * With no rule armed it costs the caller one predictable branch: `if (engine->armed != 0)`.
 */
#ifndef UPON_FAULT_H
#define UPON_FAULT_H

#include "limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_RULES_MAX 16
#define FAULT_ANY       UINT16_MAX
#define FAULT_PPM       1000000u
#define FAULT_SET_PROCS 64 /* a set names processes below; all from there on stand outside of it */

enum fault_kind {
    FAULT_NONE,
    FAULT_LOSS,         /* frames from → to are lost with probability ppm */
    FAULT_DUPLICATE,    /* … arrive twice */
    FAULT_CORRUPT,      /* … arrive with a bit flipped */
    FAULT_REORDER,      /* … are held back by the delay law, others overtake them */
    FAULT_DELAY,        /* every frame from → to takes this long */
    FAULT_PARTITION,    /* no frame crosses between the sides */
    FAULT_ONEWAY,       /* no frame goes from the set `side` to the others */
    FAULT_SEND_OMIT,    /* `from` omits to send, with probability ppm */
    FAULT_RECEIVE_OMIT, /* `to` omits to receive */
    FAULT_RATE,         /* frames of an edge beyond a token bucket are lost */
    FAULT_DISK_SLOW,    /* what `from` writes to its disk takes longer, by the delay law */
    FAULT_DISK_FAIL,    /* a write of `from` fails, with probability ppm */
    FAULT_KINDS
};

enum fault_law {
    LAW_CONSTANT,    /* a */
    LAW_UNIFORM,     /* a … b */
    LAW_EXPONENTIAL, /* mean a, at most b if b > 0 */
    LAW_PARETO,      /* at least a, tail exponent 1.5, at most b if b > 0 */
    LAWS
};

/* Which records of a frame a rule befalls. */
enum fault_class {
    FAULT_ALL,       /* the frame as a whole */
    FAULT_HEARTBEATS /* those of detectors alone, where they arrive; the rest is delivered */
};

struct fault_rule {
    uint8_t kind; /* enum fault_kind */
    uint8_t law;  /* enum fault_law, of a delay */
    uint16_t from;
    uint16_t to;
    uint8_t befalls; /* enum fault_class */
    bool both;       /* the edge to → from as well */
    uint32_t ppm;
    uint32_t per_s; /* RATE: tokens per second, for each edge … */
    uint32_t burst; /* … and the most that wait in the bucket */
    uint64_t a_ns;
    uint64_t b_ns;
    uint64_t since_ns; /* it holds in [since, until); 0, 0: while it is armed */
    uint64_t until_ns;
    uint64_t side;  /* PARTITION, ONEWAY: bit p: on which side p is */
    uint64_t other; /* who was named on the other side; 0: nobody, all others are there */
    bool off;       /* not armed when the run begins: a choice arms it */
};

/* What happens to one frame. */
struct fault_fate {
    uint64_t delay_ns; /* 0: no rule says so */
    uint32_t corrupt;  /* 1 + the bit to flip; 0: none */
    uint32_t limited;  /* bit i: rule i says that it needs a token */
    uint8_t copies;    /* additional ones */
    bool lost;
};

/* How long the detectors' records of one frame are held back. */
struct fault_heartbeat_fate {
    bool held;
    uint64_t delay_ns; /* 0: until the rule ends: then, or when it is armed no more */
    uint64_t until_ns; /* the end of its window; UINT64_MAX: it has none */
};

/* What a write to a disk comes to. */
struct fault_disk_fate {
    uint64_t delay_ns;
    bool fails;
};

struct fault_engine {
    uint32_t armed; /* bit i: rule i holds */
    uint16_t rules;
    uint64_t seed;
    struct fault_rule rule[FAULT_RULES_MAX];
};

void fault_init(struct fault_engine *e, uint64_t seed, const struct fault_rule *rule,
                uint16_t rules);

static inline void fault_arm(struct fault_engine *e, uint32_t rule, bool on)
{
    e->armed = on ? e->armed | 1u << rule : e->armed & ~(1u << rule);
}

/* The fate of the ordinal-th frame from → to, sent at `now_ns`. */
struct fault_fate fault_frame(const struct fault_engine *e, uint16_t from, uint16_t to,
                              uint64_t ordinal, uint64_t now_ns);

/*
 * The fate of the detectors' records in the ordinal-th frame from → to that arrives. Links are
 * perfect, so a heartbeat that is "lost" comes late instead, when the rule has ended: a detector
 * that asks once and waits for the answer would otherwise never hear of its peer again.
 */
struct fault_heartbeat_fate fault_heartbeats(const struct fault_engine *e, uint16_t from,
                                             uint16_t to, uint64_t ordinal, uint64_t now_ns);

/*
 * Take a token of a RATE rule for one edge. The bucket is the caller's, one word for each rule and
 * edge, 0 at the beginning: the time at which it is full again (virtual scheduling). It depends on
 * the frames before, unlike all other rules. False: there is none, the frame is lost.
 */
bool fault_token(const struct fault_rule *rule, uint64_t *full_ns, uint64_t now_ns);

/* The armed rules that can befall a frame from → to as a whole: bit i for rule i. */
uint32_t fault_touching(const struct fault_engine *e, uint16_t from, uint16_t to);

/* Whether rule i is about disks. */
bool fault_of_disk(const struct fault_rule *rule);

/* Set in the ordinal of what a process waits for: a super block, or the flush of a new life. */
#define FAULT_DISK_WAITED (1ull << 63)

/* What comes of the ordinal-th write of process p to its disk. */
struct fault_disk_fate fault_disk(const struct fault_engine *e, uint16_t p, uint64_t ordinal,
                                  uint64_t now_ns);

/* Whether the rule fits n processes. 0, or −EINVAL with one sentence. */
int fault_check(const struct fault_rule *rule, uint16_t n, char *why, size_t size);

/* A draw of a delay law from 64 random bits. */
uint64_t fault_delay(enum fault_law law, uint64_t a_ns, uint64_t b_ns, uint64_t bits);

/*
 * Read one rule: KIND [PROBABILITY] [LAW TIME [TIME]] [EDGE | SIDES] [class=CLASS] [@SINCE..UNTIL],
 * as in
 *   loss 10% 0->1            duplicate p=0.05        corrupt 1% *->2
 *   delay exponential 1ms    delay uniform 10us 2ms  reorder 5% pareto 1ms 50ms
 *   partition 0,1 | 2        oneway 0,1 > 2          isolate 2 @10ms..50ms
 *   send-omit 20% 1          receive-omit 20% 1      loss 10% 0-2: both directions
 *   rate 10k/s burst=32 0->1 delay 50ms class=heartbeat 0-1
 *   disk-slow exponential 5ms 1                      disk-fail p=0.001 1
 * Who is not named in a partition stands on its right side; none beyond p63 can be. A law takes the
 * times that enum fault_law says, no more. 0, or −EINVAL with one sentence that names the word.
 */
int fault_parse(const char *text, struct fault_rule *rule, char *why, size_t size);

/* Write a rule so that fault_parse() reads it. Returns the length. */
int fault_text(const struct fault_rule *rule, char *text, size_t size);

/* Write a time so that fault_parse_time() reads it. Returns the length. */
int fault_time_text(uint64_t ns, char *text, size_t size);

/* Read a time with its unit (ns, us, ms, s), as 5ms or 2.5s. False: it is none. */
bool fault_parse_time(const char *text, uint64_t *ns);

#endif
