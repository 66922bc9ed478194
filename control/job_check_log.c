/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a job fits its logs. */
#include "job_keys.h"

#include <inttypes.h>
#include <string.h>

#include "storage.h"

#define LOG_SIZE_MIN     (4ull << 20)
#define LOG_SIZE_MAX     (16ull << 30) /* segments have 32-bit sizes */
#define LOG_RECORD_BYTES 64            /* of a record, in front of an operation: name and headers */

#define LEDGER_ALL          (1u << 24) /* log-deliveries that are remembered, of all processes */
#define LEDGER_SPARE        65536      /* … of a process, beyond what is expected */
#define CLOSED_STORED_PER_S 3e5        /* more than a closed loop over disks will do */

bool job_logs(const struct job *job)
{
    for (const struct stack_layer *l = job->def->layers; l->name != NULL; l++)
        if (l->cls->recover != NULL)
            return true;
    return false;
}

/* Log-deliveries of a process that are expected. */
static double stored_in_all(const struct job *job)
{
    double per_s = job->mode == JOB_OPEN ? job->rate : CLOSED_STORED_PER_S;
    return per_s * (double)(job->warmup_ns + job->duration_ns) / 1e9;
}

uint64_t job_ledger_most(const struct job *job)
{
    return LEDGER_ALL / job->n;
}

uint32_t job_ledger(const struct job *job)
{
    if (!job_logs(job))
        return 0;
    double most = (double)job_ledger_most(job);
    double want = (double)job->told_before + stored_in_all(job) * 1.1 + LEDGER_SPARE;
    return (uint32_t)(want < most ? want : most);
}

bool job_keeps_logs(const struct job *job)
{
    return job->log_keep != 0 || job->log_reuse != 0;
}

/* A node that is started again goes on from what the run remembers. What a closed loop comes to is
 * not known beforehand: where it is too much, the node says so (load_can_recover()). */
static int check_restart(const struct job *job, const struct job_why *why)
{
    const uint64_t all = job->n == 64 ? UINT64_MAX : (1ull << job->n) - 1;
    if (!job_logs(job))
        return REFUSE(why, job, restart,
                      "stack %s keeps nothing in a log that a process could recover from; choose "
                      "lurb or luc",
                      job->stack);
    if (!job_apart(job))
        return REFUSE(why, job, restart,
                      "over %s all processes live in one OS process; choose memif or af_packet",
                      job->device);
    if (job->top->logged == LOAD_LOG_DELIVERS && job->sources == all)
        return REFUSE(why, job, restart,
                      "stack %s does not store what a source requests, so a source cannot recover, "
                      "and here everybody is one; write job.proposer = leader, or choose lurb",
                      job->stack);
    if (job->mode == JOB_OPEN && stored_in_all(job) > job_ledger(job))
        return REFUSE(why, job, restart,
                      "%.0f operations are more than the %u of a process that a run remembers, so "
                      "it could not recover; lower load.rate or job.duration",
                      stored_in_all(job), job_ledger(job));
    return 0;
}

/* A compaction begins when a log is half full: what must be stored again, and what waits in front of
 * it, has to fit in the other half. */
static int check_log_holds(struct job *job, const struct job_why *why)
{
    struct stack_conf conf = job->conf;
    conf.n = (uint16_t)job->n;
    uint32_t records = co_wire_stores(job->def, &load_class, &conf);
    uint64_t least = storage_least(records, (uint32_t)job->size + LOG_RECORD_BYTES);
    uint64_t mib = (least + (1 << 20) - 1) >> 20;
    if (job->log_size < least && !job_given(job, JOB(log_size)) && mib << 20 <= LOG_SIZE_MAX)
        job->log_size = mib << 20;
    if (job->log_size < least)
        return REFUSE(why, job, log_size,
                      "%" PRIu64 " bytes; half of it must hold what stack %s may keep and have on "
                      "its way, %u records of %" PRIu64 " bytes; write %" PRIu64
                      "MiB or more, or lower job.size, params.instances or params.store_msgs",
                      job->log_size, job->stack, records, job->size, mib);
    return 0;
}

int job_check_log(struct job *job, const struct job_why *why)
{
    for (size_t i = 0; i < job_key_count && !job_logs(job); i++)
        if (strcmp(job_keys[i].section, "log") == 0 && job_given(job, job_keys[i].offset))
            return job_refuse(
                why, &job->place[i], &job_keys[i],
                "stack %s keeps nothing in a log; leave [log] out, or choose lurb or luc",
                job->stack);
    int err = job->restart > 0 ? check_restart(job, why) : 0;
    if (err != 0)
        return err;
    if (job->log_reuse && job->log_dir[0] == '\0')
        return REFUSE(why, job, log_reuse,
                      "a run's own folder holds no logs to go on with; give log.dir");
    if (job->log_size < LOG_SIZE_MIN || job->log_size > LOG_SIZE_MAX)
        return REFUSE(why, job, log_size, "a log has %lluMiB to %lluGiB", LOG_SIZE_MIN >> 20,
                      LOG_SIZE_MAX >> 30);
    return job_logs(job) ? check_log_holds(job, why) : 0;
}
