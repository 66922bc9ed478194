/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The text for Prometheus, read by a strict parser of the format (0.0.4): names, HELP and TYPE before
 * the first sample, labels, escapes, histograms that add up; and that it says what the board says.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/metrics.h"

#define S          1000000000ull
#define FAMILY_MAX 128

/* ---- a parser ---------------------------------------------------------------------------------------- */

struct family {
    char name[96];
    char type[16];
    bool help;
};

struct parser {
    struct family family[FAMILY_MAX];
    uint32_t families;
    uint32_t samples;
    /* Of the histogram that is being read. */
    double last_le;
    double last_bucket;
};

static bool is_name(const char *s, size_t len, bool colon)
{
    if (len == 0 || isdigit((unsigned char)s[0]))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_' && !(colon && s[i] == ':'))
            return false;
    return true;
}

static struct family *find(struct parser *p, const char *name, size_t len)
{
    for (uint32_t i = 0; i < p->families; i++)
        if (strlen(p->family[i].name) == len && strncmp(p->family[i].name, name, len) == 0)
            return &p->family[i];
    return NULL;
}

static void read_comment(struct parser *p, const char *line)
{
    char what[8], name[96];
    int at = 0;
    assert_int_equal(sscanf(line, "# %7s %95s %n", what, name, &at), 2);
    assert_true(is_name(name, strlen(name), true));
    struct family *f = find(p, name, strlen(name));
    if (strcmp(what, "HELP") == 0) {
        assert_null(f); /* once, and first */
        assert_true(line[at] != '\0');
        f = &p->family[p->families++];
        assert_in_range(p->families, 1, FAMILY_MAX - 1);
        snprintf(f->name, sizeof f->name, "%s", name);
        f->help = true;
        return;
    }
    assert_string_equal(what, "TYPE");
    assert_non_null(f);
    assert_ptr_equal(f, &p->family[p->families - 1]); /* a family stands together */
    assert_int_equal(f->type[0], '\0');
    snprintf(f->type, sizeof f->type, "%s", line + at);
    assert_true(strcmp(f->type, "gauge") == 0 || strcmp(f->type, "counter") == 0 ||
                strcmp(f->type, "histogram") == 0);
}

/* {name="value",…}: returns what is behind it; *le is set where it stands. */
static const char *read_labels(const char *s, double *le)
{
    assert_int_equal(*s++, '{');
    for (;;) {
        size_t len = strcspn(s, "=");
        char value[256];
        size_t at = 0;
        assert_true(is_name(s, len, false));
        bool is_le = len == 2 && strncmp(s, "le", 2) == 0;
        s += len + 1;
        assert_int_equal(*s++, '"');
        for (; *s != '"'; s++) {
            assert_true(*s != '\0' && *s != '\n');
            if (*s == '\\') {
                s++;
                assert_true(*s == '\\' || *s == '"' || *s == 'n');
            }
            assert_in_range(at, 0, sizeof value - 2);
            value[at++] = *s;
        }
        value[at] = '\0';
        if (is_le)
            *le = strtod(value, NULL);
        s++;
        if (*s == '}')
            return s + 1;
        assert_int_equal(*s++, ',');
    }
}

/* A sample belongs to the family above it; those of a histogram by their suffix. */
static void read_sample(struct parser *p, const char *line)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    size_t len = strcspn(line, "{ ");
    double le = -1;
    char *end;
    assert_true(is_name(line, len, true));
    struct family *f = &p->family[p->families - 1];
    size_t name = strlen(f->name);
    assert_true(p->families > 0 && f->type[0] != '\0');
    assert_true(strncmp(line, f->name, name) == 0);
    bool histogram = strcmp(f->type, "histogram") == 0, known = !histogram && len == name;
    for (size_t i = 0; histogram && i < 3; i++)
        known |= len == name + strlen(suffixes[i]) &&
                 strncmp(line + name, suffixes[i], strlen(suffixes[i])) == 0;
    assert_true(known);
    if (strcmp(f->type, "counter") == 0)
        assert_string_equal(f->name + name - 6, "_total");
    const char *rest = line + len;
    if (*rest == '{')
        rest = read_labels(rest, &le);
    assert_int_equal(*rest++, ' ');
    double value = strtod(rest, &end);
    assert_true(end != rest && *end == '\0');
    p->samples++;
    if (!histogram || le < 0) {
        if (histogram && strncmp(line + name, "_count", 6) == 0)
            assert_true(value == p->last_bucket); /* that of +Inf */
        p->last_le = p->last_bucket = histogram ? p->last_bucket : -1;
        if (histogram && strncmp(line + name, "_sum", 4) == 0)
            p->last_le = -1;
        return;
    }
    assert_true(le > p->last_le && value >= p->last_bucket); /* cumulative */
    p->last_le = le;
    p->last_bucket = value;
    if (strncmp(line + len, "{process", 8) == 0 && strstr(line, "+Inf") != NULL)
        assert_true(le > 1e300);
}

static void read_text(struct parser *p, char *text)
{
    memset(p, 0, sizeof *p);
    p->last_le = -1;
    size_t bytes = strlen(text);
    assert_true(bytes > 0 && text[bytes - 1] == '\n');
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (line[0] == '#') {
            p->last_bucket = -1;
            p->last_le = -1;
            read_comment(p, line);
        } else {
            if (strstr(line, "le=\"1e-06\"") != NULL) /* a new process: it begins anew */
                p->last_le = p->last_bucket = -1;
            read_sample(p, line);
        }
}

/* ---- a board ------------------------------------------------------------------------------------------- */

static struct job job;
static struct board *board;
static struct figures *figures;

static char *text_of_a_board(uint32_t n, const char *run)
{
    char why[512];
    assert_int_equal(job_read(&job, NULL, NULL, 0, why, sizeof why), 0);
    assert_int_equal(job_check(&job, why, sizeof why), 0);
    job.n = n; /* more than this machine's devices may take */
    job.conf.n = (uint16_t)n;
    board = board_open(n, 1, 64, 1, NULL);
    board->from_ns = 100 * S;
    board_put(&board->end_ns, 110 * S);
    struct board_row *row = board_row(board, 1);
    board_put(&row->issued, 4242);
    board_put(&row->counters[COUNT_drop_short], 7);
    board_put(&row->counters[COUNT_tx_retransmits], 9);
    for (uint32_t i = 0; i < 100; i++)
        hist_record(&row->decide, i < 90 ? 1500 : 3000000);
    struct co_post post = {.have = POST_TRUSTED | POST_LINKS, .trusted = 1, .waits = 1};
    post.link[2] = (struct post_link){.state = POST_LINK_UP,
                                      .flight = 5,
                                      .window = 1024,
                                      .rtt_ns = 1500,
                                      .resent = 3};
    post.wait[0] = (struct post_wait){.kind = POST_QUORUM,
                                      .missing = 5,
                                      .need = 2,
                                      .since_ns = 102 * S,
                                      .open = 1};
    for (size_t i = 0; i < BOARD_POST_WORDS; i++)
        row->post.word[i] = ((const uint64_t *)&post)[i];
    row->post.at_ns = 104 * S;
    row->post.version = 2;
    figures = figures_open(&job, board, run);
    char *text = metrics_text(figures, figures_lock(figures, 104 * S));
    figures_unlock(figures);
    assert_non_null(text);
    return text;
}

static void drop(char *text)
{
    free(text);
    figures_close(figures);
    board_close(board);
}

static void test_the_text_is_what_prometheus_reads(void **state)
{
    (void)state;
    static struct parser p;
    char *text = text_of_a_board(3, "runs/a");
    read_text(&p, text);
    assert_in_range(p.families, 30, FAMILY_MAX);
    assert_in_range(p.samples, 100, 2000);
    drop(text);
}

static void test_it_says_what_the_board_says(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "upon_run_info{run=\"runs/a\",stack=\"uc\",device=\"ring\",revision=",
        "\nupon_run_seconds 4.000\n",
        "\nupon_process_state{process=\"p1\",state=\"running\"} 1\n",
        "\nupon_process_state{process=\"p0\",state=\"starting\"} 1\n",
        "\nupon_process_leader{process=\"p1\"} 1\n",
        "\nupon_operations_issued_total{process=\"p1\"} 4242\n",
        "\nupon_tx_retransmits_total{process=\"p1\"} 9\n",
        "\nupon_drops_total{process=\"p1\",cause=\"short\"} 7\n",
        "\nupon_drops_total{process=\"p0\",cause=\"short\"} 0\n",
        "\nupon_link_flight_messages{process=\"p1\",peer=\"p2\"} 5\n",
        "\nupon_link_round_trip_seconds{process=\"p1\",peer=\"p2\"} 0.000001500\n",
        "\nupon_link_resent_total{process=\"p1\",peer=\"p2\"} 3\n",
        "\nupon_wait_seconds{process=\"p1\",layer=\"pl\",for=\"quorum\"} 2.000\n",
        "\nupon_wait_missing{process=\"p1\",layer=\"pl\",for=\"quorum\",peer=\"p0\"} 1\n",
        "\nupon_wait_missing{process=\"p1\",layer=\"pl\",for=\"quorum\",peer=\"p2\"} 1\n",
        "\nupon_latency_seconds_bucket{process=\"p1\",le=\"1e-06\"} 0\n",
        "\nupon_latency_seconds_bucket{process=\"p1\",le=\"2e-06\"} 90\n",
        "\nupon_latency_seconds_bucket{process=\"p1\",le=\"0.002\"} 90\n",
        "\nupon_latency_seconds_bucket{process=\"p1\",le=\"0.005\"} 100\n",
        "\nupon_latency_seconds_count{process=\"p1\"} 100\n",
    };
    char *text = text_of_a_board(3, "runs/a");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("there is no %s", lines[i]);
    const char *sum = strstr(text, "upon_latency_seconds_sum{process=\"p1\"} ");
    assert_non_null(sum);
    assert_float_equal(strtof(strchr(sum, ' '), NULL), 90 * 1.5e-6f + 10 * 3e-3f, 1e-4f);
    drop(text);
}

static void test_a_label_is_escaped(void **state)
{
    (void)state;
    static struct parser p;
    char *text = text_of_a_board(3, "runs/a\"b\\c\nd");
    assert_non_null(strstr(text, "{run=\"runs/a\\\"b\\\\c\\nd\","));
    read_text(&p, text);
    drop(text);
}

static void test_the_text_of_the_largest_run_is_far_below_its_bound(void **state)
{
    (void)state;
    static struct parser p;
    char *text = text_of_a_board(PSET_PROCS, "runs/a");
    assert_in_range(strlen(text), 5000, METRICS_BYTES_MAX / 4);
    assert_null(strstr(text, "upon_link_")); /* 64 × 63 links are not told one by one */
    read_text(&p, text);
    drop(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_text_is_what_prometheus_reads),
        cmocka_unit_test(test_it_says_what_the_board_says),
        cmocka_unit_test(test_a_label_is_escaped),
        cmocka_unit_test(test_the_text_of_the_largest_run_is_far_below_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
