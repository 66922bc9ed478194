/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The recovery oracle: a log over a simulated disk, under an adversary that finishes writes in any
 * order, crashes at any moment with any legal remains of what was under way, and may damage the
 * disk. The checker of stable storage is told all that happens, and judges. A log may refuse to be
 * opened, if its disk was damaged: the process then stays down. It must not if the disk kept its
 * word.
 *
 * Each mutant of the log includes this behind its own copy of the log's sources, whose functions
 * have other names there; oracle_log.c includes it for the log as it is.
 */
#include "dataplane/disk_sim.h"
#include "dataplane/log_format.h"
#include "protocols/checks/check.h"
#include "protocols/random.h"

#include <stdlib.h>
#include <string.h>

#define ORACLE_PORT    1
#define ORACLE_LIVE    12 /* records that a compaction stores again */
#define ORACLE_BYTES   700
#define ORACLE_PENDING 4096

enum oracle_damage { NO_DAMAGE, FLIPS, LOSES, MISDIRECTS, FAILS, SHORT, DAMAGES, LOSES_SUPER };

struct oracle {
    struct check *check;
    struct disk_sim *disk;
    struct log *log;
    struct random r;
    uint64_t step;
    uint64_t value;                /* of the next record: none is used twice */
    uint64_t name[ORACLE_PENDING]; /* of record seq mod ORACLE_PENDING */
    uint64_t answered;             /* records below have been said to be stored */
    uint64_t compact_seq, compact_end;
    bool compacting;
    enum oracle_damage damage; /* that this run may see */
    bool struck;               /* it did */
    bool doomed;               /* this life ends with its next look at the disk */
    bool cuts; /* this run's crashes keep what is under way up to some sector, or from it on */
    uint32_t keep_all; /* so many sectors are kept or not, as one … */
    bool keep_first;   /* … and all the others are not, or are */
    uint32_t sector;   /* asked for so far */
};

static const struct log_shape oracle_shape = {4, 12 * LOG_BLOCK_BYTES};
static const struct log_id oracle_id = {0xc1, 0};

static void oracle_say(struct oracle *o, enum ev_type type, uint64_t inst, uint64_t attr,
                       const void *msg, uint32_t len)
{
    struct check_event e = {.step = o->step,
                            .type = (uint16_t)type,
                            .port = ORACLE_PORT,
                            .inst = inst,
                            .attr = attr,
                            .msg = (const uint8_t *)msg,
                            .len = len};
    check_observe(o->check, &e);
}

static bool oracle_coin(void *ctx)
{
    return random_below(&((struct oracle *)ctx)->r, 2) == 0;
}

/* The cut is often behind the first sector: that of a header. */
static bool oracle_one_cut(void *ctx)
{
    struct oracle *o = (struct oracle *)ctx;
    return (o->sector++ < o->keep_all) == o->keep_first;
}

static void oracle_found(void *ctx, uint64_t seq, uint16_t type, const void *data, uint32_t len)
{
    struct oracle *o = (struct oracle *)ctx;
    uint64_t name = 0;
    (void)seq, (void)type;
    memcpy(&name, data, len < 8 ? len : 8);
    oracle_say(o, EV_LOG_FOUND, name, 0, data, len);
}

static void oracle_store(struct oracle *o, uint64_t name)
{
    uint8_t data[8 + ORACLE_BYTES];
    uint32_t len = (uint32_t)(name * 2654435761u % ORACLE_BYTES);
    if (!log_room(o->log, 8 + len))
        return;
    memcpy(data, &name, 8);
    for (uint32_t i = 0; i < len; i++) /* or as if a batch began wherever one looks */
        data[8 + i] = name % 4 == 0 ? (uint8_t) "UPBT"[i % 4] : (uint8_t)name;
    oracle_say(o, EV_LOG_STORE, name, ORACLE_PORT, data, 8 + len);
    uint64_t seq = log_append(o->log, ORACLE_PORT, data, 8, data + 8, len);
    o->name[seq % ORACLE_PENDING] = name;
}

/* What the log says to be durable is said to be stored. */
static void oracle_answer(struct oracle *o)
{
    while (o->answered < log_durable(o->log))
        oracle_say(o, EV_LOG_STORED, o->name[o->answered++ % ORACLE_PENDING], 0, NULL, 0);
}

/* The disk loses one copy or both of the super block that is written next. With one of them nothing is
 * lost, and the log must not refuse. */
static void oracle_lose_super(struct oracle *o)
{
    if (o->damage != LOSES_SUPER || o->struck || random_below(&o->r, 4) != 0)
        return;
    o->disk->super_loses = 1 + random_below(&o->r, 3);
    o->struck = o->disk->super_loses == 3;
}

/* As the log's component does: store again what is live, then release what is older. */
static bool oracle_compact(struct oracle *o)
{
    if (o->compacting) {
        if (log_durable(o->log) < o->compact_end)
            return true;
        o->compacting = false;
        if (o->damage != LOSES && o->damage != MISDIRECTS && random_below(&o->r, 4) == 0)
            o->disk->super_crash = (int)random_below(&o->r, 2); /* else they have a witness */
        oracle_lose_super(o);
        if (log_checkpoint(o->log, o->compact_seq) != 0)
            return false;
        /* The super block bears witness of a lost write, if all before that had ended. */
        o->doomed = o->damage == LOSES && o->struck && !o->disk->lied;
        return !o->doomed;
    }
    if (log_fill(o->log) < 0.5)
        return true;
    o->compacting = true;
    o->compact_seq = log_next(o->log);
    oracle_say(o, EV_LOG_COMPACT, 0, 0, NULL, 0);
    for (int i = 0; i < ORACLE_LIVE; i++)
        oracle_store(o, o->value++);
    o->compact_end = log_next(o->log);
    return true;
}

/*
 * A write lands on the one before it, which has just been written, and the process crashes as soon
 * as both are acknowledged: no later batch bears witness that either had been.
 */
static bool oracle_land_on_the_one_before(struct oracle *o)
{
    struct disk_sim *d = o->disk;
    if (o->damage != MISDIRECTS || o->struck || d->writes < 2 ||
        d->write[0].slot != d->write[1].slot)
        return false;
    uint64_t before = d->write[0].offset;
    disk_sim_finish(d, 0, DISK_KEEPS, NULL, NULL);
    d->write[0].offset = before;
    disk_sim_finish(d, 0, DISK_KEEPS, NULL, NULL);
    o->struck = o->doomed = true;
    return true;
}

static void oracle_finish(struct oracle *o)
{
    static const enum disk_sim_fate fates[DAMAGES] = {[LOSES] = DISK_LOSES,
                                                      [MISDIRECTS] = DISK_MISDIRECTS,
                                                      [FAILS] = DISK_FAILS,
                                                      [SHORT] = DISK_SHORT};
    enum disk_sim_fate fate = DISK_KEEPS;
    if (random_below(&o->r, 8) == 0 && oracle_land_on_the_one_before(o))
        return;
    uint32_t k = random_below(&o->r, o->disk->writes);
    if (o->damage >= LOSES && o->damage < DAMAGES && !o->struck && random_below(&o->r, 8) == 0) {
        fate = fates[o->damage];
        o->struck = true;
    }
    disk_sim_finish(o->disk, k, fate, oracle_coin, o);
}

static bool oracle_pump(struct oracle *o)
{
    if (log_pump(o->log) != 0)
        return false; /* the process crashes */
    oracle_answer(o);
    return true;
}

/* Until nothing is under way. False: the process crashed. */
static bool oracle_settle(struct oracle *o)
{
    for (int i = 0; i < 1000; i++) {
        if (!oracle_pump(o))
            return false;
        if (o->disk->writes == 0)
            return true;
        while (o->disk->writes > 0)
            disk_sim_finish(o->disk, 0, DISK_KEEPS, NULL, NULL);
    }
    return true;
}

/* A disk that lost a write can be found out by what was written later: so more is. */
static void oracle_bear_witness(struct oracle *o)
{
    for (int i = 0; i < 3 && oracle_settle(o); i++)
        oracle_store(o, o->value++);
    oracle_settle(o);
}

static void oracle_flip(struct oracle *o)
{
    uint32_t bit = random_below(&o->r, 8), byte = random_below(&o->r, oracle_shape.segment_bytes);
    uint32_t slot = random_below(&o->r, oracle_shape.slots);
    disk_sim_flip(o->disk, slot, byte, bit);
    o->struck = true;
}

/* What the disk said was not so. A write that failed was said to have failed. */
static bool oracle_deceived(const struct oracle *o)
{
    return o->struck && (o->damage == FLIPS || o->damage == LOSES || o->damage == MISDIRECTS ||
                         o->damage == LOSES_SUPER);
}

/* One life, until it ends. False: there is none, since the log refused to be opened, or since the one
 * before it lost its super block and left nothing behind that shows it. */
static bool oracle_life(struct oracle *o)
{
    struct log_report report;
    if (disk_sim_life_hidden(o->disk))
        return false;
    oracle_lose_super(o);
    int err = log_open(&o->log, &o->disk->disk, oracle_id, oracle_found, o, false, &report);
    if (err != 0 && oracle_deceived(o))
        return false;
    if (err != 0) { /* refused, though the disk kept its word: a life in which nothing was found */
        o->check->cls->crash(o->check, 0, ++o->step);
        check_recover(o->check, 0, ++o->step);
        oracle_say(o, EV_LOG_RECOVERED, 0, UINT64_MAX - o->step, NULL, 0);
        return false;
    }
    oracle_say(o, EV_LOG_RECOVERED, 0, report.incarnation, NULL, 0);
    o->answered = log_durable(o->log);
    o->compacting = false;
    bool up = true;
    for (uint32_t steps = random_below(&o->r, 80); steps > 0 && up; steps--) {
        uint32_t what = random_below(&o->r, 10);
        o->step++;
        if (what < 5)
            oracle_store(o, o->value++);
        else if (what < 8 && o->disk->writes > 0)
            oracle_finish(o);
        else
            up = oracle_pump(o) && !o->doomed && oracle_compact(o);
    }
    if (o->doomed) {
        oracle_pump(o);
        return true;
    }
    if (up && oracle_deceived(o) && o->damage != FLIPS)
        oracle_bear_witness(o);
    return true;
}

static void oracle_crash(struct oracle *o)
{
    o->step++;
    log_close(o->log);
    o->log = NULL;
    o->sector = 0;
    o->keep_first = random_below(&o->r, 2) == 0;
    o->keep_all = 1 + (random_below(&o->r, 2) == 0 ? 0 : random_below(&o->r, 24));
    disk_sim_crash(o->disk, o->cuts ? oracle_one_cut : oracle_coin, o);
    if (o->damage == FLIPS && random_below(&o->r, 4) == 0)
        oracle_flip(o);
    o->check->cls->crash(o->check, 0, o->step);
    check_recover(o->check, 0, ++o->step);
}

static void oracle_run(uint64_t seed, struct check *check)
{
    static struct oracle oracle;
    struct oracle *o = &oracle;
    memset(o, 0, sizeof *o);
    o->r = random_seeded(seed, 91);
    o->check = check;
    o->value = 1;
    o->damage =
        random_below(&o->r, 2) == 0 ? NO_DAMAGE : (enum oracle_damage)random_below(&o->r, DAMAGES);
    if (o->damage == NO_DAMAGE && seed % 8 == 5)
        o->damage = LOSES_SUPER;
    o->cuts = seed % 4 == 0;
    o->disk = disk_sim_new(oracle_shape, 4, 5 * LOG_BLOCK_BYTES);
    if (o->disk == NULL || log_format(&o->disk->disk, oracle_id, oracle_shape) != 0)
        abort();
    bool up = true;
    for (int life = 0; life < 8 && (up = oracle_life(o)) && check->violations == 0; life++)
        oracle_crash(o);
    bool fair = up && check->violations == 0 && oracle_life(o) && oracle_settle(o);
    check->cls->end(check, fair, ++o->step);
    log_close(o->log);
    disk_sim_free(o->disk);
}
