/* SPDX-License-Identifier: BSD-3-Clause */
#include "fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- deciding -------------------------------------------------------------------------------- */

void fault_init(struct fault_engine *e, uint64_t seed, const struct fault_rule *rule,
                uint16_t rules)
{
    e->armed = 0;
    e->rules = rules;
    e->seed = seed;
    for (uint16_t i = 0; i < rules; i++) {
        e->rule[i] = rule[i];
        fault_arm(e, i, !rule[i].off);
    }
}

/* Random bits that belong to one frame and one use: splitmix64's finaliser over its name. */
static uint64_t bits_of(const struct fault_engine *e, uint16_t from, uint16_t to, uint64_t ordinal,
                        uint32_t use)
{
    uint64_t z =
        e->seed + 0x9e3779b97f4a7c15u * (((uint64_t)from << 48 | (uint64_t)to << 32) + use);
    for (int round = 0; round < 2; round++) {
        z += ordinal;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        z ^= z >> 31;
    }
    return z;
}

/* −log2(r / 2^32) for r ≥ 1, with 16 bits behind the point, by repeated squaring. */
static uint64_t minus_log2_q16(uint32_t r)
{
    int whole = 31 - __builtin_clz(r);
    uint64_t x = (uint64_t)r << (31 - whole); /* in [1, 2), 31 bits behind the point */
    uint64_t log = (uint64_t)whole << 16;
    for (int bit = 15; bit >= 0; bit--) {
        x = x * x >> 31;
        if (x >> 32 != 0) {
            x >>= 1;
            log |= 1ull << bit;
        }
    }
    return (32ull << 16) - log;
}

/* a × 2^e, e with 16 bits behind the point; saturates. */
static uint64_t times_exp2(uint64_t a, uint64_t e_q16)
{
    /* 2^(1/2), 2^(1/4) …, 31 bits behind the point */
    static const uint32_t root[16] = {0xb504f333u, 0x9837f051u, 0x8b95c1e3u, 0x85aac367u,
                                      0x82cd8698u, 0x8164d1f3u, 0x80b1ed4fu, 0x8058d7d2u,
                                      0x802c6436u, 0x8016302fu, 0x800b179cu, 0x80058bafu,
                                      0x8002c5d0u, 0x800162e6u, 0x8000b172u, 0x800058b9u};
    uint64_t whole = e_q16 >> 16;
    for (int i = 0; i < 16; i++)
        if (e_q16 >> (15 - i) & 1)
            a = (uint64_t)((unsigned __int128)a * root[i] >> 31);
    return a == 0 ? 0 : whole >= (uint64_t)__builtin_clzll(a) ? UINT64_MAX / 4 : a << whole;
}

uint64_t fault_delay(enum fault_law law, uint64_t a_ns, uint64_t b_ns, uint64_t bits)
{
    uint64_t d = a_ns;
    uint32_t r = (uint32_t)(bits >> 32) | 1;
    if (law == LAW_UNIFORM && b_ns > a_ns)
        d = a_ns + (uint64_t)((unsigned __int128)(b_ns - a_ns + 1) * bits >> 64);
    else if (law == LAW_EXPONENTIAL)
        d = (uint64_t)((unsigned __int128)a_ns * minus_log2_q16(r) * 45426 >> 32); /* ln 2, Q16 */
    else if (law == LAW_PARETO)
        d = times_exp2(a_ns, minus_log2_q16(r) * 2 / 3); /* u^(−1/1.5) */
    if (law >= LAW_EXPONENTIAL && b_ns > 0 && d > b_ns)
        d = b_ns;
    return d;
}

static bool crosses(const struct fault_rule *r, uint16_t from, uint16_t to)
{
    bool here = r->side >> from % 64 & 1, there = r->side >> to % 64 & 1;
    return r->kind == FAULT_PARTITION ? here != there : here && !there;
}

static void apply(const struct fault_engine *e, uint32_t i, uint16_t from, uint16_t to,
                  uint64_t ordinal, struct fault_fate *fate)
{
    const struct fault_rule *r = &e->rule[i];
    if ((r->from != FAULT_ANY && r->from != from) || (r->to != FAULT_ANY && r->to != to))
        return;
    if (r->kind == FAULT_PARTITION || r->kind == FAULT_ONEWAY) {
        fate->lost |= crosses(r, from, to);
        return;
    }
    uint64_t bits = bits_of(e, from, to, ordinal, i);
    if (r->kind != FAULT_DELAY && (uint32_t)((bits >> 32) * FAULT_PPM >> 32) >= r->ppm)
        return;
    bits = bits_of(e, from, to, ordinal, FAULT_RULES_MAX + i);
    if (r->kind == FAULT_DUPLICATE)
        fate->copies = 1;
    else if (r->kind == FAULT_CORRUPT)
        fate->corrupt = 1 + (uint32_t)(bits >> 48);
    else if (r->kind == FAULT_DELAY || r->kind == FAULT_REORDER)
        fate->delay_ns += fault_delay(r->law, r->a_ns, r->b_ns, bits);
    else
        fate->lost = true;
}

struct fault_fate fault_frame(const struct fault_engine *e, uint16_t from, uint16_t to,
                              uint64_t ordinal, uint64_t now_ns)
{
    struct fault_fate fate = {0};
    for (uint32_t armed = e->armed; armed != 0; armed &= armed - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(armed);
        const struct fault_rule *r = &e->rule[i];
        if (r->until_ns == 0 || (now_ns >= r->since_ns && now_ns < r->until_ns))
            apply(e, i, from, to, ordinal, &fate);
    }
    return fate;
}

/* ---- rules as text --------------------------------------------------------------------------- */

static const char *const kinds[FAULT_KINDS] = {[FAULT_LOSS] = "loss",
                                               [FAULT_DUPLICATE] = "duplicate",
                                               [FAULT_CORRUPT] = "corrupt",
                                               [FAULT_REORDER] = "reorder",
                                               [FAULT_DELAY] = "delay",
                                               [FAULT_PARTITION] = "partition",
                                               [FAULT_ONEWAY] = "oneway",
                                               [FAULT_SEND_OMIT] = "send-omit",
                                               [FAULT_RECEIVE_OMIT] = "receive-omit"};

static const char *const laws[LAWS] = {"constant", "uniform", "exponential", "pareto"};

static int refuse(char *why, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(char *why, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return -EINVAL;
}

static int find_word(const char *const *words, int count, const char *word)
{
    for (int i = 0; i < count; i++)
        if (words[i] != NULL && strcmp(words[i], word) == 0)
            return i;
    return -1;
}

bool fault_parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", 1000000000}};
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    uint64_t value = strtoull(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(end, units[i].unit) == 0) {
            *ns = value * units[i].ns;
            return value < UINT64_MAX / 4 / units[i].ns;
        }
    return false;
}

/* "10%", "0.5%": in millionths. */
static bool parse_percent(const char *text, uint32_t *ppm)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10) * 10000, scale = 1000;
    if (end == text || value > FAULT_PPM)
        return false;
    if (*end == '.')
        for (end++; *end >= '0' && *end <= '9' && scale > 0; end++, scale /= 10)
            value += (uint64_t)(*end - '0') * scale;
    *ppm = (uint32_t)value;
    return strcmp(end, "%") == 0 && value <= FAULT_PPM;
}

static bool parse_rank(const char *text, const char *stop, uint16_t *p)
{
    char *end;
    if (*text == '*') {
        *p = FAULT_ANY;
        return text + 1 == stop;
    }
    if (*text == 'p')
        text++;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    *p = (uint16_t)value;
    return end == stop && value < PROCS_MAX;
}

/* "0,1|2" or "0,1>2": the processes before the mark are one side, all others the other. */
static bool parse_sides(const char *text, char mark, struct fault_rule *r)
{
    while (*text != '\0') {
        uint16_t p;
        const char *stop = text + strcspn(text, ",|>");
        if (!parse_rank(text, stop, &p) || p == FAULT_ANY)
            return false;
        r->side |= 1ull << p % 64;
        if (*stop == mark || *stop == '\0')
            return true;
        text = stop + 1;
    }
    return false;
}

static bool parse_window(const char *text, struct fault_rule *r)
{
    char since[32];
    const char *dots = strstr(text, "..");
    if (dots == NULL || (size_t)(dots - text) >= sizeof since)
        return false;
    memcpy(since, text, (size_t)(dots - text));
    since[dots - text] = '\0';
    return fault_parse_time(since, &r->since_ns) && fault_parse_time(dots + 2, &r->until_ns) &&
           r->until_ns > r->since_ns;
}

static bool parse_edge(const char *word, struct fault_rule *r)
{
    const char *arrow = strstr(word, "->"), *end = word + strlen(word);
    if (arrow != NULL)
        return parse_rank(word, arrow, &r->from) && parse_rank(arrow + 2, end, &r->to);
    return parse_rank(word, end, r->kind == FAULT_RECEIVE_OMIT ? &r->to : &r->from);
}

/* One word of a rule behind its kind. False: it means nothing here. */
static bool parse_word(const char *word, struct fault_rule *r, int *times, bool isolate)
{
    uint64_t ns;
    int law = find_word(laws, LAWS, word);
    if (word[0] == '@')
        return parse_window(word + 1, r);
    if (r->kind == FAULT_PARTITION || r->kind == FAULT_ONEWAY)
        return parse_sides(word, isolate ? '\0' : r->kind == FAULT_ONEWAY ? '>' : '|', r);
    if (strchr(word, '%') != NULL)
        return r->kind != FAULT_DELAY && parse_percent(word, &r->ppm);
    bool delays = r->kind == FAULT_DELAY || r->kind == FAULT_REORDER;
    if (law >= 0) {
        r->law = (uint8_t)law;
        return delays;
    }
    if (delays && fault_parse_time(word, &ns)) {
        if ((*times)++ == 0)
            r->a_ns = ns;
        else
            r->b_ns = ns;
        return *times <= 2;
    }
    return parse_edge(word, r);
}

int fault_parse(const char *text, struct fault_rule *rule, char *why, size_t size)
{
    char copy[256], *save = NULL;
    if (strlen(text) >= sizeof copy)
        return refuse(why, size, "fault '%.20s…' is too long: at most %zu characters", text,
                      sizeof copy - 1);
    strcpy(copy, text);
    const char *word = strtok_r(copy, " \t", &save);
    bool isolate = word != NULL && strcmp(word, "isolate") == 0;
    int kind = word == NULL ? -1 : isolate ? FAULT_PARTITION : find_word(kinds, FAULT_KINDS, word);
    if (kind < 0)
        return refuse(why, size,
                      "fault '%s' is not known: loss, duplicate, corrupt, reorder, delay, "
                      "partition, oneway, isolate, send-omit or receive-omit",
                      word != NULL ? word : "");
    *rule = (struct fault_rule){.kind = (uint8_t)kind,
                                .from = FAULT_ANY,
                                .to = FAULT_ANY,
                                .ppm = FAULT_PPM};
    int times = 0;
    while ((word = strtok_r(NULL, " \t", &save)) != NULL)
        if (!parse_word(word, rule, &times, isolate))
            return refuse(why, size, "fault '%s': '%s' is not understood there", text, word);
    if ((kind == FAULT_DELAY || kind == FAULT_REORDER) && times == 0)
        return refuse(why, size, "fault '%s' lacks a time, such as 1ms", text);
    if ((kind == FAULT_PARTITION || kind == FAULT_ONEWAY) && rule->side == 0)
        return refuse(why, size, "fault '%s' lacks its sides, such as 0,1|2", text);
    return 0;
}

static int edge_text(uint16_t p, char *text, size_t size)
{
    return p == FAULT_ANY ? snprintf(text, size, "*") : snprintf(text, size, "%u", p);
}

int fault_text(const struct fault_rule *r, char *text, size_t size)
{
    size_t at = (size_t)snprintf(text, size, "%s", kinds[r->kind]);
    if (r->kind == FAULT_PARTITION || r->kind == FAULT_ONEWAY) {
        const char *sep = " ";
        for (uint16_t p = 0; p < 64; p++)
            if (r->side >> p & 1) {
                at += (size_t)snprintf(text + at, size - at, "%s%u", sep, p);
                sep = ",";
            }
        at += (size_t)snprintf(text + at, size - at, r->kind == FAULT_ONEWAY ? ">" : "|");
    } else {
        if (r->ppm != FAULT_PPM)
            at += (size_t)snprintf(text + at, size - at, " %u.%04u%%", r->ppm / 10000,
                                   r->ppm % 10000);
        if (r->kind == FAULT_DELAY || r->kind == FAULT_REORDER)
            at += (size_t)snprintf(text + at, size - at, " %s %" PRIu64 "ns %" PRIu64 "ns",
                                   laws[r->law], r->a_ns, r->b_ns);
        at += (size_t)snprintf(text + at, size - at, " ");
        at += (size_t)edge_text(r->from, text + at, size - at);
        at += (size_t)snprintf(text + at, size - at, "->");
        at += (size_t)edge_text(r->to, text + at, size - at);
    }
    if (r->until_ns != 0)
        at += (size_t)snprintf(text + at, size - at, " @%" PRIu64 "ns..%" PRIu64 "ns", r->since_ns,
                               r->until_ns);
    return (int)at;
}
