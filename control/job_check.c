/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a job can be run as a whole. */
#include "job_keys.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "events.h"
#include "number.h"

#define RATE_MAX_WINDOW 1024 /* what rate = max keeps outstanding, unless load.window says more */

static int check_stack(struct job *job, const struct job_why *why)
{
    char list[512] = "";
    size_t at = 0;
    for (const struct stack_def *const *d = stack_defs; *d != NULL && at < sizeof list; d++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? " " : "", (*d)->name);
    job->def = stack_find(job->stack);
    if (job->def == NULL)
        return REFUSE(why, job, stack, "there is no stack \"%s\"; there are %s", job->stack, list);
    const enum abstraction top = stack_top(job->def)->cls->implements;
    job->top = load_top(top);
    if (job->top == NULL)
        return REFUSE(why, job, stack,
                      "upon run has no load for %s, the top of %s; give `upon sim` this stack, or "
                      "choose one that `upon list stacks` does not mark [upon sim only]",
                      abstraction_infos[top].text, job->stack);
    if (job->n < 1 || job->n > PSET_PROCS)
        return REFUSE(why, job, n, "%u processes; a run has 1 to %d", job->n, PSET_PROCS);
    return 0;
}
static int check_proposer(struct job *job, const struct job_why *why)
{
    uint64_t rank = 0;
    if (strcmp(job->proposer, "all") == 0) {
        job->sources = job->n == 64 ? UINT64_MAX : (1ull << job->n) - 1;
        return 0;
    }
    if (strcmp(job->proposer, "leader") != 0 && !number_parse(job->proposer, &rank))
        return REFUSE(why, job, proposer, "\"%s\" is nobody; write leader, all or a rank",
                      job->proposer);
    if (rank >= job->n)
        return REFUSE(why, job, proposer, "there is no p%" PRIu64 "; ranks are 0 to %u", rank,
                      job->n - 1);
    job->sources = 1ull << rank;
    return 0;
}

/* The bug is in what the last process is sent: by all, or by who stands before it. */
static int check_plant(const struct job *job, const struct job_why *why)
{
    const uint32_t last = job->n - 1, before = (last + job->n - 1) % job->n;
    if (job->plant == LOAD_PLANT_NONE || job->top->shape != LOAD_TO_NEXT ||
        job->sources >> before & 1)
        return 0;
    return REFUSE(why, job, plant,
                  "the bug is in what p%u is sent, and nobody sends to it: over a link each sends "
                  "to the next; write job.proposer = all, or %u",
                  last, before);
}

static int check_load(struct job *job, const struct job_why *why)
{
    if (isinf(job->rate)) {
        if (job->mode == JOB_OPEN && job_given(job, JOB(mode)))
            return REFUSE(why, job, mode,
                          "rate = max has no intended times: it is a closed loop with a wide "
                          "window; leave load.mode out, or give a rate");
        job->mode = JOB_CLOSED;
        if (!job_given(job, JOB(window)))
            job->window = RATE_MAX_WINDOW;
    } else if (job->mode == JOB_CLOSED && job_given(job, JOB(rate))) {
        return REFUSE(why, job, rate,
                      "a closed loop has no rate: it sends when an operation is over; leave "
                      "load.rate out, or write load.mode = open");
    }
    if (job->mode == JOB_CLOSED && job_given(job, JOB(arrival)))
        return REFUSE(why, job, arrival, "a closed loop has no arrivals; leave it out");
    if (job->mode == JOB_CLOSED && job->top->lossy)
        return REFUSE(why, job, mode,
                      "%s may lose, and a closed loop would wait for ever; write load.mode = open",
                      job->stack);
    if (job->window < 1 || job->window > LOAD_WINDOW_OPS / 2)
        return REFUSE(why, job, window, "%u operations outstanding; write 1 to %d", job->window,
                      LOAD_WINDOW_OPS / 2);
    if (job->mode == JOB_OPEN && job_given(job, JOB(window)))
        return REFUSE(why, job, window,
                      "an open loop waits for nothing; leave it out, or write load.mode = closed");
    return check_plant(job, why);
}
static int check_sizes(struct job *job, const struct job_why *why)
{
    if (job->size < OP_BYTES_MIN)
        return REFUSE(why, job, size,
                      "%" PRIu64 " bytes; an operation has %u at least, for its number, its "
                      "intended time and its tag",
                      job->size, OP_BYTES_MIN);
    if (job->size > MSG_BYTES_MAX)
        return REFUSE(why, job, size, "%" PRIu64 " bytes; a message has %d at most", job->size,
                      MSG_BYTES_MAX);
    if (job->msg_copy_bytes > MSG_BYTES_MAX)
        return REFUSE(why, job, msg_copy_bytes, "more than the %d bytes of a message",
                      MSG_BYTES_MAX);
    if (job->metrics > UINT16_MAX)
        return REFUSE(why, job, metrics, "a port is 1 to %d, or 0 for none", UINT16_MAX);
    if (job->mtu > UINT16_MAX)
        return REFUSE(why, job, mtu, "an IP packet has %d bytes at most", UINT16_MAX);
    if (job->duration_ns == 0 || job->duration_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, duration_ns, "the measured interval must be 1 ns to a day");
    if (job->warmup_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, warmup_ns, "the warm-up must end; write a duration");
    if (job->drain_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, drain_ns, "the drain must end; write a duration");
    if (job->conf.instances > LOAD_WINDOW_OPS)
        return job_refuse(why, &job->place[job_key_of(CONF(instances)) - job_keys],
                          job_key_of(CONF(instances)), "a run checks %d open instances at most",
                          LOAD_WINDOW_OPS);
    return job_check_pool(job, why);
}

/* P takes who answers late for crashed, and its heartbeats wait behind what is queued in a link. */
static int check_beats(const struct job *job, const struct job_why *why)
{
    const struct stack_conf *c = &job->conf;
    for (const struct stack_layer *l = job->def->layers; l->name != NULL; l++)
        if (l->cls->implements == ABS_P && c->flight_msgs < c->ring_msgs / 4)
            return REFUSE(
                why, job, conf.flight_msgs,
                "%u: heartbeats of %s wait behind what is queued, and who answers late is "
                "taken for crashed; write a quarter of params.ring_msgs at least, %u",
                c->flight_msgs, l->name, c->ring_msgs / 4);
    return 0;
}

/* What a stack takes, and would be of no use. */
static int check_params(const struct job *job, const struct job_why *why)
{
    static const size_t periods[] = {CONF(rto_min_ns), CONF(rto_max_ns), CONF(heartbeat_ns),
                                     CONF(detect_ns)};
    const struct stack_conf *c = &job->conf;
    if (c->frame_records < 1 || c->frame_records > FRAME_RECORDS_MAX)
        return REFUSE(why, job, conf.frame_records, "%u records in a frame; write 1 to %d",
                      c->frame_records, FRAME_RECORDS_MAX);
    if (c->batch_events < 1 || c->batch_events > CO_BATCH_EVENTS)
        return REFUSE(why, job, conf.batch_events, "%u events in one call; write 1 to %d",
                      c->batch_events, CO_BATCH_EVENTS);
    if (c->ack_delay_ns > JOB_DURATION_MAX)
        return REFUSE(why, job, conf.ack_delay_ns,
                      "an acknowledgement must leave some time; write at most a day");
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        const uint64_t ns = *(const uint64_t *)((const char *)job + periods[i]);
        if (ns == 0 || ns > JOB_DURATION_MAX)
            return job_refuse(why, &job->place[job_key_of(periods[i]) - job_keys],
                              job_key_of(periods[i]), "it must be 1 ns to a day");
    }
    if (c->rto_min_ns > c->rto_max_ns)
        return REFUSE(why, job, conf.rto_min_ns,
                      "the least time before sending again is more than the longest; lower it, or "
                      "raise params.rto_max");
    return check_beats(job, why);
}
static int check_faults(struct job *job, const struct job_why *why)
{
    int err = 0;
    if (job->faults_file[0] != '\0')
        err = events_read(&job->faults, job->faults_file, why->text, why->size);
    job->faults_file[0] = '\0';
    if (err != 0)
        return err;
    return faults_check(&job->faults, (uint16_t)job->n, job->warmup_ns + job->duration_ns,
                        why->text, why->size);
}
/* A sentence of co_check_wiring() begins with the parameter that it is about, or with the stack. */
static int refuse_wiring(const struct job *job, const char *sentence, const struct job_why *why)
{
    size_t word = strcspn(sentence, " ");
    for (size_t i = 0; i < job_key_count; i++)
        if (strcmp(job_keys[i].section, "params") == 0 && strlen(job_keys[i].name) == word &&
            strncmp(job_keys[i].name, sentence, word) == 0)
            return job_refuse(why, &job->place[i], &job_keys[i], "%s", sentence);
    return REFUSE(why, job, stack, "%s", sentence);
}

int job_check(struct job *job, char *why, size_t why_size)
{
    const struct job_why w = {why, why_size};
    int err = check_stack(job, &w);
    if (err == 0)
        err = job_check_device(job, &w);
    if (err == 0)
        err = check_proposer(job, &w);
    if (err == 0)
        err = check_load(job, &w);
    if (err == 0)
        err = check_sizes(job, &w);
    if (err == 0)
        err = check_params(job, &w);
    if (err == 0)
        err = job_check_placement(job, &w);
    if (err == 0)
        err = check_faults(job, &w);
    if (err == 0)
        err = job_check_log(job, &w);
    if (err != 0)
        return err;
    job->conf.n = (uint16_t)job->n;
    job->conf.self = 0;
    job->conf.seed = job->seed;
    job->conf.cluster = job->cluster;
    job->conf.one_life = !job_logs(job);
    job->conf.msg_copy_bytes = (uint32_t)job->msg_copy_bytes;
    job->conf.forward = job->top->shape == LOAD_ONE_VALUE;
    char sentence[512];
    if (co_check_wiring(job->def, &load_class, &job->conf, sentence, sizeof sentence) != 0)
        return refuse_wiring(job, sentence, &w);
    return 0;
}
