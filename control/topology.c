/* SPDX-License-Identifier: BSD-3-Clause */
#include "topology.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_ether.h>

#include "dataplane/refuse.h"
#include "dataplane/wire_headers.h"
#include "number.h"

#define LINE_BYTES 256

struct reader {
    const char *path;
    uint32_t line;
    uint32_t said[PROCS_MAX]; /* the line that told of a process; 0: none */
    uint16_t n;
    struct fabric_addr *addr;
    char *why;
    size_t why_size;
};

#define REFUSE(r, format, ...) \
    refuse((r)->why, (r)->why_size, "%s, line %u: " format, (r)->path, (r)->line, __VA_ARGS__)

static int take_rank(struct reader *r, const char *word, uint16_t *rank)
{
    uint64_t p;
    if (word[0] != 'p' || !number_parse(word + 1, &p) || p >= r->n)
        return REFUSE(r, "\"%s\" is none of the processes p0 to p%u", word, r->n - 1);
    if (r->said[p] != 0)
        return REFUSE(r, "p%u stands in line %u already", (unsigned)p, r->said[p]);
    r->said[p] = r->line;
    *rank = (uint16_t)p;
    return 0;
}

static int take_ip(struct reader *r, const char *word, struct in_addr *ip)
{
    if (word == NULL || inet_pton(AF_INET, word, ip) != 1)
        return REFUSE(r, "\"%s\" is no IPv4 address such as 192.0.2.10", word != NULL ? word : "");
    uint32_t first = ntohl(ip->s_addr) >> 24;
    if (first == 0 || first >= 224)
        return REFUSE(r, "%s is no address of one host", word);
    return 0;
}

static int take_mac(struct reader *r, const char *word, struct ether_addr *mac)
{
    if (word == NULL)
        return 0;
    struct rte_ether_addr a;
    if (rte_ether_unformat_addr(word, &a) != 0 || !rte_is_valid_assigned_ether_addr(&a))
        return REFUSE(r, "\"%s\" is no MAC address of one interface, such as 02:00:00:00:00:0a",
                      word);
    memcpy(mac, &a, sizeof a);
    return 0;
}

static int take_port(struct reader *r, const char *word, uint16_t *port)
{
    uint64_t v = *port;
    if (word != NULL && (!number_parse(word, &v) || v < 1 || v > UINT16_MAX))
        return REFUSE(r, "\"%s\" is no UDP port from 1 to 65535", word);
    *port = (uint16_t)v;
    return 0;
}

static int take_line(struct reader *r, char *text)
{
    char *rest, *word[5] = {NULL};
    uint16_t rank = 0;
    text[strcspn(text, "#\n")] = '\0';
    for (int i = 0; i < 5; i++)
        word[i] = strtok_r(i == 0 ? text : NULL, " \t\r", &rest);
    if (word[0] == NULL)
        return 0;
    int err = take_rank(r, word[0], &rank);
    struct fabric_addr *a = &r->addr[rank];
    if (err == 0)
        err = take_ip(r, word[1], &a->ip);
    if (err == 0)
        err = take_mac(r, word[2], &a->mac);
    if (err == 0)
        err = take_port(r, word[3], &a->udp_port);
    if (err == 0 && word[4] != NULL)
        err = REFUSE(r, "\"%s\" is too much: rank, IPv4, MAC, UDP port", word[4]);
    return err;
}

/* Who shares an address and a port would get the other's frames. */
static int check_distinct(struct reader *r)
{
    for (uint16_t p = 0; p < r->n; p++)
        for (uint16_t q = 0; q < p; q++)
            if (r->addr[p].ip.s_addr == r->addr[q].ip.s_addr &&
                r->addr[p].udp_port == r->addr[q].udp_port) {
                r->line = r->said[p] != 0 ? r->said[p] : r->said[q];
                return REFUSE(r, "p%u and p%u have the same address and port", q, p);
            }
    return 0;
}

int topology_read(const char *path, uint16_t n, struct fabric_addr *addr, char *why,
                  size_t why_size)
{
    struct reader r = {.path = path, .n = n, .addr = addr, .why = why, .why_size = why_size};
    char line[LINE_BYTES];
    int err = 0;
    for (uint16_t p = 0; p < n; p++) {
        addr[p] = wire_addr_default(p);
        addr[p].mac = (struct ether_addr){0};
    }
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return refuse_as(why, why_size, -errno, "the topology %s: %s", path, strerror(errno));
    while (err == 0 && fgets(line, sizeof line, f) != NULL) {
        r.line++;
        if (strchr(line, '\n') == NULL && strlen(line) == sizeof line - 1)
            err = REFUSE(&r, "the line is longer than %d characters", LINE_BYTES - 2);
        else
            err = take_line(&r, line);
    }
    if (err == 0 && ferror(f))
        err = refuse_as(why, why_size, -EIO, "the topology %s cannot be read", path);
    fclose(f);
    return err == 0 ? check_distinct(&r) : err;
}
