/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The disks of a simulated world: one for each process of a stack with a log. A write is under way
 * until a choice finishes it, as it should or with a fault; a crash leaves of the others whatever
 * sectors a choice names. It decides nothing.
 *
 * What a disk may do, and what then is owed:
 *
 *   keep its word             latency, any order of completion, and at a crash any sectors of what
 *                             was under way: the log finds all that it acknowledged, and is never
 *                             refused; else the simulator stops, for that is a bug of the log
 *   say that a write failed   the process crashes; after that as above
 *   break its word            a write lost or misdirected though said to be durable, one of a copy
 *                             of the super block lost, a bit flipped: the log may refuse to open,
 *                             with a sentence. The process then stays down for good. A loss that
 *                             nothing on the disk shows, since no batch and no super block that
 *                             tells what was durable was written later, and of a life that lost
 *                             its super block no batch is there, would go unnoticed: nobody can
 *                             promise anything then, so that process stays down as well.
 */
#ifndef UPON_SIM_DISK_H
#define UPON_SIM_DISK_H

#include "dataplane/disk_sim.h"
#include "sim_choice.h"

struct stack_conf;

#define SIM_DISK_SLOTS   4
#define SIM_DISK_BUFFERS 4

#define SIM_DISK_SECTORS      8 /* of a write of one block */
#define SIM_DISK_SECTORS_MOST 32

/*
 * An empty, formatted disk for process p in *d, made if it is NULL or of another shape. `beginning`
 * is called with `ctx` for each write that begins. 0 or −errno.
 */
int sim_disk_start(struct disk_sim **d, const struct stack_conf *conf, uint32_t msg_bytes,
                   void (*beginning)(void *ctx, struct disk_sim_write *write), void *ctx);

/* The index of the write that the choice names; UINT32_MAX: it is not under way. */
uint32_t sim_disk_find(const struct disk_sim *d, uint32_t ordinal);

/* The write under way that is due first; UINT32_MAX: none. */
uint32_t sim_disk_first(const struct disk_sim *d);

/* The choice that finishes the k-th write under way of p's disk, as the fault rules have it. */
static inline struct choice sim_disk_choice(const struct disk_sim *d, uint16_t p, uint32_t k)
{
    return (struct choice){.kind = CHOICE_WRITTEN,
                           .p = p,
                           .k = d->write[k].ordinal,
                           .b = d->write[k].fails ? DISK_FAILS : DISK_KEEPS};
}

/* Finish the k-th write under way with this fate; of one that fails, `keeps` says what is there. */
void sim_disk_finish(struct disk_sim *d, uint32_t k, enum disk_sim_fate fate, uint64_t keeps);

/*
 * The process crashed: of what was under way `keeps` is there. d->changes says how many sectors were on
 * their way that would have changed the medium.
 */
void sim_disk_crash(struct disk_sim *d, uint64_t keeps);

/*
 * The states in which a crash with so many such sectors is to leave a disk, no two of them equal: how
 * many, and what the k-th keeps; the first keeps nothing. Up to SIM_DISK_SECTORS each subset of the
 * sectors; up to SIM_DISK_SECTORS_MOST all up to each, all from each on, each alone, and all but each; of
 * more nothing, all, and either half.
 */
uint64_t sim_disk_states(uint32_t changes);
uint64_t sim_disk_state(uint32_t changes, uint64_t k);

/* Flip a bit: of a segment file, or, with slot = SIM_DISK_SLOTS + copy, of the super block. */
bool sim_disk_flip(struct disk_sim *d, uint32_t slot, uint64_t byte, uint64_t bit);

/*
 * Whether the log on this disk may be opened: looked at, not changed. False, with a sentence in
 * `why`, if the log refuses, or if the disk broke its word and nothing on it shows that.
 */
bool sim_disk_trusted(struct disk_sim *d, const struct stack_conf *conf, char *why, size_t size);

/* Hash of all that decides its future: what is on the medium, under way, finished. */
uint64_t sim_disk_hash(const struct disk_sim *d);

#endif
