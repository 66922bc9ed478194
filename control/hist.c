/* SPDX-License-Identifier: BSD-3-Clause */
#include "hist.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zlib.h>

/* Values of one slot share all bits from this one on. */
static uint32_t slot_shift(uint32_t slot)
{
    uint32_t group = slot >> HIST_HALF_SHIFT;
    return group < 2 ? 0 : group - 1;
}

static uint64_t slot_high(uint32_t slot)
{
    uint32_t shift = slot_shift(slot);
    return ((uint64_t)(slot - (shift << HIST_HALF_SHIFT) + 1) << shift) - 1;
}

uint64_t hist_slot_top(uint64_t value)
{
    return slot_high(hist_slot(value));
}

void hist_add(struct hist *to, const struct hist *from)
{
    uint64_t groups = __atomic_load_n(&from->groups, __ATOMIC_RELAXED);
    to->groups |= groups;
    for (; groups != 0; groups &= groups - 1) {
        uint32_t first = (uint32_t)__builtin_ctzll(groups) << HIST_HALF_SHIFT;
        for (uint32_t s = first; s < first + (1u << HIST_HALF_SHIFT); s++)
            to->count[s] += __atomic_load_n(&from->count[s], __ATOMIC_RELAXED);
    }
    uint64_t max = __atomic_load_n(&from->max, __ATOMIC_RELAXED);
    if (max > to->max)
        to->max = max;
}

void hist_since(struct hist *h, struct hist *before)
{
    uint64_t top = 0, max = h->max;
    for (uint32_t s = 0; s < HIST_SLOTS; s++) {
        if ((h->groups >> (s >> HIST_HALF_SHIFT) & 1) == 0)
            continue;
        uint64_t now = h->count[s];
        h->count[s] = now - before->count[s];
        before->count[s] = now;
        if (h->count[s] > 0)
            top = slot_high(s);
    }
    before->groups = h->groups;
    before->max = max;
    h->max = max < top ? max : top;
}

uint64_t hist_count(const struct hist *h)
{
    uint64_t total = 0;
    for (uint32_t s = 0; s < HIST_SLOTS; s++)
        total += h->count[s];
    return total;
}

uint64_t hist_count_to(const struct hist *h, uint64_t value)
{
    uint64_t total = 0;
    uint32_t end = hist_slot(value < HIST_VALUE_MAX ? value : HIST_VALUE_MAX);
    for (uint32_t s = 0; s <= end; s++)
        total += h->count[s];
    return total;
}

double hist_sum(const struct hist *h)
{
    double sum = 0;
    for (uint32_t s = 0; s < HIST_SLOTS; s++) {
        if ((h->groups >> (s >> HIST_HALF_SHIFT) & 1) == 0 || h->count[s] == 0)
            continue;
        double width = (double)(1ull << slot_shift(s));
        sum += (double)h->count[s] * ((double)slot_high(s) - (width - 1) / 2);
    }
    return sum;
}

bool hist_percentile(const struct hist *h, double percent, uint64_t *value)
{
    uint64_t total = hist_count(h), seen = 0;
    uint64_t rank = (uint64_t)ceil((double)total * (percent / 100) - 1e-6);
    if (rank == 0)
        rank = 1;
    if (total < rank + 10)
        return false;
    for (uint32_t s = 0; s < HIST_SLOTS; s++) {
        seen += h->count[s];
        if (seen >= rank) {
            *value = slot_high(s) < h->max ? slot_high(s) : h->max;
            return true;
        }
    }
    return false;
}

/* ---- export ---------------------------------------------------------------------------------- */

#define V2_COOKIE            0x1c849313u
#define V2_COMPRESSED_COOKIE 0x1c849314u
#define V2_HEADER_BYTES      40
#define LEB_BYTES_MAX        9
#define SIGNIFICANT_DIGITS   3

struct bytes {
    uint8_t *data;
    size_t len;
};

static void put_be(struct bytes *b, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        b->data[b->len++] = (uint8_t)(v >> (8 * i));
}

/* ZigZag LEB128 of at most nine bytes: the ninth carries eight bits. */
static void put_zigzag(struct bytes *b, int64_t value)
{
    uint64_t v = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
    for (int i = 0; i < LEB_BYTES_MAX - 1 && v >= 0x80; i++) {
        b->data[b->len++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    b->data[b->len++] = (uint8_t)v;
}

/* Counts from slot 0 to the last that is used; a run of zeros is its negated length. */
static void put_counts(struct bytes *b, const struct hist *h)
{
    uint32_t end = HIST_SLOTS;
    while (end > 0 && h->count[end - 1] == 0)
        end--;
    for (uint32_t s = 0; s < end;) {
        uint32_t zeros = 0;
        while (s + zeros < end && h->count[s + zeros] == 0)
            zeros++;
        if (zeros > 0)
            put_zigzag(b, zeros > 1 ? -(int64_t)zeros : 0);
        s += zeros;
        if (s < end)
            put_zigzag(b, (int64_t)h->count[s++]);
    }
}

static void encode_v2(struct bytes *b, const struct hist *h)
{
    const double ratio = 1.0;
    uint64_t ratio_bits;
    memcpy(&ratio_bits, &ratio, sizeof ratio_bits);
    put_be(b, V2_COOKIE, 4);
    struct bytes length = {b->data + b->len, 0};
    put_be(b, 0, 4); /* of the counts: written below */
    put_be(b, 0, 4); /* normalizing index offset */
    put_be(b, SIGNIFICANT_DIGITS, 4);
    put_be(b, 1, 8); /* lowest discernible value */
    put_be(b, HIST_VALUE_MAX, 8);
    put_be(b, ratio_bits, 8);
    put_counts(b, h);
    put_be(&length, b->len - V2_HEADER_BYTES, 4);
}

static void put_base64(FILE *out, const uint8_t *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)p[i] << 16 | (i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0) |
                     (i + 2 < n ? p[i + 2] : 0u);
        putc(digits[v >> 18], out);
        putc(digits[v >> 12 & 63], out);
        putc(i + 1 < n ? digits[v >> 6 & 63] : '=', out);
        putc(i + 2 < n ? digits[v & 63] : '=', out);
    }
}

static int put_interval(FILE *out, const struct hist *h, const char *tag, double seconds)
{
    size_t raw_max = V2_HEADER_BYTES + (size_t)HIST_SLOTS * LEB_BYTES_MAX;
    uLongf packed_bytes = compressBound(raw_max);
    struct bytes raw = {malloc(raw_max), 0}, packed = {malloc(packed_bytes + 8), 0};
    int err = -ENOMEM;
    if (raw.data != NULL && packed.data != NULL) {
        encode_v2(&raw, h);
        if (compress(packed.data + 8, &packed_bytes, raw.data, raw.len) == Z_OK) {
            put_be(&packed, V2_COMPRESSED_COOKIE, 4);
            put_be(&packed, packed_bytes, 4);
            fprintf(out, "Tag=%s,0.000,%.3f,%.3f,", tag, seconds, (double)h->max / 1e6);
            put_base64(out, packed.data, packed_bytes + 8);
            putc('\n', out);
            err = 0;
        }
    }
    free(raw.data);
    free(packed.data);
    return err;
}

int hist_log_write(FILE *out, const struct hist *const hists[], const char *const tags[],
                   uint32_t count, double start_unix, double seconds)
{
    char date[64];
    time_t t = (time_t)start_unix;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &tm);
    fprintf(out,
            "#[Logged by upon; values in nanoseconds, Interval_Max in milliseconds]\n"
            "#[Histogram log format version 1.3]\n"
            "#[StartTime: %.3f (seconds since epoch), %s]\n"
            "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\","
            "\"Interval_Compressed_Histogram\"\n",
            start_unix, date);
    for (uint32_t i = 0; i < count; i++) {
        int err = put_interval(out, hists[i], tags[i], seconds);
        if (err != 0)
            return err;
    }
    return ferror(out) ? -EIO : 0;
}
