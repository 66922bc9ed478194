/* SPDX-License-Identifier: BSD-3-Clause */
/* From processors and processes to lcores. */
#include "placement.h"
#include "refuse.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNPLACED UINT16_MAX

/* The first hardware thread of the core that `cpu` is one of. */
static int core_of(int cpu)
{
    char path[96];
    int first = cpu;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return cpu;
    if (fscanf(file, "%d", &first) != 1)
        first = cpu;
    fclose(file);
    return first;
}

/* The processors that we may use, one of each core first. Returns how many, at most `max`. */
static uint16_t usable(uint16_t *cpu, uint16_t max)
{
    cpu_set_t set;
    bool core_taken[CPU_SETSIZE] = {false}, taken[CPU_SETSIZE] = {false};
    uint16_t n = 0;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    for (int pass = 0; pass < 2; pass++)
        for (int c = 0; c < CPU_SETSIZE && n < max; c++) {
            if (!CPU_ISSET(c, &set) || taken[c])
                continue;
            int core = core_of(c);
            if (pass == 0 && core >= 0 && core < CPU_SETSIZE && core_taken[core])
                continue;
            if (core >= 0 && core < CPU_SETSIZE)
                core_taken[core] = true;
            taken[c] = true;
            cpu[n++] = (uint16_t)c;
        }
    return n;
}

static void spread(struct placement *p, const uint16_t *cpu, uint16_t cpus)
{
    p->lcores = cpus < p->n ? cpus : p->n;
    memcpy(p->cpu, cpu, p->lcores * sizeof cpu[0]);
    for (uint16_t i = 0; i < p->n; i++) {
        if (i < p->lcores || p->lcores == 1)
            p->lcore[i] = p->lcores == 1 ? 0 : i;
        else
            p->lcore[i] = (uint16_t)(1 + (i - 1) % (p->lcores - 1));
    }
}

static bool may_use(long cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET((int)cpu, &set);
}

/* A number, or "a-b". False when there is none. */
static bool parse_range(const char **s, long *first, long *last)
{
    char *end;
    if (!isdigit((unsigned char)**s))
        return false;
    *first = *last = strtol(*s, &end, 10);
    if (*end == '-' && isdigit((unsigned char)end[1]))
        *last = strtol(end + 1, &end, 10);
    *s = end;
    return *last >= *first;
}

static int parse_cpus(const char *s, uint16_t *cpu, uint16_t *cpus, char *why, size_t size)
{
    const char *all = s;
    for (*cpus = 0;;) {
        long first, last;
        if (!parse_range(&s, &first, &last) || (*s != '\0' && *s != ','))
            return refuse(why, size, "placement %s: a list of processors looks like 0,2-4", all);
        for (long c = first; c <= last; c++) {
            if (!may_use(c))
                return refuse(why, size,
                              "placement %s: processor %ld is not ours to use: see "
                              "`taskset -p $$`",
                              all, c);
            for (uint16_t i = 0; i < *cpus; i++)
                if (cpu[i] == c)
                    return refuse(why, size,
                                  "placement %s: processor %ld stands twice, and two "
                                  "threads must not poll on one",
                                  all, c);
            if (*cpus == PLACEMENT_LCORES_MAX)
                return refuse(why, size, "placement %s: at most %d processors", all,
                              PLACEMENT_LCORES_MAX);
            cpu[(*cpus)++] = (uint16_t)c;
        }
        if (*s == '\0')
            return 0;
        s++;
    }
}

/* The processes of one processor: "1,2". */
static int parse_ranks(struct placement *p, const char **s, const char *all, char *why, size_t size)
{
    for (;;) {
        long first, last;
        if (!parse_range(s, &first, &last))
            return refuse(why, size, "placement %s: it looks like CPU:RANK,RANK;CPU:RANK", all);
        for (long r = first; r <= last; r++) {
            if (r >= p->n)
                return refuse(why, size, "placement %s: there is no p%ld among %u processes", all,
                              r, p->n);
            if (p->lcore[r] != UNPLACED)
                return refuse(why, size, "placement %s: p%ld stands twice", all, r);
            p->lcore[r] = p->lcores;
        }
        if (**s != ',')
            return 0;
        (*s)++;
    }
}

static int parse_map(struct placement *p, const char *s, char *why, size_t size)
{
    const char *all = s;
    for (uint16_t i = 0; i < p->n; i++)
        p->lcore[i] = UNPLACED;
    for (p->lcores = 0;; s++) {
        char *end;
        long cpu = strtol(s, &end, 10);
        if (end == s || *end != ':')
            return refuse(why, size, "placement %s: it looks like CPU:RANK,RANK;CPU:RANK", all);
        s = end + 1;
        if (!may_use(cpu))
            return refuse(why, size,
                          "placement %s: processor %ld is not ours to use: see "
                          "`taskset -p $$`",
                          all, cpu);
        for (uint16_t k = 0; k < p->lcores; k++)
            if (p->cpu[k] == cpu)
                return refuse(why, size,
                              "placement %s: processor %ld stands twice, and two "
                              "threads must not poll on one",
                              all, cpu);
        if (p->lcores == PLACEMENT_LCORES_MAX)
            return refuse(why, size, "placement %s: at most %d processors", all,
                          PLACEMENT_LCORES_MAX);
        int err = parse_ranks(p, &s, all, why, size);
        if (err != 0)
            return err;
        p->cpu[p->lcores++] = (uint16_t)cpu;
        if (*s == '\0')
            break;
        if (*s != ';')
            return refuse(why, size, "placement %s: it looks like CPU:RANK,RANK;CPU:RANK", all);
    }
    for (uint16_t i = 0; i < p->n; i++)
        if (p->lcore[i] == UNPLACED)
            return refuse(why, size, "placement %s: p%u has no processor", all, i);
    return 0;
}

int placement_make(struct placement *p, uint16_t n, const char *want, char *why, size_t why_size)
{
    uint16_t cpu[PLACEMENT_LCORES_MAX], cpus;
    memset(p, 0, sizeof *p);
    p->n = n;
    if (n < 1 || n > PROCS_MAX)
        return refuse(why, why_size, "n = %u: a process set has 1 to %d processes", n, PROCS_MAX);
    if (want != NULL && strchr(want, ':') != NULL)
        return parse_map(p, want, why, why_size);
    if (want != NULL && *want != '\0') {
        int err = parse_cpus(want, cpu, &cpus, why, why_size);
        if (err != 0)
            return err;
    } else {
        cpus = usable(cpu, PLACEMENT_LCORES_MAX);
    }
    if (cpus == 0)
        return refuse(why, why_size, "no processor is ours to use: see `taskset -p $$`");
    spread(p, cpu, cpus);
    return 0;
}

void placement_even(struct placement *p)
{
    for (uint16_t i = 0; i < p->n; i++)
        p->lcore[i] = i % p->lcores;
}

void placement_text(const struct placement *p, char *text, size_t size)
{
    size_t at = 0;
    text[0] = '\0';
    for (uint16_t k = 0; k < p->lcores && at < size; k++) {
        at += (size_t)snprintf(text + at, size - at, "%scpu %u:", k > 0 ? "; " : "", p->cpu[k]);
        for (uint16_t i = 0; i < p->n && at < size; i++)
            if (p->lcore[i] == k)
                at += (size_t)snprintf(text + at, size - at, " p%u", i);
    }
}

bool placement_siblings_by(const struct placement *p, int (*core)(int cpu))
{
    int of[PLACEMENT_LCORES_MAX];
    for (uint16_t k = 0; k < p->lcores; k++) {
        of[k] = core(p->cpu[k]);
        for (uint16_t i = 0; i < k; i++)
            if (of[i] == of[k])
                return true;
    }
    return false;
}

bool placement_siblings(const struct placement *p)
{
    return placement_siblings_by(p, core_of);
}

bool placement_shared(const struct placement *p)
{
    return p->lcores < p->n || placement_siblings(p);
}
