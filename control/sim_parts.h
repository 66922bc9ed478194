/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of a simulated world (sim_world.h) are to each other, and to nobody else:
 *
 *   sim_world.c      made, started for a job, given back
 *   sim_apply.c      what each choice does
 *   sim_next.c       what can happen next
 *   sim_process.c    a process: its lives, its steps, its crashes
 *   sim_rules.c      rules of the fault engine, as they befall frames, disks and heartbeats
 *   sim_lies.c       detectors that are made to say what is not so
 *   sim_watch.c      what crosses borders: the trace, the checkers, the verdict
 *   sim_config.c     the configuration C_t, hashed and as text
 */
#ifndef UPON_SIM_PARTS_H
#define UPON_SIM_PARTS_H

#include "sim_world.h"

/* ---- a process (sim_process.c) --------------------------------------------------------------- */

/* Of a request: 8 at least, the number that it begins with. */
uint32_t sim_process_payload(const struct sim_world *w);

/* What the stack of p is configured with, in its present life. */
struct stack_conf sim_process_conf(const struct sim_world *w, uint16_t p);

/* p is there, its stack wired, over an empty disk where it has one; it has not lived yet. 0, or
 * −errno with a sentence. */
int sim_process_begin(struct sim_world *w, uint16_t p, char *why, size_t size);

/* Read the log back, if there is one. False: the process crashed while it did. */
bool sim_process_live(struct sim_world *w, struct sim_proc *x);

/* A breath, if it runs. It may crash in it: its disk failed. */
void sim_process_step(struct sim_world *w, struct sim_proc *x);

/* Its volatile state is lost; of what was on its way to the disk `keeps` is there. */
void sim_process_crash(struct sim_world *w, struct sim_proc *x, uint64_t keeps);

/* The same within a step, where the choice says. */
void sim_process_crash_in_step(struct sim_world *w, struct sim_proc *x, const struct choice *c);

/* Another life, as the choice says. False: not now, or not of this process. */
bool sim_process_recover(struct sim_world *w, struct sim_proc *x, const struct choice *c);

/* What is on its way to a process that is down never arrives. */
void sim_process_lose_frames(struct sim *s, uint16_t p);

/* When p next has something to do is looked at again: something has befallen it. */
void sim_process_refresh(struct sim_world *w, uint16_t p);

/* Whether its disk has finished something that it has not taken notice of. */
static inline bool sim_process_disk_done(const struct sim_world *w, const struct sim_proc *x)
{
    return w->needs.disk && x->disk->dones > 0;
}

/* ---- rules (sim_rules.c) --------------------------------------------------------------------- */

/* Whether the rules of a job can befall its stack; else −EINVAL and a sentence. */
int sim_rules_check(const struct sim_job *job, char *why, size_t size);

/* Have the rules of the job, before there are processes. 0, or −errno with a sentence. */
int sim_rules_begin(struct sim_world *w, char *why, size_t size);

/* Give p, which is about to be wired, the edge at which heartbeats are held back. */
void sim_rules_wire(struct sim_world *w, uint16_t p);

/* A rule has been armed, or is armed no more. */
void sim_rules_arm(struct sim_world *w);

/* Something broke the bound that P is promised. The first that did is kept. */
void sim_rules_strain(struct sim_world *w, enum sim_strain what);

/* When a process that runs next has something to do by itself. */
uint64_t sim_rules_earliest(const struct sim_world *w, const struct sim_proc *x);

/* For struct sim: a frame leaves a process. False: it never arrives. */
bool sim_rules_sending(void *ctx, struct sim_frame *f);

/* For struct disk_sim, of a process: a write begins; whether the next super block fails. */
void sim_rules_writing(void *ctx, struct disk_sim_write *write);
bool sim_rules_super_fails(void *ctx);

/* ---- lies (sim_lies.c) ----------------------------------------------------------------------- */

/* A detector of x says what is not so, or what nobody knows yet. False: it has none that could. */
bool sim_lies_tell(struct sim_world *w, struct sim_proc *x, const struct choice *choice);

/* What Ω and ◇P said falsely is corrected by what they last said themselves. */
void sim_lies_correct(struct sim_world *w, struct sim_proc *x);

/* Whether an indication is one that no detector gave: its checker does not hear it. */
bool sim_lies_made_up(const struct ev *e);

/* Remember whom Ω trusts and whom ◇P suspects, unless they are made to say so. */
void sim_lies_listen(struct sim_proc *x, const struct ev *ev, uint32_t n);

/* ---- borders (sim_watch.c) ------------------------------------------------------------------- */

/* Open the checkers of the job, or have those that are open begin anew. */
void sim_watch_begin(struct sim_world *w);
void sim_watch_close(struct sim_world *w);

/* For struct trace: events are about to be handled. False: the process crashes before they are. */
bool sim_watch_handled(struct trace *t, struct stack *st, struct co *to, const struct ev *ev,
                       uint32_t n);

#endif
