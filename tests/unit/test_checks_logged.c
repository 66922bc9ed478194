/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Checkers of the fail-recovery model: for each property a short execution that violates it and the
 * nearest that does not.
 */
#include "checks_cases.h"

#define STORE(p, i, m)                                             \
    {                                                              \
        REQUEST, p, EV_LOG_STORE, 0, i, SCENARIO_PORT, m, 0, false \
    }
#define STORE_WITH(p, i, m)                                       \
    {                                                             \
        REQUEST, p, EV_LOG_STORE, 0, i, SCENARIO_PORT, m, 0, true \
    }
#define STORED(p, i)                                          \
    {                                                         \
        INDICATION, p, EV_LOG_STORED, 0, i, 0, NULL, 0, false \
    }
#define FOUND(p, i, m)                                    \
    {                                                     \
        INDICATION, p, EV_LOG_FOUND, 0, i, 0, m, 0, false \
    }
#define LIFE(p, k)                                               \
    {                                                            \
        INDICATION, p, EV_LOG_RECOVERED, 0, 0, k, NULL, 0, false \
    }
#define COMPACT(p)                                             \
    {                                                          \
        INDICATION, p, EV_LOG_COMPACT, 0, 0, 0, NULL, 0, false \
    }
/* ⟨…, Deliver | i, p, m⟩ at q */
#define TOLD(L, q, i, p, m)                                   \
    {                                                         \
        INDICATION, q, EV_##L##_DELIVER, p, i, 0, m, 0, false \
    }
#define FREED(L, p, a)                                        \
    {                                                         \
        REQUEST, p, EV_##L##_RELEASE, 0, 0, a, NULL, 0, false \
    }
#define NUMBERED(p, k, m)                                   \
    {                                                       \
        REQUEST, p, EV_SBEB_BROADCAST, 0, 0, k, m, 0, false \
    }
#define FORGOTTEN(p, q, k)                                  \
    {                                                       \
        REQUEST, p, EV_SBEB_FORGET, q, 0, k, NULL, 0, false \
    }
#define LEPOCH(p, ts, l)                                            \
    {                                                               \
        INDICATION, p, EV_LEC_START_EPOCH, l, 0, ts, NULL, 0, false \
    }
#define LEP_IN(p, ts, l)                                  \
    {                                                     \
        REQUEST, p, EV_LEP_INIT, l, 0, ts, NULL, 0, false \
    }
#define LEP_OUT(p)                                        \
    {                                                     \
        REQUEST, p, EV_LEP_ABORT, 0, 0, 0, NULL, 0, false \
    }
#define LEP_LEFT(p, ts)                                         \
    {                                                           \
        INDICATION, p, EV_LEP_ABORTED, 0, 0, ts, NULL, 0, false \
    }
/* Decisions before i are not needed. */
#define NEEDLESS(C, p, i)                                     \
    {                                                         \
        REQUEST, p, EV_##C##_RELEASE, 0, i, 0, NULL, 0, false \
    }
#define TAKEN(p, i)                                     \
    {                                                   \
        REQUEST, p, EV_HO_DONE, 0, i, 0, NULL, 0, false \
    }
#define CURSOR(p, i, eight)                                            \
    {                                                                  \
        REQUEST, p, EV_LOG_STORE, 0, i, SCENARIO_PORT, eight, 8, false \
    }

/* clang-format off */
static const struct scenario scenarios[] = {
    /* Stable storage. */
    {"LOG1: never stored", ABS_LOG, 2, false, "LOG1", {LIFE(0, 1), STORE(0, 1, "a")}},
    {"LOG1: of two records of one name one is stored", ABS_LOG, 1, false, "LOG1",
     {STORE(0, 1, "a"), STORE(0, 1, "b"), STORED(0, 1)}},
    {"LOG1: nothing is owed to who crashed before", ABS_LOG, 2, false, "",
     {STORE(0, 1, "a"), CRASHED(0), RECOVERED(0), LIFE(0, 2)}},
    {"LOG2: what was stored is not found", ABS_LOG, 1, false, "LOG2",
     {STORE(0, 1, "a"), STORE(0, 2, "b"), STORED(0, 1), STORED(0, 2), CRASHED(0), RECOVERED(0),
      FOUND(0, 1, "a"), LIFE(0, 2)}},
    {"LOG2: nothing at all is found", ABS_LOG, 1, false, "LOG2",
     {STORE(0, 1, "a"), STORED(0, 1), CRASHED(0), RECOVERED(0), LIFE(0, 2)}},
    {"LOG2: what was not stored need not be found", ABS_LOG, 1, false, "",
     {STORE(0, 1, "a"), STORE(0, 2, "b"), STORED(0, 1), CRASHED(0), RECOVERED(0),
      FOUND(0, 1, "a"), LIFE(0, 2)}},
    {"LOG2: what was not stored may be found, and then is stored", ABS_LOG, 1, false, "LOG2",
     {STORE(0, 1, "a"), CRASHED(0), RECOVERED(0), FOUND(0, 1, "a"), LIFE(0, 2), CRASHED(0),
      RECOVERED(0), LIFE(0, 3)}},
    {"LOG2: altered", ABS_LOG, 1, false, "LOG2",
     {STORE(0, 1, "a"), CRASHED(0), RECOVERED(0), FOUND(0, 1, "b"), LIFE(0, 2)}},
    {"LOG2: found by another process", ABS_LOG, 2, false, "LOG2",
     {STORE(0, 1, "a"), STORED(0, 1), CRASHED(1), RECOVERED(1), FOUND(1, 1, "a"), LIFE(1, 2)}},
    {"LOG2: what was not found comes back", ABS_LOG, 1, false, "LOG2",
     {STORE(0, 1, "a"), STORE(0, 2, "b"), STORED(0, 1), CRASHED(0), RECOVERED(0),
      FOUND(0, 1, "a"), LIFE(0, 2), CRASHED(0), RECOVERED(0), FOUND(0, 1, "a"),
      FOUND(0, 2, "b"), LIFE(0, 3)}},
    {"LOG2: what is older than a compaction may be gone", ABS_LOG, 1, false, "",
     {STORE(0, 1, "a"), STORED(0, 1), STORE(0, 2, "b"), STORED(0, 2), COMPACT(0),
      STORE_WITH(0, 2, "b"), STORED(0, 2), CRASHED(0), RECOVERED(0), FOUND(0, 2, "b"),
      LIFE(0, 2)}},
    {"LOG2: but not before all is stored again", ABS_LOG, 1, false, "LOG2",
     {STORE(0, 1, "a"), STORED(0, 1), STORE(0, 2, "b"), STORED(0, 2), COMPACT(0),
      STORE_WITH(0, 1, "c"), STORE_WITH(0, 2, "b"), CRASHED(0), RECOVERED(0), FOUND(0, 1, "c"),
      LIFE(0, 2)}},
    {"LOG2: equal records: the older one was found", ABS_LOG, 1, false, "",
     {STORE(0, 1, "a"), STORED(0, 1), COMPACT(0), STORE_WITH(0, 1, "a"), STORE_WITH(0, 2, "b"),
      CRASHED(0), RECOVERED(0), FOUND(0, 1, "a"), LIFE(0, 2)}},
    {"LOG2: a life that ends before it is told all tells nothing", ABS_LOG, 1, false, "",
     {STORE(0, 1, "a"), STORED(0, 1), CRASHED(0), RECOVERED(0), CRASHED(0), RECOVERED(0),
      FOUND(0, 1, "a"), LIFE(0, 2)}},
    {"LOG3: found in another order", ABS_LOG, 1, false, "LOG3",
     {STORE(0, 1, "a"), STORE(0, 2, "b"), STORED(0, 1), STORED(0, 2), CRASHED(0), RECOVERED(0),
      FOUND(0, 2, "b"), FOUND(0, 1, "a"), LIFE(0, 2)}},
    {"LOG3: found twice", ABS_LOG, 1, false, "LOG3",
     {STORE(0, 1, "a"), STORED(0, 1), CRASHED(0), RECOVERED(0), FOUND(0, 1, "a"),
      FOUND(0, 1, "a"), LIFE(0, 2)}},
    {"LOG3: one that was not stored is missing before one that was not", ABS_LOG, 1, false, "LOG3",
     {STORE(0, 1, "a"), STORE(0, 2, "b"), STORE(0, 3, "c"), CRASHED(0), RECOVERED(0),
      FOUND(0, 1, "a"), FOUND(0, 3, "c"), LIFE(0, 2)}},
    {"LOG3: stored twice, found twice", ABS_LOG, 1, false, "",
     {STORE(0, 1, "a"), STORE(0, 1, "a"), STORED(0, 1), STORED(0, 1), CRASHED(0), RECOVERED(0),
      FOUND(0, 1, "a"), FOUND(0, 1, "a"), LIFE(0, 2)}},
    {"LOG4: an incarnation is used again", ABS_LOG, 1, false, "LOG4",
     {LIFE(0, 1), CRASHED(0), RECOVERED(0), LIFE(0, 2), CRASHED(0), RECOVERED(0), LIFE(0, 2)}},
    {"LOG4: one life tells all its users, and processes count for themselves", ABS_LOG, 2, false,
     "", {LIFE(0, 1), LIFE(0, 1), LIFE(1, 1), CRASHED(0), RECOVERED(0), LIFE(0, 2)}},

    {"LOG5: answered twice", ABS_LOG, 1, false, "LOG5",
     {LIFE(0, 1), STORE(0, 1, "a"), STORED(0, 1), STORED(0, 1)}},
    {"LOG5: under another name", ABS_LOG, 1, false, "LOG1 LOG5",
     {LIFE(0, 1), STORE(0, 1, "a"), STORED(0, 2)}},
    {"LOG5: what an earlier life asked for", ABS_LOG, 1, false, "LOG5",
     {LIFE(0, 1), STORE(0, 1, "a"), CRASHED(0), RECOVERED(0), FOUND(0, 1, "a"), LIFE(0, 2),
      STORED(0, 1)}},
    {"LOG5: two records of one name have two answers", ABS_LOG, 1, false, "",
     {LIFE(0, 1), STORE(0, 1, "a"), STORE(0, 1, "a"), STORED(0, 1), STORED(0, 1)}},

    /* Logged links. */
    {"LPL1: never log-delivered", ABS_LPL, 2, false, "LPL1",
     {SEND(LPL, 0, 1, "a"), SEND(LPL, 0, 1, "b"), TOLD(LPL, 1, 0, 0, "b")}},
    {"LPL1: a sender that crashes owes nothing, though it recovers", ABS_LPL, 2, false, "",
     {SEND(LPL, 0, 1, "a"), CRASHED(0), RECOVERED(0)}},
    {"LPL1: a receiver that recovers is owed", ABS_LPL, 2, false, "LPL1",
     {SEND(LPL, 0, 1, "a"), CRASHED(1), RECOVERED(1)}},
    {"LPL1: a receiver that stays down is not", ABS_LPL, 2, false, "",
     {SEND(LPL, 0, 1, "a"), CRASHED(1), RECOVERED(1), CRASHED(1)}},
    {"LPL1: told of, and forgotten by the next life", ABS_LPL, 2, false, "LPL1",
     {SEND(LPL, 0, 1, "a"), TOLD(LPL, 1, 0, 0, "a"), CRASHED(1), RECOVERED(1)}},
    {"LPL1: told of again by the next life", ABS_LPL, 2, false, "",
     {SEND(LPL, 0, 1, "a"), TOLD(LPL, 1, 0, 0, "a"), CRASHED(1), RECOVERED(1),
      TOLD(LPL, 1, 0, 0, "a")}},
    {"LPL1: what was released need not be told again", ABS_LPL, 2, false, "",
     {SEND(LPL, 0, 1, "a"), TOLD(LPL, 1, 0, 0, "a"),
      {REQUEST, 1, EV_LPL_RELEASE, 0, SCENARIO_PORT, 1, NULL, 0, false}, CRASHED(1),
      RECOVERED(1)}},
    {"LPL2: log-delivered at two positions", ABS_LPL, 2, false, "LPL2",
     {SEND(LPL, 0, 1, "a"), TOLD(LPL, 1, 0, 0, "a"), TOLD(LPL, 1, 1, 0, "a")}},
    {"LPL2: told of twice in one life", ABS_LPL, 2, false, "LPL2",
     {SEND(LPL, 0, 1, "a"), TOLD(LPL, 1, 0, 0, "a"), TOLD(LPL, 1, 0, 0, "a")}},
    {"LPL2: two equal messages, at two positions", ABS_LPL, 2, false, "",
     {SEND(LPL, 0, 1, "a"), SEND(LPL, 0, 1, "a"), TOLD(LPL, 1, 0, 0, "a"),
      TOLD(LPL, 1, 1, 0, "a")}},
    {"LPL2: by two lives, at two positions", ABS_LPL, 2, false, "LPL2",
     {SEND(LPL, 0, 1, "a"), SEND(LPL, 0, 1, "b"), TOLD(LPL, 1, 0, 0, "a"), CRASHED(1),
      RECOVERED(1), TOLD(LPL, 1, 0, 0, "b"), TOLD(LPL, 1, 1, 0, "a")}},
    {"LPL3: never sent", ABS_LPL, 2, false, "LPL3", {TOLD(LPL, 1, 0, 0, "a")}},
    {"LPL3: sent by an earlier life", ABS_LPL, 2, false, "",
     {SEND(LPL, 0, 1, "a"), CRASHED(0), RECOVERED(0), TOLD(LPL, 1, 0, 0, "a")}},

    /* Stubborn and logged broadcast. */
    {"SBEB1: delivered once and never again", ABS_SBEB, 2, false, "SBEB1",
     {CAST(SBEB, 0, "a"), GOT(SBEB, 0, 0, "a"), GOT(SBEB, 0, 0, "a"), GOT(SBEB, 1, 0, "a")}},
    {"SBEB1: not again after the network was healed", ABS_SBEB, 1, false, "SBEB1",
     {CAST(SBEB, 0, "a"), GOT(SBEB, 0, 0, "a"), GOT(SBEB, 0, 0, "a"), NOW_HEALED}},
    {"SBEB1: nothing is owed by who crashed, nor to who is down", ABS_SBEB, 3, false, "",
     {CAST(SBEB, 0, "a"), CAST(SBEB, 1, "b"), GOT(SBEB, 1, 1, "b"), GOT(SBEB, 1, 1, "b"),
      CRASHED(0), RECOVERED(0), GOT(SBEB, 0, 1, "b"), GOT(SBEB, 0, 1, "b"), CRASHED(2)}},
    {"SBEB1: who recovers is owed", ABS_SBEB, 2, false, "SBEB1",
     {CAST(SBEB, 0, "a"), GOT(SBEB, 0, 0, "a"), GOT(SBEB, 0, 0, "a"), CRASHED(1),
      RECOVERED(1)}},
    {"SBEB1: what its user has it forget is not owed to that process", ABS_SBEB, 2, false, "",
     {NUMBERED(0, 0, "a"), FORGOTTEN(0, 1, 0), GOT(SBEB, 0, 0, "a"), GOT(SBEB, 0, 0, "a")}},
    {"SBEB1: only up to that number, and to that process", ABS_SBEB, 2, false, "SBEB1",
     {NUMBERED(0, 0, "a"), NUMBERED(0, 1, "b"), FORGOTTEN(0, 1, 0), FORGOTTEN(0, 0, 1)}},
    {"SBEB2: never broadcast", ABS_SBEB, 2, false, "SBEB2", {GOT(SBEB, 1, 0, "a")}},
    {"SBEB2: broadcast by a life that is over", ABS_SBEB, 2, false, "",
     {CAST(SBEB, 0, "a"), CRASHED(0), RECOVERED(0), GOT(SBEB, 1, 0, "a")}},
    {"SBEB2: broadcast by another process", ABS_SBEB, 1, false, "SBEB2",
     {CAST(SBEB, 0, "a"), GOT(SBEB, 0, 0, "a"), GOT(SBEB, 0, 0, "a"), GOT(SBEB, 0, 1, "a")}},
    {"LBEB1: a correct process does not log-deliver", ABS_LBEB, 2, false, "LBEB1",
     {CAST(LBEB, 0, "a"), TOLD(LBEB, 0, 0, 0, "a")}},
    {"LBEB1: a sender that crashes owes nothing", ABS_LBEB, 2, false, "",
     {CAST(LBEB, 0, "a"), TOLD(LBEB, 0, 0, 0, "a"), CRASHED(0)}},
    {"LBEB1: told of, then forgotten", ABS_LBEB, 2, false, "LBEB1",
     {CAST(LBEB, 0, "a"), TOLD(LBEB, 0, 0, 0, "a"), TOLD(LBEB, 1, 0, 0, "a"), CRASHED(1),
      RECOVERED(1)}},
    {"LBEB2: at two positions", ABS_LBEB, 1, false, "LBEB2",
     {CAST(LBEB, 0, "a"), TOLD(LBEB, 0, 0, 0, "a"), TOLD(LBEB, 0, 1, 0, "a")}},
    {"LBEB2: broadcast twice, at two positions", ABS_LBEB, 1, false, "",
     {CAST(LBEB, 0, "a"), CAST(LBEB, 0, "a"), TOLD(LBEB, 0, 0, 0, "a"),
      TOLD(LBEB, 0, 1, 0, "a")}},
    {"LBEB3: never broadcast", ABS_LBEB, 2, false, "LBEB3", {TOLD(LBEB, 1, 0, 0, "a")}},
    {"LBEB3: broadcast by a life that is over", ABS_LBEB, 2, false, "",
     {CAST(LBEB, 0, "a"), CRASHED(0), RECOVERED(0), TOLD(LBEB, 1, 0, 0, "a")}},
    {"LURB1: it does not log-deliver its own", ABS_LURB, 2, false, "LURB1",
     {CAST(LURB, 0, "a")}},
    {"LURB1: who crashed owes itself nothing", ABS_LURB, 2, false, "",
     {CAST(LURB, 0, "a"), CRASHED(0), RECOVERED(0)}},
    {"LURB2: at two positions", ABS_LURB, 1, false, "LURB2",
     {CAST(LURB, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(LURB, 0, 1, 0, "a")}},
    {"LURB2: the same position in each life", ABS_LURB, 1, false, "",
     {CAST(LURB, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), CRASHED(0), RECOVERED(0),
      TOLD(LURB, 0, 0, 0, "a"), CRASHED(0), RECOVERED(0), TOLD(LURB, 0, 0, 0, "a")}},
    {"LURB3: never broadcast", ABS_LURB, 1, false, "LURB3", {TOLD(LURB, 0, 0, 0, "a")}},
    {"LURB3: broadcast by one that is down for good", ABS_LURB, 2, false, "",
     {CAST(LURB, 0, "a"), CRASHED(0), TOLD(LURB, 1, 0, 0, "a")}},
    {"LURB4: by one that is down for good", ABS_LURB, 2, false, "LURB4",
     {CAST(LURB, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), CRASHED(0)}},
    {"LURB4: by an earlier life of its own", ABS_LURB, 1, false, "LURB4",
     {CAST(LURB, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), CRASHED(0), RECOVERED(0)}},
    {"LURB4: a position comes to hold another message", ABS_LURB, 1, false, "LURB4",
     {CAST(LURB, 0, "a"), CAST(LURB, 0, "b"), TOLD(LURB, 0, 0, 0, "a"), CRASHED(0), RECOVERED(0),
      TOLD(LURB, 0, 0, 0, "b")}},
    {"LURB4: all that are up log-deliver", ABS_LURB, 3, false, "",
     {CAST(LURB, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), CRASHED(0), TOLD(LURB, 1, 0, 0, "a"),
      TOLD(LURB, 2, 0, 0, "a"), CRASHED(2), RECOVERED(2), FREED(LURB, 1, 1), CRASHED(1),
      RECOVERED(1), TOLD(LURB, 2, 0, 0, "a")}},

    /* Handing over. */
    {"HO1: log-delivered, not handed over", ABS_HO, 1, false, "HO1",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a")}},
    {"HO1: not again in the next life, though not taken", ABS_HO, 1, false, "HO1",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), CRASHED(0),
      RECOVERED(0), TOLD(LURB, 0, 0, 0, "a")}},
    {"HO1: a cursor that passes what was never handed over", ABS_HO, 1, false, "HO1",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), CURSOR(0, 9, "\1\0\0\0\0\0\0"), STORED(0, 9)}},
    {"HO1: taken in an earlier life", ABS_HO, 1, false, "",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), TAKEN(0, 0),
      CRASHED(0), RECOVERED(0), TOLD(LURB, 0, 0, 0, "a")}},
    {"HO1: again in the next life", ABS_HO, 1, false, "",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), CRASHED(0),
      RECOVERED(0), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a")}},
    {"HO1: nothing is owed to who is down", ABS_HO, 1, false, "",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), CRASHED(0)}},
    {"HO2: below the stored cursor", ABS_HO, 1, false, "HO2",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), TAKEN(0, 0),
      CURSOR(0, 9, "\1\0\0\0\0\0\0"), STORED(0, 9), CRASHED(0), RECOVERED(0),
      TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a")}},
    {"HO2: the cursor was not stored", ABS_HO, 1, false, "",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), TAKEN(0, 0),
      CURSOR(0, 9, "\1\0\0\0\0\0\0"), CRASHED(0), RECOVERED(0), TOLD(LURB, 0, 0, 0, "a"),
      TOLD(HO, 0, 0, 0, "a")}},
    {"HO3: not log-delivered", ABS_HO, 1, false, "HO3",
     {CAST(HO, 0, "a"), CAST(HO, 0, "b"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"),
      TOLD(HO, 0, 1, 0, "b")}},
    {"HO3: another message than was log-delivered", ABS_HO, 1, false, "HO3",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "b")}},
    {"HO3: another process than it is from", ABS_HO, 2, false, "HO3",
     {CAST(HO, 0, "a"), TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 1, "a")}},
    {"HO3: for the first time, out of order", ABS_HO, 1, false, "HO3",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(LURB, 0, 1, 0, "b"), TOLD(HO, 0, 1, 0, "b"),
      TOLD(HO, 0, 0, 0, "a")}},
    {"HO3: again, in whichever order", ABS_HO, 1, false, "",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(LURB, 0, 1, 0, "b"), TOLD(HO, 0, 0, 0, "a"),
      TOLD(HO, 0, 1, 0, "b"), TOLD(HO, 0, 0, 0, "a"), TAKEN(0, 0), TAKEN(0, 1)}, .again = true},
    {"HO4: twice in one life, with a cursor", ABS_HO, 1, false, "HO4",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(LURB, 0, 1, 0, "b"), TOLD(HO, 0, 0, 0, "a"),
      TOLD(HO, 0, 1, 0, "b"), TOLD(HO, 0, 0, 0, "a")}},
    {"HO4: once in each of two lives", ABS_HO, 1, false, "",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), CRASHED(0), RECOVERED(0),
      TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a")}},
    {"HO5: not taken, and handed over once", ABS_HO, 1, false, "HO5",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a")}, .again = true},
    {"HO5: twice, but once in each life", ABS_HO, 1, false, "HO5",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), CRASHED(0), RECOVERED(0),
      TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a")}, .again = true},
    {"HO5: twice, and no more when the network is healed", ABS_HO, 1, false, "HO5",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), NOW_HEALED},
     .again = true},
    {"HO5: again and again", ABS_HO, 1, false, "",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), NOW_HEALED, TOLD(HO, 0, 0, 0, "a")},
     .again = true},
    {"HO5: taken at once", ABS_HO, 1, false, "",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), TAKEN(0, 0)}, .again = true},
    {"HO5: who is down is owed nothing", ABS_HO, 1, false, "",
     {TOLD(LURB, 0, 0, 0, "a"), TOLD(HO, 0, 0, 0, "a"), CRASHED(0)}, .again = true},

    /* Epochs. */
    {"LEC1: a timestamp is used again in one life", ABS_LEC, 2, false, "LEC1",
     {LEPOCH(0, 3, 1), LEPOCH(1, 3, 1), LEPOCH(0, 3, 1)}},
    {"LEC1: a further life goes back", ABS_LEC, 1, false, "LEC1",
     {LEPOCH(0, 3, 0), LEPOCH(0, 4, 0), CRASHED(0), RECOVERED(0), LEPOCH(0, 3, 0)}},
    {"LEC1: a further life starts the last one again", ABS_LEC, 1, false, "",
     {LEPOCH(0, 3, 0), CRASHED(0), RECOVERED(0), LEPOCH(0, 3, 0)}},
    {"LEC1: but only once", ABS_LEC, 1, false, "LEC1",
     {LEPOCH(0, 3, 0), CRASHED(0), RECOVERED(0), LEPOCH(0, 3, 0), LEPOCH(0, 3, 0)}},
    {"LEC2: one timestamp, two leaders", ABS_LEC, 2, false, "LEC2 LEC3",
     {LEPOCH(0, 3, 1), LEPOCH(1, 3, 0)}},
    {"LEC2: one timestamp, two leaders, in two lives", ABS_LEC, 2, false, "LEC2",
     {LEPOCH(0, 3, 1), LEPOCH(1, 3, 1), CRASHED(0), RECOVERED(0), LEPOCH(0, 3, 0),
      LEPOCH(0, 5, 1), LEPOCH(1, 5, 1)}},
    {"LEC2: one timestamp, one leader, in two lives", ABS_LEC, 2, false, "",
     {LEPOCH(0, 3, 1), LEPOCH(1, 3, 1), CRASHED(0), RECOVERED(0), LEPOCH(0, 3, 1)}},
    {"LEC2: everybody begins in an epoch of p0", ABS_LEC, 2, false, "LEC2",
     {LEPOCH(0, 0, 1), LEPOCH(0, 3, 1), LEPOCH(1, 3, 1)}},
    {"LEC3: the last leader is down", ABS_LEC, 2, false, "LEC3",
     {LEPOCH(0, 3, 1), LEPOCH(1, 3, 1), CRASHED(1)}},
    {"LEC3: the last leader has recovered", ABS_LEC, 2, false, "",
     {LEPOCH(0, 3, 1), LEPOCH(1, 3, 1), CRASHED(1), RECOVERED(1), LEPOCH(1, 3, 1)}},
    {"LEC3: a further life is told of no epoch", ABS_LEC, 2, false, "LEC3",
     {LEPOCH(0, 3, 1), LEPOCH(1, 3, 1), CRASHED(0), RECOVERED(0)}},
    {"LEC3: a correct process is left behind", ABS_LEC, 3, false, "LEC3",
     {LEPOCH(0, 4, 1), LEPOCH(1, 4, 1)}},
    {"LEP1: never proposed", ABS_LEP, 1, false, "LEP1",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "b")}},
    {"LEP1: proposed for another instance", ABS_LEP, 1, false, "LEP1",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a"), DEC(LEP, 0, 2, "a")}},
    {"LEP1: proposed only in a later epoch", ABS_LEP, 2, false, "LEP1",
     {LEP_IN(0, 2, 0), PROP(LEP, 0, 1, "a"), DEC(LEP, 1, 1, "a")}},
    {"LEP1: proposed by a process that does not lead", ABS_LEP, 2, false, "LEP1",
     {PROP(LEP, 0, 1, "a"), PROP(LEP, 1, 2, "a"), DEC(LEP, 0, 2, "a"), DEC(LEP, 0, 1, "a"),
      DEC(LEP, 1, 1, "a")}},
    {"LEP1: proposed by a life that is over", ABS_LEP, 2, false, "",
     {PROP(LEP, 0, 1, "a"), CRASHED(0), RECOVERED(0), LEP_IN(0, 0, 0), DEC(LEP, 1, 1, "a"),
      DEC(LEP, 0, 1, "a")}},
    {"LEP2: two values in one epoch", ABS_LEP, 2, false, "LEP2",
     {PROP(LEP, 0, 1, "a"), PROP(LEP, 0, 1, "b"), DEC(LEP, 0, 1, "a"), DEC(LEP, 1, 1, "b")}},
    {"LEP2: told again", ABS_LEP, 1, false, "",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a"), CRASHED(0), RECOVERED(0), DEC(LEP, 0, 1, "a"),
      LEP_IN(0, 0, 0)}},
    {"LEP3: a later epoch decides differently", ABS_LEP, 2, false, "LEP3",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a"), LEP_OUT(1), LEP_LEFT(1, 0), LEP_IN(1, 3, 1),
      PROP(LEP, 1, 1, "b"), DEC(LEP, 1, 1, "b")}},
    {"LEP3: a later epoch decides the same", ABS_LEP, 2, false, "",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a"), LEP_OUT(1), LEP_LEFT(1, 0), LEP_IN(1, 3, 1),
      PROP(LEP, 1, 1, "b"), DEC(LEP, 1, 1, "a")}},
    {"LEP3: a further life is told differently", ABS_LEP, 1, false, "LEP3",
     {PROP(LEP, 0, 1, "a"), PROP(LEP, 0, 1, "b"), DEC(LEP, 0, 1, "a"), CRASHED(0), RECOVERED(0),
      DEC(LEP, 0, 1, "b"), LEP_IN(0, 0, 0)}},
    {"LEP3: learned differently", ABS_LEP, 2, false, "LEP3",
     {PROP(LEP, 0, 1, "a"), PROP(LEP, 0, 1, "b"), DEC(LEP, 0, 1, "a"), LEARN(LEP, 1, 1, "b")}},
    {"LEP4: one correct process does not decide", ABS_LEP, 2, false, "LEP4",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a")}},
    {"LEP4: one that recovered in the epoch does not decide again", ABS_LEP, 2, false, "LEP4",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a"), DEC(LEP, 1, 1, "a"), CRASHED(1), RECOVERED(1),
      LEP_IN(1, 0, 0)}},
    {"LEP4: nor need it, if the decision is released", ABS_LEP, 2, false, "",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a"), DEC(LEP, 1, 1, "a"), NEEDLESS(LEP, 1, 2),
      CRASHED(1), RECOVERED(1), LEP_IN(1, 0, 0)}},
    {"LEP4: a leader that crashed owes nothing", ABS_LEP, 2, false, "",
     {PROP(LEP, 0, 1, "a"), CRASHED(0), RECOVERED(0), LEP_IN(0, 0, 0)}},
    {"LEP4: nothing is owed when somebody left the epoch", ABS_LEP, 2, false, "",
     {PROP(LEP, 0, 1, "a"), LEP_OUT(1), LEP_LEFT(1, 0), LEP_IN(1, 3, 1)}},
    {"LEP4: learning is as good", ABS_LEP, 2, false, "",
     {PROP(LEP, 0, 1, "a"), DEC(LEP, 0, 1, "a"), LEARN(LEP, 1, 1, "a")}},
    {"LEP5: the abort is never confirmed", ABS_LEP, 2, false, "LEP5", {LEP_OUT(1)}},
    {"LEP5: a crash comes first", ABS_LEP, 2, false, "",
     {LEP_OUT(1), CRASHED(1), RECOVERED(1), LEP_IN(1, 0, 0)}},
    {"LEP5: aborted without being told to", ABS_LEP, 2, false, "LEP5", {LEP_LEFT(1, 0)}},
    {"LEP6: decided while the value is on its way to stable storage", ABS_LEP, 1, false, "LEP6",
     {PROP(LEP, 0, 1, "a"), STORE(0, 1, "a"), DEC(LEP, 0, 1, "a"), STORED(0, 1)}},
    {"LEP6: once it is there", ABS_LEP, 1, false, "",
     {PROP(LEP, 0, 1, "a"), STORE(0, 1, "a"), STORED(0, 1), DEC(LEP, 0, 1, "a")}},
    {"LEP6: another value is there, this one follows", ABS_LEP, 1, false, "LEP6",
     {PROP(LEP, 0, 1, "a"), STORE(0, 1, "b"), STORE(0, 1, "a"), STORED(0, 1),
      DEC(LEP, 0, 1, "a"), STORED(0, 1)}},
    {"LEP6: it was stored for another instance", ABS_LEP, 1, false, "LEP6",
     {PROP(LEP, 0, 1, "a"), STORE(0, 2, "a"), STORED(0, 2), DEC(LEP, 0, 1, "a")}},
    {"LEP6: an earlier life had asked for it", ABS_LEP, 1, false, "LEP6",
     {PROP(LEP, 0, 1, "a"), STORE(0, 1, "a"), CRASHED(0), RECOVERED(0), LIFE(0, 2),
      LEP_IN(0, 0, 0), DEC(LEP, 0, 1, "a")}},
    {"LEP6: and this one has found it", ABS_LEP, 1, false, "",
     {PROP(LEP, 0, 1, "a"), STORE(0, 1, "a"), CRASHED(0), RECOVERED(0), FOUND(0, 1, "a"),
      LIFE(0, 2), LEP_IN(0, 0, 0), DEC(LEP, 0, 1, "a")}},

    /* Consensus. */
    {"LUC1: all propose, one does not decide", ABS_LUC, 2, false, "LUC1",
     {PROP(LUC, 0, 1, "a"), PROP(LUC, 1, 1, "b")}},
    {"LUC1: one proposal, forwarded, obliges all", ABS_LUC, 2, true, "LUC1",
     {PROP(LUC, 0, 1, "a")}},
    {"LUC1: a proposal of an earlier life obliges nobody", ABS_LUC, 2, true, "",
     {PROP(LUC, 0, 1, "a"), CRASHED(0), RECOVERED(0)}},
    {"LUC1: what one that is down for good decided, all decide", ABS_LUC, 2, false, "LUC1",
     {PROP(LUC, 0, 1, "a"), DEC(LUC, 0, 1, "a"), CRASHED(0)}},
    {"LUC1: who recovered is told again", ABS_LUC, 1, false, "LUC1",
     {PROP(LUC, 0, 1, "a"), DEC(LUC, 0, 1, "a"), CRASHED(0), RECOVERED(0)}},
    {"LUC1: unless it released the decision", ABS_LUC, 1, false, "",
     {PROP(LUC, 0, 1, "a"), DEC(LUC, 0, 1, "a"), NEEDLESS(LUC, 0, 2), CRASHED(0), RECOVERED(0)}},
    {"LUC2: nobody proposed it", ABS_LUC, 1, false, "LUC2",
     {PROP(LUC, 0, 1, "a"), DEC(LUC, 0, 1, "b")}},
    {"LUC2: proposed for another instance", ABS_LUC, 1, false, "LUC2",
     {PROP(LUC, 0, 1, "a"), DEC(LUC, 0, 1, "a"), DEC(LUC, 0, 2, "a")}},
    {"LUC2: proposed by a life that is over", ABS_LUC, 2, false, "",
     {PROP(LUC, 0, 1, "a"), CRASHED(0), RECOVERED(0), DEC(LUC, 1, 1, "a"), DEC(LUC, 0, 1, "a")}},
    {"LUC3: decided differently", ABS_LUC, 2, false, "LUC3",
     {PROP(LUC, 0, 1, "a"), PROP(LUC, 1, 1, "b"), DEC(LUC, 0, 1, "a"), DEC(LUC, 1, 1, "b")}},
    {"LUC3: decided differently by a further life", ABS_LUC, 1, false, "LUC3",
     {PROP(LUC, 0, 1, "a"), DEC(LUC, 0, 1, "a"), CRASHED(0), RECOVERED(0), PROP(LUC, 0, 1, "b"),
      DEC(LUC, 0, 1, "b")}},
    {"LUC3: a further life is told the same again", ABS_LUC, 1, false, "",
     {PROP(LUC, 0, 1, "a"), DEC(LUC, 0, 1, "a"), CRASHED(0), RECOVERED(0),
      DEC(LUC, 0, 1, "a")}},

    /* What the detectors and stubborn links make of recoveries. */
    {"ELD1: who recovers trusts nobody yet", ABS_OMEGA, 2, false, "ELD1",
     {SAID(OMEGA_TRUST, 0, 0), SAID(OMEGA_TRUST, 1, 0), CRASHED(1), RECOVERED(1)}},
    {"ELD1: who recovers may be trusted", ABS_OMEGA, 2, false, "",
     {SAID(OMEGA_TRUST, 0, 0), SAID(OMEGA_TRUST, 1, 0), CRASHED(0), RECOVERED(0),
      SAID(OMEGA_TRUST, 0, 0)}},
    {"EPFD: who recovers is correct", ABS_EPFD, 2, false, "EPFD2",
     {CRASHED(1), SAID(EPFD_SUSPECT, 0, 1), RECOVERED(1)}},
    {"SL1: number 0 is forgotten as well", ABS_SL, 2, false, "",
     {{REQUEST, 0, EV_SL_SEND, 1, 0, 0, "a", 0, false}, GOT(SL, 1, 0, "a"),
      {REQUEST, 0, EV_SL_FORGET, 1, 0, 0, NULL, 0, false}, NOW_HEALED}},
    {"SL1: a life that is over owes nothing", ABS_SL, 2, false, "",
     {SEND(SL, 0, 1, "a"), CRASHED(0), RECOVERED(0)}},
};
/* clang-format on */

#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

static void test_every_property_is_violated_once_and_held_once(void **state)
{
    (void)state;
    all_properties_shown(scenarios, SCENARIOS, true, "");
}

/* A user's log is judged by itself: others store in between. */
static void test_users_of_the_log_are_told_apart(void **state)
{
    (void)state;
    struct check *c = check_find(ABS_LOG)->open(1);
    struct check_event e = {.step = 1, .type = EV_LOG_STORE, .inst = 7, .attr = 2};
    c->cls->event(c, &e);
    e = (struct check_event){.step = 2, .type = EV_LOG_STORE, .inst = 7, .attr = 5};
    c->cls->event(c, &e);
    e = (struct check_event){.step = 3, .type = EV_LOG_STORED, .inst = 7, .port = 5};
    c->cls->event(c, &e);
    c->cls->crash(c, 0, 4);
    check_recover(c, 0, 5);
    for (uint16_t port = 2; port <= 5; port += 3) {
        e = (struct check_event){.step = 6, .type = EV_LOG_RECOVERED, .attr = 2, .port = port};
        c->cls->event(c, &e);
    }
    c->cls->end(c, true, 7);
    assert_int_equal(c->result[1].state, CHECK_VIOLATED);
    assert_non_null(strstr(c->result[1].witness, "of user 5"));
    c->cls->close(c);
}

/* A compaction is complete when every user's records are there: till then all must be found. */
static void test_a_compaction_counts_when_all_users_have_stored_again(void **state)
{
    (void)state;
    for (int complete = 0; complete < 2; complete++) {
        struct check *c = check_find(ABS_LOG)->open(1);
        static const struct check_event before[] =
            {{.step = 1, .type = EV_LOG_STORE, .inst = 1, .attr = 2},
             {.step = 2, .type = EV_LOG_STORED, .inst = 1, .port = 2},
             {.step = 3, .type = EV_LOG_COMPACT, .port = 2},
             {.step = 3, .type = EV_LOG_STORE, .inst = 8, .attr = 2},
             {.step = 3, .type = EV_LOG_COMPACT, .port = 5},
             {.step = 3, .type = EV_LOG_STORE, .inst = 9, .attr = 5}};
        for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
            c->cls->event(c, &before[i]);
        c->cls->crash(c, 0, 4);
        check_recover(c, 0, 5);
        struct check_event e = {.step = 6, .type = EV_LOG_FOUND, .inst = 8, .port = 2};
        c->cls->event(c, &e);
        e = (struct check_event){.step = 6, .type = EV_LOG_FOUND, .inst = 9, .port = 5};
        if (complete)
            c->cls->event(c, &e);
        for (uint16_t port = 2; port <= 5; port += 3) {
            e = (struct check_event){.step = 6, .type = EV_LOG_RECOVERED, .attr = 2, .port = port};
            c->cls->event(c, &e);
        }
        c->cls->end(c, true, 7);
        assert_int_equal(c->result[1].state, complete ? CHECK_HOLDS : CHECK_VIOLATED);
        c->cls->close(c);
    }
}

int main(void)
{
    static struct CMUnitTest tests[SCENARIOS + 3];
    size_t n = 0;
    for (size_t i = 0; i < SCENARIOS; i++)
        tests[n++] = (struct CMUnitTest){scenarios[i].name, test_scenario, NULL, NULL,
                                         (void *)(uintptr_t)&scenarios[i]};
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_every_property_is_violated_once_and_held_once),
        cmocka_unit_test(test_users_of_the_log_are_told_apart),
        cmocka_unit_test(test_a_compaction_counts_when_all_users_have_stored_again),
    };
    for (size_t i = 0; i < 3; i++)
        tests[n++] = others[i];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
