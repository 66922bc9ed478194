/* SPDX-License-Identifier: BSD-3-Clause */
#include "fault.h"
#include "refuse.h"

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

/* Whom a set cannot name stands with those who are not named. */
static bool in_set(uint64_t set, uint16_t p)
{
    return p < FAULT_SET_PROCS && (set >> p & 1) != 0;
}

static bool crosses(const struct fault_rule *r, uint16_t from, uint16_t to)
{
    bool here = in_set(r->side, from), there = in_set(r->side, to);
    return r->kind == FAULT_PARTITION ? here != there : here && !there;
}

static bool leads(uint16_t rule_from, uint16_t rule_to, uint16_t from, uint16_t to)
{
    return (rule_from == FAULT_ANY || rule_from == from) && (rule_to == FAULT_ANY || rule_to == to);
}

/* Whether the rule can befall a frame from → to. */
static bool touches(const struct fault_rule *r, uint16_t from, uint16_t to)
{
    if (r->kind == FAULT_PARTITION || r->kind == FAULT_ONEWAY)
        return crosses(r, from, to);
    return !fault_of_disk(r) &&
           (leads(r->from, r->to, from, to) || (r->both && leads(r->from, r->to, to, from)));
}

bool fault_of_disk(const struct fault_rule *r)
{
    return r->kind == FAULT_DISK_SLOW || r->kind == FAULT_DISK_FAIL;
}

static bool happens(const struct fault_engine *e, uint32_t i, uint16_t from, uint16_t to,
                    uint64_t ordinal)
{
    const struct fault_rule *r = &e->rule[i];
    return r->ppm == FAULT_PPM ||
           (uint32_t)((bits_of(e, from, to, ordinal, i) >> 32) * FAULT_PPM >> 32) < r->ppm;
}

static void apply(const struct fault_engine *e, uint32_t i, uint16_t from, uint16_t to,
                  uint64_t ordinal, struct fault_fate *fate)
{
    const struct fault_rule *r = &e->rule[i];
    if (r->befalls != FAULT_ALL || !touches(r, from, to) || !happens(e, i, from, to, ordinal))
        return;
    switch (r->kind) {
    case FAULT_DUPLICATE:
        fate->copies = 1;
        break;
    case FAULT_CORRUPT:
        fate->corrupt = 1 + (uint32_t)(bits_of(e, from, to, ordinal, FAULT_RULES_MAX + i) >> 48);
        break;
    case FAULT_DELAY:
    case FAULT_REORDER:
        fate->delay_ns += fault_delay(r->law, r->a_ns, r->b_ns,
                                      bits_of(e, from, to, ordinal, FAULT_RULES_MAX + i));
        break;
    case FAULT_RATE:
        fate->limited |= 1u << i;
        break;
    default:
        fate->lost = true;
    }
}

static bool holds(const struct fault_rule *r, uint64_t now_ns)
{
    return r->until_ns == 0 || (now_ns >= r->since_ns && now_ns < r->until_ns);
}

struct fault_fate fault_frame(const struct fault_engine *e, uint16_t from, uint16_t to,
                              uint64_t ordinal, uint64_t now_ns)
{
    struct fault_fate fate = {0};
    for (uint32_t armed = e->armed; armed != 0; armed &= armed - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(armed);
        if (holds(&e->rule[i], now_ns))
            apply(e, i, from, to, ordinal, &fate);
    }
    return fate;
}

uint32_t fault_touching(const struct fault_engine *e, uint16_t from, uint16_t to)
{
    uint32_t touching = 0;
    for (uint32_t armed = e->armed; armed != 0; armed &= armed - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(armed);
        if (e->rule[i].befalls == FAULT_ALL && touches(&e->rule[i], from, to))
            touching |= 1u << i;
    }
    return touching;
}

struct fault_heartbeat_fate fault_heartbeats(const struct fault_engine *e, uint16_t from,
                                             uint16_t to, uint64_t ordinal, uint64_t now_ns)
{
    struct fault_heartbeat_fate fate = {0};
    bool for_good = false;
    for (uint32_t armed = e->armed; armed != 0; armed &= armed - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(armed);
        const struct fault_rule *r = &e->rule[i];
        if (r->befalls != FAULT_HEARTBEATS || !holds(r, now_ns) || !touches(r, from, to) ||
            !happens(e, i, from, to, ordinal))
            continue;
        fate.held = true;
        if (r->kind == FAULT_DELAY)
            fate.delay_ns += fault_delay(r->law, r->a_ns, r->b_ns,
                                         bits_of(e, from, to, ordinal, FAULT_RULES_MAX + i));
        else {
            for_good = true;
            uint64_t end = r->until_ns != 0 ? r->until_ns : UINT64_MAX;
            fate.until_ns = end > fate.until_ns ? end : fate.until_ns;
        }
    }
    if (for_good)
        fate.delay_ns = 0;
    return fate;
}

bool fault_token(const struct fault_rule *r, uint64_t *full_ns, uint64_t now_ns)
{
    uint64_t each = 1000000000 / r->per_s;
    if (*full_ns < now_ns)
        *full_ns = now_ns;
    if (*full_ns + each > now_ns + each * r->burst)
        return false;
    *full_ns += each;
    return true;
}

struct fault_disk_fate fault_disk(const struct fault_engine *e, uint16_t p, uint64_t ordinal,
                                  uint64_t now_ns)
{
    struct fault_disk_fate fate = {0};
    for (uint32_t armed = e->armed; armed != 0; armed &= armed - 1) {
        uint32_t i = (uint32_t)__builtin_ctz(armed);
        const struct fault_rule *r = &e->rule[i];
        if (!fault_of_disk(r) || !holds(r, now_ns) || (r->from != FAULT_ANY && r->from != p) ||
            !happens(e, i, p, p, ordinal))
            continue;
        if (r->kind == FAULT_DISK_FAIL)
            fate.fails = true;
        else
            fate.delay_ns += fault_delay(r->law, r->a_ns, r->b_ns,
                                         bits_of(e, p, p, ordinal, FAULT_RULES_MAX + i));
    }
    return fate;
}

/* ---- rules as text --------------------------------------------------------------------------- */

/* What may stand behind a kind. */
enum {
    TAKES_SHARE = 1, /* a probability */
    TAKES_LAW = 2,   /* a delay law, whose time is due */
    TAKES_SIDES = 4,
    TAKES_RATE = 8,
    TAKES_CLASS = 16,
    OF_ONE = 32, /* one process, no edge */
};

static const struct {
    const char *name;
    uint32_t takes;
} kinds[FAULT_KINDS] = {[FAULT_NONE] = {"", 0},
                        [FAULT_LOSS] = {"loss", TAKES_SHARE | TAKES_CLASS},
                        [FAULT_DUPLICATE] = {"duplicate", TAKES_SHARE},
                        [FAULT_CORRUPT] = {"corrupt", TAKES_SHARE},
                        [FAULT_REORDER] = {"reorder", TAKES_SHARE | TAKES_LAW},
                        [FAULT_DELAY] = {"delay", TAKES_LAW | TAKES_CLASS},
                        [FAULT_PARTITION] = {"partition", TAKES_SIDES | TAKES_CLASS},
                        [FAULT_ONEWAY] = {"oneway", TAKES_SIDES | TAKES_CLASS},
                        [FAULT_SEND_OMIT] = {"send-omit", TAKES_SHARE | TAKES_CLASS},
                        [FAULT_RECEIVE_OMIT] = {"receive-omit", TAKES_SHARE | TAKES_CLASS},
                        [FAULT_RATE] = {"rate", TAKES_RATE},
                        [FAULT_DISK_SLOW] = {"disk-slow", TAKES_SHARE | TAKES_LAW | OF_ONE},
                        [FAULT_DISK_FAIL] = {"disk-fail", TAKES_SHARE | OF_ONE}};

static const char *const laws[LAWS] = {"constant", "uniform", "exponential", "pareto"};

#define BURST_FRAMES 32 /* of a rate that does not say */

/* A rule that is being read. */
struct reading {
    struct fault_rule *r;
    uint32_t takes;
    int times;
    bool isolate;
    bool placed; /* its edge or sides were named */
    bool beyond; /* … by a process that no set can hold */
};

static int find_kind(const char *word)
{
    for (int i = 1; i < FAULT_KINDS; i++)
        if (strcmp(kinds[i].name, word) == 0)
            return i;
    return strcmp(word, "isolate") == 0 ? FAULT_PARTITION : -1;
}

static int find_law(const char *word)
{
    for (int i = 0; i < LAWS; i++)
        if (strcmp(laws[i], word) == 0)
            return i;
    return -1;
}

/*
 * A decimal number in units of 1/scale, as far as `end`; integers only, as in all that decides a
 * fate. False: there is none, or it is too large.
 */
static bool parse_decimal(const char *text, uint64_t scale, uint64_t *value, const char **end)
{
    char *stop;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    uint64_t whole = strtoull(text, &stop, 10);
    if (errno != 0 || whole > UINT64_MAX / 4 / scale)
        return false;
    *value = whole * scale;
    if (*stop == '.')
        for (stop++; *stop >= '0' && *stop <= '9'; stop++) {
            scale /= 10;
            *value += (uint64_t)(*stop - '0') * scale;
        }
    *end = stop;
    return true;
}

bool fault_parse_time(const char *text, uint64_t *ns)
{
    static const struct {
        const char *unit;
        uint64_t ns;
    } units[] = {{"ns", 1},         {"us", 1000},       {"ms", 1000000},
                 {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}};
    const char *end;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (parse_decimal(text, units[i].ns, ns, &end) && strcmp(end, units[i].unit) == 0)
            return true;
    return false;
}

/* "10%", "p=0.1": in millionths. */
static bool parse_share(const char *text, uint32_t *ppm)
{
    const char *end;
    uint64_t value;
    bool fraction = strncmp(text, "p=", 2) == 0;
    if (!parse_decimal(fraction ? text + 2 : text, fraction ? FAULT_PPM : FAULT_PPM / 100, &value,
                       &end))
        return false;
    *ppm = (uint32_t)value;
    return strcmp(end, fraction ? "" : "%") == 0 && value <= FAULT_PPM;
}

/* "500/s", "10k/s", "1.5M/s" */
static bool parse_rate(const char *text, uint32_t *per_s)
{
    static const struct {
        const char *unit;
        uint64_t scale;
    } units[] = {{"/s", 1}, {"k/s", 1000}, {"M/s", 1000000}};
    const char *end;
    uint64_t value;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (parse_decimal(text, units[i].scale, &value, &end) && strcmp(end, units[i].unit) == 0) {
            *per_s = (uint32_t)value;
            return value > 0 && value <= 1000000000;
        }
    return false;
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

/* "0,1" up to a mark or the end; returns where it stopped, NULL: it is none. */
static const char *parse_set(const char *text, uint64_t *set, struct reading *in)
{
    for (;;) {
        uint16_t p;
        const char *stop = text + strcspn(text, ",|>");
        if (!parse_rank(text, stop, &p) || p == FAULT_ANY)
            return NULL;
        in->beyond = p >= FAULT_SET_PROCS;
        if (in->beyond)
            return NULL;
        *set |= 1ull << p;
        if (*stop != ',')
            return stop;
        text = stop + 1;
    }
}

/* "0,1|2", "0,1>2": the processes before the mark are one side, all others the other. */
static bool parse_sides(const char *text, struct reading *in)
{
    struct fault_rule *r = in->r;
    const char mark = r->kind == FAULT_ONEWAY ? '>' : '|';
    const char *at = parse_set(text, &r->side, in);
    if (at == NULL || in->isolate || *at == '\0')
        return at != NULL && *at == '\0';
    if (*at != mark)
        return false;
    if (at[1] == '\0')
        return true;
    at = parse_set(at + 1, &r->other, in);
    return at != NULL && *at == '\0';
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

/* "0->1", "0-2", "1" */
static bool parse_edge(const char *word, struct reading *in)
{
    struct fault_rule *r = in->r;
    const char *dash = strchr(word, '-'), *end = word + strlen(word);
    if (dash == NULL)
        return parse_rank(word, end, r->kind == FAULT_RECEIVE_OMIT ? &r->to : &r->from);
    r->both = dash[1] != '>';
    return (in->takes & OF_ONE) == 0 && parse_rank(word, dash, &r->from) &&
           parse_rank(r->both ? dash + 1 : dash + 2, end, &r->to);
}

static bool parse_where(const char *word, struct reading *in)
{
    if (in->placed)
        return false;
    in->placed = true;
    return in->takes & TAKES_SIDES ? parse_sides(word, in) : parse_edge(word, in);
}

static bool parse_law(const char *word, struct reading *in)
{
    uint64_t *to = in->times == 0 ? &in->r->a_ns : &in->r->b_ns;
    int law = find_law(word);
    if (law < 0)
        return in->times++ < 2 && fault_parse_time(word, to);
    in->r->law = (uint8_t)law;
    return in->times == 0;
}

static bool parse_burst(const char *text, uint32_t *burst)
{
    const char *end;
    uint64_t value;
    if (!parse_decimal(text, 1, &value, &end) || *end != '\0' || value == 0 || value > 1000000)
        return false;
    *burst = (uint32_t)value;
    return true;
}

/* One word of a rule behind its kind. False: it means nothing here. */
static bool parse_word(const char *word, struct reading *in)
{
    uint64_t ns;
    if (word[0] == '@')
        return parse_window(word + 1, in->r);
    if (strncmp(word, "class=", 6) == 0) {
        in->r->befalls = FAULT_HEARTBEATS;
        return (in->takes & TAKES_CLASS) != 0 && strcmp(word + 6, "heartbeat") == 0;
    }
    if (strncmp(word, "burst=", 6) == 0)
        return (in->takes & TAKES_RATE) != 0 && parse_burst(word + 6, &in->r->burst);
    if (strchr(word, '%') != NULL || strncmp(word, "p=", 2) == 0)
        return (in->takes & TAKES_SHARE) != 0 && parse_share(word, &in->r->ppm);
    if (strstr(word, "/s") != NULL)
        return (in->takes & TAKES_RATE) != 0 && parse_rate(word, &in->r->per_s);
    if (find_law(word) >= 0 || fault_parse_time(word, &ns))
        return (in->takes & TAKES_LAW) != 0 && parse_law(word, in);
    return parse_where(word, in);
}

/* "0,1 | 2", "0 -> 1": no blanks around what joins two words. False: it is too long. */
static bool join_words(const char *text, char *copy, size_t size)
{
    size_t at = 0;
    bool joined = true;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == ' ' || *c == '\t') {
            const char *next = c + strspn(c, " \t");
            bool joins = strchr(",|>", *next) != NULL || strncmp(next, "->", 2) == 0;
            bool rank = strchr("0123456789*", next[next[0] == 'p']) != NULL;
            if (joins || (joined && (rank || at == 0))) /* '\0' joins: no blank at the end */
                continue;
        }
        if (at + 1 >= size)
            return false;
        copy[at++] = *c == '\t' ? ' ' : *c;
        joined = strchr(",|>", copy[at - 1]) != NULL;
    }
    copy[at] = '\0';
    return true;
}

static int refuse_kind(const char *word, char *why, size_t size)
{
    if (strcmp(word, "byzantine") == 0)
        return refuse(why, size, "fault 'byzantine' is reserved: no process lies on purpose yet");
    return refuse(why, size,
                  "fault '%s' is not known: loss, duplicate, corrupt, reorder, delay, rate, "
                  "partition, oneway, isolate, send-omit, receive-omit, disk-slow or disk-fail",
                  word);
}

/* Whether a law is given the times that it takes, the least one first. */
static int check_times(const char *text, const struct reading *in, char *why, size_t size)
{
    static const struct {
        int least, most;
        const char *times;
    } takes[LAWS] = {[LAW_CONSTANT] = {1, 1, "one time"},
                     [LAW_UNIFORM] = {2, 2, "two times, the least and the most"},
                     [LAW_EXPONENTIAL] = {1, 2,
                                          "its mean, and behind it the most, if there is one"},
                     [LAW_PARETO] = {1, 2, "the least, and behind it the most, if there is one"}};
    const struct fault_rule *r = in->r;
    if (in->times < takes[r->law].least || in->times > takes[r->law].most ||
        (in->times == 2 && r->b_ns < r->a_ns))
        return refuse(why, size, "fault '%s': the law %s takes %s", text, laws[r->law],
                      takes[r->law].times);
    return 0;
}

/* What is still missing, or does not agree. */
static int complete(const char *text, const struct reading *in, char *why, size_t size)
{
    const struct fault_rule *r = in->r;
    if ((in->takes & TAKES_LAW) != 0 && in->times == 0)
        return refuse(why, size, "fault '%s' lacks a time, such as 1ms", text);
    if ((in->takes & TAKES_LAW) != 0 && check_times(text, in, why, size) != 0)
        return -EINVAL;
    if ((in->takes & TAKES_SIDES) != 0 && r->side == 0)
        return refuse(why, size, "fault '%s' lacks its sides, such as 0,1|2", text);
    if ((in->takes & TAKES_RATE) != 0 && r->per_s == 0)
        return refuse(why, size, "fault '%s' lacks its rate, such as 10k/s", text);
    if ((r->side & r->other) != 0)
        return refuse(why, size,
                      "fault '%s' names p%d on both sides: nothing parts a process from itself",
                      text, __builtin_ctzll(r->side & r->other));
    if (r->from == r->to && r->from != FAULT_ANY)
        return refuse(why, size, "fault '%s': no frame goes from p%u to itself", text, r->from);
    return 0;
}

int fault_parse(const char *text, struct fault_rule *rule, char *why, size_t size)
{
    char copy[256], *save = NULL;
    if (!join_words(text, copy, sizeof copy))
        return refuse(why, size, "fault '%.20s…' is too long: at most %zu characters", text,
                      sizeof copy - 1);
    const char *word = strtok_r(copy, " ", &save);
    int kind = word != NULL ? find_kind(word) : -1;
    if (kind < 0)
        return refuse_kind(word != NULL ? word : "", why, size);
    *rule = (struct fault_rule){.kind = (uint8_t)kind,
                                .from = FAULT_ANY,
                                .to = FAULT_ANY,
                                .ppm = FAULT_PPM,
                                .burst = kind == FAULT_RATE ? BURST_FRAMES : 0};
    struct reading in = {.r = rule,
                         .takes = kinds[kind].takes,
                         .isolate = strcmp(word, "isolate") == 0};
    while ((word = strtok_r(NULL, " ", &save)) != NULL)
        if (!parse_word(word, &in))
            return in.beyond
                       ? refuse(why, size, "fault '%s': a side can name p0 to p%d alone", text,
                                FAULT_SET_PROCS - 1)
                       : refuse(why, size, "fault '%s': '%s' is not understood there", text, word);
    return complete(text, &in, why, size);
}

/* ---- whether it fits ------------------------------------------------------------------------- */

static int check_rank(uint16_t p, uint16_t n, char *why, size_t size)
{
    if (p == FAULT_ANY || p < n)
        return 0;
    return refuse(why, size, "p%u is not one of the %u processes: p0 to p%d", p, n, n - 1);
}

int fault_check(const struct fault_rule *r, uint16_t n, char *why, size_t size)
{
    uint64_t all = n >= FAULT_SET_PROCS ? UINT64_MAX : (1ull << n) - 1;
    int err = check_rank(r->from, n, why, size);
    if (err == 0)
        err = check_rank(r->to, n, why, size);
    uint64_t strange = (r->side | r->other) & ~all;
    if (err == 0 && strange != 0)
        err = check_rank((uint16_t)__builtin_ctzll(strange), n, why, size);
    if (err == 0 && r->side == all && n <= FAULT_SET_PROCS)
        err = refuse(why, size, "all %u processes stand on one side: leave one out", n);
    return err;
}

/* ---- writing --------------------------------------------------------------------------------- */

struct writing {
    char *text;
    size_t size;
    size_t at;
};

static void put(struct writing *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct writing *w, const char *format, ...)
{
    va_list args;
    if (w->at >= w->size)
        return;
    va_start(args, format);
    w->at += (size_t)vsnprintf(w->text + w->at, w->size - w->at, format, args);
    va_end(args);
}

static void put_set(struct writing *w, uint64_t set)
{
    for (const char *sep = ""; set != 0; set &= set - 1, sep = ",")
        put(w, "%s%d", sep, __builtin_ctzll(set));
}

static void put_rank(struct writing *w, uint16_t p)
{
    if (p == FAULT_ANY)
        put(w, "*");
    else
        put(w, "%u", p);
}

static void put_edge(struct writing *w, const struct fault_rule *r)
{
    if (r->from == FAULT_ANY && r->to == FAULT_ANY)
        return;
    put(w, " ");
    put_rank(w, r->from);
    if ((kinds[r->kind].takes & OF_ONE) != 0)
        return;
    put(w, r->both ? "-" : "->");
    put_rank(w, r->to);
}

/* Millionths as percent, with as many digits as it takes. */
static void put_share(struct writing *w, uint32_t ppm)
{
    uint32_t rest = ppm % 10000;
    int digits = 4;
    for (; rest != 0 && rest % 10 == 0; digits--)
        rest /= 10;
    if (rest != 0)
        put(w, " %u.%0*u%%", ppm / 10000, digits, rest);
    else
        put(w, " %u%%", ppm / 10000);
}

/* In the largest unit that divides it. */
static void put_time(struct writing *w, uint64_t ns)
{
    if (ns % 1000000000 == 0)
        put(w, "%" PRIu64 "s", ns / 1000000000);
    else if (ns % 1000000 == 0)
        put(w, "%" PRIu64 "ms", ns / 1000000);
    else if (ns % 1000 == 0)
        put(w, "%" PRIu64 "us", ns / 1000);
    else
        put(w, "%" PRIu64 "ns", ns);
}

int fault_time_text(uint64_t ns, char *text, size_t size)
{
    struct writing w = {text, size, 0};
    put_time(&w, ns);
    return (int)w.at;
}

int fault_text(const struct fault_rule *r, char *text, size_t size)
{
    struct writing w = {text, size, 0};
    put(&w, "%s", kinds[r->kind].name);
    if ((kinds[r->kind].takes & TAKES_SIDES) != 0) {
        put(&w, " ");
        put_set(&w, r->side);
        put(&w, r->kind == FAULT_ONEWAY ? ">" : "|");
        put_set(&w, r->other);
    }
    if (r->ppm != FAULT_PPM)
        put_share(&w, r->ppm);
    if (r->kind == FAULT_RATE)
        put(&w, " %u/s burst=%u", r->per_s, r->burst);
    if ((kinds[r->kind].takes & TAKES_LAW) != 0) {
        put(&w, " %s ", laws[r->law]);
        put_time(&w, r->a_ns);
        if (r->law == LAW_UNIFORM || (r->law != LAW_CONSTANT && r->b_ns != 0)) {
            put(&w, " ");
            put_time(&w, r->b_ns);
        }
    }
    put_edge(&w, r);
    if (r->befalls == FAULT_HEARTBEATS)
        put(&w, " class=heartbeat");
    if (r->until_ns != 0) {
        put(&w, " @");
        put_time(&w, r->since_ns);
        put(&w, "..");
        put_time(&w, r->until_ns);
    }
    return (int)w.at;
}
