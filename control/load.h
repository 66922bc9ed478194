/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The load: the application on top of a stack under measurement. It issues operations (messages
 * to send or broadcast, values to propose) at their intended times, takes what is delivered or
 * decided, measures the latency from the intended time, checks each operation by itself, and posts
 * the rest to the board.
 *
 * An operation carries its number, its source, its run, its intended time and a tag over these, and
 * is filled with a seeded pattern: who receives it can tell that somebody issued it without
 * remembering what was issued. The sum of the tags is the digest that processes are compared by.
 */
#ifndef UPON_LOAD_H
#define UPON_LOAD_H

#include "board.h"
#include "protocols/co.h"

struct op_wire {
    uint8_t intended_ns[8]; /* environment's time of the source */
    uint8_t number[8];      /* of the source's operations from 0; the instance, in consensus */
    uint8_t source[2];      /* rank */
    uint8_t bytes[2];       /* of the operation, this header included */
    uint8_t run[4];         /* over these logs, from 0: its number is never used again */
    uint8_t tag[8];         /* XXH3 of the fields above, seeded by the job */
};
static_assert(sizeof(struct op_wire) == 32, "the layout is the protocol");

#define OP_BYTES_MIN ((uint32_t)sizeof(struct op_wire))

/* Numbers, of one source, that may be delivered ahead of one that is missing. */
#define LOAD_WINDOW_OPS 65536

/* How long a source may catch up, after the end, with what was intended before it. */
#define LOAD_GRACE_NS 250000000

/* Who gets what a source issues. */
enum load_shape {
    LOAD_TO_NEXT,  /* a link: the next process */
    LOAD_TO_ALL,   /* a broadcast */
    LOAD_ONE_VALUE /* consensus: one of the proposals for an instance */
};

/* What is judged, by the code that modules.def gives it; NULL: the abstraction does not promise. */
struct load_properties {
    const char *complete; /* what was issued is delivered, or decided, wherever it should be */
    const char *own;      /* by its source */
    const char *creation;
    const char *duplication;
    const char *order;
    const char *agreement;
};

/* What all correct processes owe of a source that crashed; of decisions, whoever proposed. */
enum load_owed {
    LOAD_OWED_NOTHING,
    LOAD_OWED_OF_CORRECT, /* what a correct process delivered or decided */
    LOAD_OWED_OF_ANY      /* what any process did, one that crashed included */
};

/* What is on stable storage. */
enum load_logged {
    LOAD_UNLOGGED,
    LOAD_LOG_DELIVERS, /* what was delivered; what its source had not finished is lost with it */
    LOAD_LOG_STORES,   /* what was requested, too; or it is requested again (consensus) */
};

/* How an abstraction is loaded. */
struct load_top {
    uint8_t abstraction;
    uint8_t shape;    /* enum load_shape */
    uint16_t request; /* enum ev_type */
    bool lossy;       /* may lose, and deliver again */
    const char *verb; /* of an operation, in reports: "sent", "broadcast", "proposed" */
    struct load_properties property;
    uint8_t logged;   /* enum load_logged */
    uint16_t release; /* enum ev_type: a log-delivery is over */
    uint8_t owed;     /* enum load_owed */
};

/* NULL: nothing can be requested of that abstraction. */
const struct load_top *load_top(enum abstraction a);

enum load_arrival { LOAD_CONSTANT, LOAD_POISSON };

/* A bug to plant into what the last process takes, to see that the verdict finds it. */
enum load_plant {
    LOAD_PLANT_NONE,
    LOAD_PLANT_ALTER,   /* one value is not what was issued, and looks it */
    LOAD_PLANT_REPLACE, /* one value is another that looks like an issued one */
    LOAD_PLANT_REPEAT,  /* one is delivered twice */
    LOAD_PLANT_LOSE,    /* one is not delivered */
    LOAD_PLANTS
};

#define LOAD_PLANT_OP 100 /* the operation that it befalls */

struct load_conf {
    const struct load_top *top;
    struct board *board;
    uint64_t seed;
    uint64_t sources; /* bitmap of the ranks that issue */
    uint32_t size;    /* of an operation, bytes */
    bool closed;
    uint32_t window;    /* closed: operations outstanding */
    double interval_ns; /* open: mean, between two of one source */
    uint64_t start_ns;  /* the first one is not intended before */
    enum load_arrival arrival;
    enum load_plant plant;
};

extern const struct co_class load_class;

/* Between co_wire() and the first breath: what this load shall do. */
void load_attach(struct stack *st, const struct load_conf *conf);

/*
 * stack_recover() for a stack with this load on top: reads the log back and, in another life, goes
 * on behind what the log holds. After load_attach(). 0, or −errno with a sentence in `why`.
 */
int load_recover(struct stack *st, char *why, size_t why_size);

/*
 * Finds operations in the records of a log, whoever wrote them: the tag and the key of the one that
 * stands at the end of a record, as in the ledger of the board; 0: none does. NULL: no memory; free() it.
 */
struct load_reader;
struct load_reader *load_reader_open(const struct load_conf *conf, uint16_t n);
uint64_t load_reader_tag(const struct load_reader *r, const void *data, uint32_t len,
                         uint64_t *key);

/*
 * Whether what this process did in earlier lives can be told after a recovery; if not, why. It asks
 * the board: the process may have lived in an OS process that is gone.
 */
bool load_can_recover(const struct stack *st, const struct load_conf *conf, char *why,
                      size_t why_size);

/* After the last breath: complete the row with what was intended and never sent. Nothing, for a load
 * that was not attached. */
void load_detach(struct stack *st);

#endif
