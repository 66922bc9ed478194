/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a job fits its device and this machine, and what they are told of it. */
#include "job_keys.h"

#include <inttypes.h>
#include <string.h>

#include "dataplane/placement.h"
#include "eal_words.h"
#include "topology.h"

#define POOL_PEER_PKTS  1024 /* on their way to a peer, at least */
#define POOL_PEER_SHARE 4    /* of what is kept for a peer, one in so many has its own packet */
#define POOL_PEERS_MAX  24   /* that are behind at a time: memory is finite too */
#define POOL_PKTS_MAX   (16u << 20)

/* A word of device.eal that prints a text and ends the process. */
static int check_eal_words(const struct job *job, const struct job_why *why)
{
    for (const char *w = job->eal_args; *w != '\0'; w += strcspn(w, " \t")) {
        w += strspn(w, " \t");
        size_t len = strcspn(w, " \t=");
        if ((w[0] == '-' && w[1] == 'h') ||
            (len >= 4 && len <= 6 && strncmp(w, "--help", len) == 0))
            return REFUSE(why, job, eal_args,
                          "%.*s asks DPDK for its usage, and a run shall run; leave it out",
                          (int)len, w);
    }
    return 0;
}

static int check_netns(const struct job *job, const struct job_why *why)
{
    if (job->device_netns[0] != '\0' && strcmp(job->device, "af_packet") != 0 &&
        strcmp(job->device, "tap") != 0)
        return REFUSE(why, job, device_netns,
                      "device %s has no kernel interface to stand in a namespace; leave it out",
                      job->device);
    return 0;
}

/* Where nothing would come of it. */
static int check_ring(const struct job *job, const struct job_why *why)
{
    const bool ring = strcmp(job->device, "ring") == 0;
    const bool alone = ring || strcmp(job->device, "null") == 0;
    if (alone && job->device_args[0] != '\0')
        return REFUSE(why, job, device_args, "device %s takes no argument; leave it out",
                      job->device);
    if (alone && job->device_topology[0] != '\0')
        return REFUSE(why, job, device_topology,
                      "no frame of device %s carries an address; leave it out", job->device);
    if (ring && job->checksum == JOB_CHECKSUM_ON)
        return REFUSE(why, job, checksum,
                      "frames over ring have no headers, and no checksum; write auto, or off");
    return 0;
}

/* The first %p is replaced by the rank, and no other. */
static int check_marks(const struct job *job, const struct job_why *why)
{
    static const size_t names[] = {JOB(device_args), JOB(device_netns)};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = (const char *)job + names[i], *mark = strstr(text, "%p");
        if (mark != NULL && strstr(mark + 2, "%p") != NULL)
            return job_refuse(why, &job->place[job_key_of(names[i]) - job_keys],
                              job_key_of(names[i]),
                              "\"%s\": the rank can stand in it once; leave one %%p", text);
    }
    return 0;
}

static int check_device_keys(const struct job *job, const struct job_why *why)
{
    int err = check_eal_words(job, why);
    if (err == 0)
        err = check_netns(job, why);
    if (err == 0)
        err = check_ring(job, why);
    return err != 0 ? err : check_marks(job, why);
}

static int check_topology(struct job *job, const struct job_why *why)
{
    char sentence[512];
    if (job->device_topology[0] != '\0' && topology_read(job->device_topology, (uint16_t)job->n,
                                                         job->addr, sentence, sizeof sentence) != 0)
        return REFUSE(why, job, device_topology, "%s", sentence);
    return 0;
}

static int check_device(const struct job *job, const struct job_why *why)
{
    char list[256] = "";
    size_t at = 0;
    const char *name;
    for (uint32_t i = 0; (name = fabric_device_name(i)) != NULL && at < sizeof list; i++) {
        if (strcmp(name, job->device) == 0)
            return check_device_keys(job, why);
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", at > 0 ? " " : "", name);
    }
    return REFUSE(why, job, device, "there is no device \"%s\"; there are %s", job->device, list);
}

int job_check_device(struct job *job, const struct job_why *why)
{
    int err = check_device(job, why);
    return err != 0 ? err : check_topology(job, why);
}
/* What a stack may store, twice over, since it answers with as much; and what is on its way. */
static uint64_t pool_min(const struct job *job)
{
    uint64_t instances = job->conf.instances, msgs = job->conf.store_msgs;
    uint64_t kept = job->conf.ring_msgs / POOL_PEER_SHARE;
    uint64_t peers = job->n < POOL_PEERS_MAX ? job->n : POOL_PEERS_MAX;
    return 2 * (instances > msgs ? instances : msgs) +
           peers * (kept > POOL_PEER_PKTS ? kept : POOL_PEER_PKTS);
}
/* What is chosen for a job is refused to nobody who writes it. */
int job_check_pool(const struct job *job, const struct job_why *why)
{
    static const size_t of[] = {CONF(store_msgs), CONF(ring_msgs)};
    uint64_t least = pool_min(job);
    if (job->pool != 0 && job->pool < least)
        return REFUSE(why, job, pool,
                      "%u packets; with these params it takes %" PRIu64
                      " at least, or 0 for enough",
                      job->pool, least);
    const struct job_key *k = job_key_of(of[job->conf.ring_msgs > job->conf.store_msgs]);
    if (least > POOL_PKTS_MAX)
        return job_refuse(why, &job->place[k - job_keys], k,
                          "a process would need %" PRIu64 " packets, and can have %u; lower it",
                          least, POOL_PKTS_MAX);
    return 0;
}
/* Whether "section.key" is the first word of the text. */
static bool names_key(const char *text, const struct job_key *k)
{
    char name[64];
    size_t len = (size_t)snprintf(name, sizeof name, "%s.%s", k->section, k->name);
    return strcspn(text, " ") == len && strncmp(text, name, len) == 0;
}

/* The first of these keys that was given; NULL: none was. */
static const struct job_key *first_given(const struct job *job, const char *names)
{
    for (; *names != '\0'; names += strspn(names, " ")) {
        for (size_t i = 0; i < job_key_count; i++)
            if (names_key(names, &job_keys[i]) && job->place[i].file[0] != '\0')
                return &job_keys[i];
        names += strcspn(names, " ");
    }
    return NULL;
}

/* "job.size job.mtu": one of these is to be put right. It stands where the first of them that was
 * given does, or else where the device does. */
static int refuse_named(const struct job *job, const char *names, const struct job_why *why,
                        const char *sentence)
{
    const struct job_key *k = first_given(job, names);
    if (k == NULL)
        k = job_key_of(JOB(device));
    return job_refuse(why, &job->place[k - job_keys], k, "%s", sentence);
}

void job_blame_memory(const struct job *job, char *why, size_t why_size)
{
    const struct job_why w = {why, why_size};
    char sentence[640];
    const struct job_key *k = first_given(job, "job.pool params.ring_msgs params.store_msgs "
                                               "params.instances job.mtu job.n");
    if (k == NULL)
        return;
    snprintf(sentence, sizeof sentence, "%s", why);
    job_refuse(&w, &job->place[k - job_keys], k, "%s", sentence);
}

const char *job_device_args(const struct job *job, char sockets[JOB_SOCKETS_BYTES])
{
    if (strcmp(job->device, "memif") != 0 || job->device_args[0] != '\0')
        return job->device_args;
    snprintf(sockets, JOB_SOCKETS_BYTES, "@upon-%08" PRIx32, job->conf.cluster);
    return sockets;
}

struct fabric_conf job_fabric(const struct job *job, const uint16_t *self, uint16_t selves)
{
    return (struct fabric_conf){.device = job->device,
                                .args = job->device_args,
                                .netns = job->device_netns,
                                .n = (uint16_t)job->n,
                                .self = self,
                                .selves = selves,
                                .mtu = (uint32_t)job->mtu,
                                .msg_bytes = (uint32_t)job->size,
                                .pool_pkts = job->pool,
                                .pool_least = (uint32_t)pool_min(job),
                                .checksum = job_checksum(job),
                                .addr = job->device_topology[0] != '\0' ? job->addr : NULL};
}

bool job_apart(const struct job *job)
{
    return fabric_device_apart(job->device) &&
           (strcmp(job->device, "eal") != 0 || strstr(job->eal_args, "%p") != NULL);
}

/* What it asks for, for placement_make(); NULL: nothing. */
static const char *job_cores(const struct job *job)
{
    return strcmp(job->cores, "auto") == 0 ? NULL : job->cores;
}

/* What the k-th lcore's OS process would have; or the only one, where the device reaches no other. */
static int check_node(const struct job *job, const struct placement *place, uint16_t k,
                      const struct job_why *why)
{
    const bool apart = job_apart(job);
    uint16_t self[PSET_PROCS], selves = 0;
    char sentence[640];
    const char *key;
    for (uint16_t p = 0; p < job->n; p++)
        if (!apart || place->lcore[p] == k)
            self[selves++] = p;
    if (selves == 0)
        return 0;
    struct eal_words words;
    if (!eal_words_make(&words, job->eal_args, self, selves))
        return REFUSE(why, job, eal_args,
                      "more than %d words for DPDK, or more than %d bytes, for %u processes; leave "
                      "some out",
                      EAL_WORDS_MAX, EAL_WORDS_BYTES, selves);
    char sockets[JOB_SOCKETS_BYTES];
    struct fabric_conf conf = job_fabric(job, self, selves);
    conf.args = job_device_args(job, sockets);
    if (fabric_check(&conf, &key, sentence, sizeof sentence) != 0)
        return refuse_named(job, key, why, sentence);
    return 0;
}

static int check_nodes(const struct job *job, const struct placement *place,
                       const struct job_why *why)
{
    int err = 0;
    for (uint16_t k = 0; k < (job_apart(job) ? place->lcores : 1) && err == 0; k++)
        err = check_node(job, place, k, why);
    return err;
}

/* On this machine's processors. */
int job_check_placement(const struct job *job, const struct job_why *why)
{
    struct placement place;
    char sentence[512];
    if (job_place(job, &place, sentence, sizeof sentence) != 0)
        return REFUSE(why, job, cores, "%s", sentence);
    return check_nodes(job, &place, why);
}

int job_place(const struct job *job, struct placement *place, char *why, size_t why_size)
{
    char text[1024];
    const struct job_why unsaid = {text, sizeof text};
    int err = placement_make(place, (uint16_t)job->n, job_cores(job), why, why_size);
    if (err != 0 || strchr(job->cores, ':') != NULL || check_nodes(job, place, &unsaid) == 0)
        return err;
    struct placement even = *place;
    placement_even(&even);
    if (check_nodes(job, &even, &unsaid) == 0)
        *place = even;
    return 0;
}

bool job_checksum(const struct job *job)
{
    static const char *const memory[] = {"ring", "null", "memif"};
    if (job->checksum != JOB_CHECKSUM_AUTO)
        return job->checksum == JOB_CHECKSUM_ON;
    for (size_t i = 0; i < sizeof memory / sizeof memory[0]; i++)
        if (strcmp(memory[i], job->device) == 0)
            return false;
    return true;
}
