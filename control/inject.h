/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The script of a live run, carried out: at each step's time the control thread posts orders to the
 * processes that it befalls, and writes what became of them to the run's events. It never waits: who
 * sleeps asks when to wake it next.
 */
#ifndef UPON_INJECT_H
#define UPON_INJECT_H

#include "board.h"
#include "events.h"

#define INJECT_PATIENCE_NS 2000000000ull /* for a process to answer */
#define INJECT_LOOK_NS     1000000       /* between two looks for answers */
#define INJECT_WAITS_MAX   1024

/* An order that is not answered yet. */
struct inject_wait {
    uint64_t number;
    uint64_t asked_ns;
    uint16_t process;
    struct event event;
};

struct inject {
    const struct faults *faults;
    struct board *board;
    struct events *events;
    uint64_t start_ns; /* of the load */
    uint32_t next;     /* step */
    bool healed;
    uint32_t id[FAULTS_MAX]; /* of each line that has begun */
    uint32_t waits;
    struct inject_wait wait[INJECT_WAITS_MAX];
    struct fault_line heal[2]; /* what the end of the load does */
    struct fault_line fallen;  /* a process whose disk failed */
};

void inject_open(struct inject *i, const struct faults *faults, struct board *board,
                 struct events *events, uint64_t start_ns);

/* Do what is due, look for answers. Returns when to be called again; UINT64_MAX: need not be. */
uint64_t inject_poll(struct inject *i, uint64_t now_ns);

/* The load has ended: rules and pauses end with it, and no step of the script follows: what has not
 * been asked by then is an event that says so. */
void inject_heal(struct inject *i, uint64_t now_ns);

/* Who has something to do for a line: of a rule, who sends what it can befall, or writes to the
 * disk. What is asked of them when it begins, or ends. */
uint64_t inject_whom(const struct fault_line *l, const struct board *b);
struct order inject_order(const struct fault_line *l, bool ends);

/* "p1, p2": who has crashed, as told; "" if nobody. Returns `text`. */
const char *inject_crashed_text(const struct board *b, char *text, size_t size);

#endif
