/* SPDX-License-Identifier: BSD-3-Clause */
#include "diagram.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LEFT       70.0 /* where lanes begin */
#define RIGHT      60.0 /* beyond the last column */
#define COLUMN     74.0
#define COLUMN_MIN 44.0 /* of a long execution */
#define LANE       92.0 /* between two lanes, labels apart */
#define ROW        15.0 /* of labels above a lane */
#define GLYPH      6.4  /* width of one, at 11 px */
#define ROWS_MAX   8

struct drawing {
    FILE *f;
    const struct spacetime *s;
    uint64_t first, last;
    double *x;     /* of each happening's column; < 0: it is not drawn */
    double *row_y; /* of each happening's label, above its lane */
    double y[PROCS_MAX];
    double right;
    double bottom;
    double width; /* of a column */
    uint32_t columns;
};

/* ---- text ------------------------------------------------------------------------------------ */

static void put_text(FILE *f, const char *text)
{
    for (; *text != '\0'; text++)
        switch (*text) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            if ((unsigned char)*text >= 0x20)
                fputc(*text, f);
        }
}

static uint32_t glyphs(const char *text)
{
    uint32_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* ---- laying out ------------------------------------------------------------------------------ */

static bool labelled(const struct happening *h)
{
    return h->kind != HAPPENS_SEND && h->kind != HAPPENS_RECEIVE;
}

static bool drawn(const struct drawing *d, const struct happening *h)
{
    return h->choice >= d->first && h->choice <= d->last && !h->bare;
}

static void lay_out_columns(struct drawing *d)
{
    uint64_t choice = 0;
    for (uint32_t i = 0; i < d->s->happenings; i++)
        if (drawn(d, &d->s->happening[i]) &&
            (d->columns == 0 || d->s->happening[i].choice != choice)) {
            choice = d->s->happening[i].choice;
            d->columns++;
        }
    d->width = d->columns > 40 ? COLUMN_MIN : COLUMN;
    uint32_t column = 0;
    for (uint32_t i = 0; i < d->s->happenings; i++) {
        const struct happening *h = &d->s->happening[i];
        d->x[i] = -1;
        if (!drawn(d, h))
            continue;
        if (column == 0 || h->choice != choice)
            column++;
        choice = h->choice;
        d->x[i] = LEFT + ((double)column - 0.5) * d->width;
    }
    d->right = LEFT + (double)d->columns * d->width + RIGHT;
}

/* Labels of a lane that would overlap stand in rows above each other. Returns how many rows. */
static uint32_t lay_out_labels(struct drawing *d, uint16_t p)
{
    double end[ROWS_MAX];
    uint32_t rows = 0;
    for (uint32_t r = 0; r < ROWS_MAX; r++)
        end[r] = 0;
    for (uint32_t i = 0; i < d->s->happenings; i++) {
        const struct happening *h = &d->s->happening[i];
        if (d->x[i] < 0 || h->p != p || !labelled(h))
            continue;
        double half = glyphs(h->text) * GLYPH / 2 + 3;
        uint32_t row = 0;
        while (row + 1 < ROWS_MAX && d->x[i] - half < end[row])
            row++;
        end[row] = d->x[i] + half;
        d->row_y[i] = 14 + row * ROW;
        rows = row + 1 > rows ? row + 1 : rows;
        if (d->x[i] + half > d->right)
            d->right = d->x[i] + half;
    }
    return rows;
}

static void lay_out(struct drawing *d, double top)
{
    double y = top;
    lay_out_columns(d);
    for (uint16_t p = 0; p < d->s->w->n; p++) {
        uint32_t rows = lay_out_labels(d, p);
        y += (p == 0 ? 20 : LANE) + rows * ROW;
        d->y[p] = y;
    }
    d->bottom = y;
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static void lane_part(struct drawing *d, uint16_t p, double from, double to, bool alive)
{
    fprintf(d->f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
            alive ? "lane" : "dead", from, d->y[p], to, d->y[p]);
}

/* A lane is solid while the process lives. */
static void draw_lane(struct drawing *d, uint16_t p)
{
    double from = LEFT - 14, end = d->right - 14;
    bool alive = true;
    for (uint32_t i = 0; i < d->s->happenings; i++) {
        const struct happening *h = &d->s->happening[i];
        bool turn = h->kind == HAPPENS_CRASH || h->kind == HAPPENS_RECOVERY;
        if (h->p != p || !turn || h->choice > d->last)
            continue;
        if (d->x[i] > from) {
            lane_part(d, p, from, d->x[i], alive);
            from = d->x[i];
        }
        alive = h->kind == HAPPENS_RECOVERY;
    }
    lane_part(d, p, from, end, alive);
    if (alive)
        fprintf(d->f, "<path class=\"tip\" d=\"M%.1f %.1f l-8 -4 v8 z\"/>\n", end + 6, d->y[p]);
    fprintf(d->f,
            "<text class=\"process\" x=\"%.1f\" y=\"%.1f\">p<tspan dy=\"3\" "
            "font-size=\"11\">%u</tspan></text>\n",
            LEFT - 46, d->y[p] + 5, p);
}

static void draw_columns(struct drawing *d)
{
    double last = -1;
    for (uint32_t i = 0; i < d->s->happenings; i++) {
        if (d->x[i] < 0 || d->x[i] == last)
            continue;
        last = d->x[i];
        fprintf(d->f,
                "<line class=\"guide\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
                "<text class=\"step\" x=\"%.1f\" y=\"%.1f\">%" PRIu64 "</text>\n",
                last, d->y[0], last, d->bottom + 18, last, d->bottom + 31,
                d->s->happening[i].choice);
    }
    fprintf(d->f, "<text class=\"step\" x=\"%.1f\" y=\"%.1f\">choice</text>\n", LEFT - 34,
            d->bottom + 31);
}

/* ---- arrows ---------------------------------------------------------------------------------- */

struct way {
    double x0, y0, x1, y1;
    const char *class;
};

/* Where an arrow runs. False: no part of it lies in the window. */
static bool way_of(const struct drawing *d, const struct flight *l, struct way *w)
{
    const struct happening *sent = &d->s->happening[l->sent];
    bool arrives = l->received != FLIGHT_OPEN && d->s->happening[l->received].choice <= d->last;
    if (l->bare || sent->choice > d->last)
        return false;
    *w = (struct way){d->x[l->sent], d->y[l->from], 0, d->y[l->to], "arrow"};
    if (w->x0 < 0) { /* it comes from before the window */
        if (!arrives || d->x[l->received] < 0)
            return false;
        w->x0 = LEFT - 14;
        w->class = "arrow open";
    }
    if (arrives) {
        w->x1 = d->x[l->received];
        return true;
    }
    /* Part of the way: lost, or still under way when the window ends. */
    double share = l->lost ? 0.45 : 0.3, reach = d->width * (l->lost ? 1.0 : 1.4);
    w->class = l->lost ? "arrow lost" : "arrow open";
    w->x1 = w->x0 + share * reach;
    w->y1 = w->y0 + share * (w->y1 - w->y0);
    return true;
}

/* An arrow that passes a lane is bowed, so that it is not taken for two arrows. */
static double bow_of(const struct flight *l)
{
    return abs((int)l->from - (int)l->to) > 1 ? 22 : 0;
}

/* The point at a share `t` of a way that is bowed. */
static void point_of(const struct way *w, double bow, double t, double *x, double *y)
{
    double dx = w->x1 - w->x0, dy = w->y1 - w->y0, length = sqrt(dx * dx + dy * dy) + 1e-9;
    double side = dy > 0 ? 1 : -1;
    *x = w->x0 + t * dx + 2 * t * (1 - t) * bow * side * dy / length;
    *y = w->y0 + t * dy - 2 * t * (1 - t) * bow * side * dx / length;
}

/*
 * What a frame says, along its arrow, where it fits. Nearer to the upper lane: above the lower one
 * stand the labels of what happens there.
 */
static void draw_message(struct drawing *d, const struct flight *l, const struct way *w)
{
    const char *text = d->s->happening[l->sent].text;
    double dx = w->x1 - w->x0, dy = w->y1 - w->y0, length = sqrt(dx * dx + dy * dy);
    bool whole = l->received != FLIGHT_OPEN, far = bow_of(l) > 0;
    if (length < 1 || length * (whole ? 1.2 : 0.9) < glyphs(text) * 5.4)
        return;
    double t = far ? 0.64 : 0.42, x, y, x2, y2;
    if (dy < 0)
        t = 1 - t;
    point_of(w, bow_of(l), t, &x, &y);
    point_of(w, bow_of(l), t + 0.01, &x2, &y2);
    fprintf(d->f,
            "<text class=\"message\" transform=\"translate(%.1f %.1f) rotate(%.1f)\" "
            "dy=\"-4\">",
            x, y, atan2(y2 - y, x2 - x) * 180 / M_PI);
    put_text(d->f, text);
    fputs("</text>\n", d->f);
}

static void draw_arrow(struct drawing *d, const struct flight *l, const struct way *w)
{
    double x, y; /* the control point of the curve: twice as far out as its middle */
    point_of(w, 2 * bow_of(l), 0.5, &x, &y);
    fprintf(d->f, "<path class=\"%s\" d=\"M%.1f %.1f Q%.1f %.1f %.1f %.1f\"%s/>\n", w->class, w->x0,
            w->y0, x, y, w->x1, w->y1,
            l->received != FLIGHT_OPEN && w->y1 == d->y[l->to] ? " marker-end=\"url(#head)\"" : "");
    if (l->lost)
        fprintf(d->f, "<path class=\"loss\" d=\"M%.1f %.1f l8 8 m0 -8 l-8 8\"/>\n", w->x1 - 4,
                w->y1 - 4);
}

static void draw_arrows(struct drawing *d, bool words)
{
    struct way w;
    for (uint32_t i = 0; i < d->s->flights; i++) {
        const struct flight *l = &d->s->flight[i];
        if (!way_of(d, l, &w))
            continue;
        if (words)
            draw_message(d, l, &w);
        else
            draw_arrow(d, l, &w);
    }
}

/* ---- what happens at a process --------------------------------------------------------------- */

static const char *const class_of[] = {[HAPPENS_REQUEST] = "request",
                                       [HAPPENS_INDICATION] = "indication",
                                       [HAPPENS_DETECTION] = "detection",
                                       [HAPPENS_SEND] = "",
                                       [HAPPENS_RECEIVE] = "",
                                       [HAPPENS_CRASH] = "crash",
                                       [HAPPENS_RECOVERY] = "recovery",
                                       [HAPPENS_IN_VAIN] = "recovery",
                                       [HAPPENS_PAUSE] = "pause"};

static void draw_symbol(struct drawing *d, uint8_t kind, double x, double y)
{
    switch (kind) {
    case HAPPENS_CRASH:
        fprintf(d->f, "<path class=\"cross\" d=\"M%.1f %.1f l14 14 m0 -14 l-14 14\"/>\n", x - 7,
                y - 7);
        return;
    case HAPPENS_DETECTION:
        fprintf(d->f, "<path class=\"detection\" d=\"M%.1f %.1f l6 10 h-12 z\"/>\n", x, y - 6);
        return;
    case HAPPENS_REQUEST:
        fprintf(d->f, "<rect class=\"request\" x=\"%.1f\" y=\"%.1f\" width=\"9\" height=\"9\"/>\n",
                x - 4.5, y - 4.5);
        return;
    case HAPPENS_RECOVERY:
    case HAPPENS_IN_VAIN:
    case HAPPENS_PAUSE:
        fprintf(d->f, "<circle class=\"recovery\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n", x, y);
        return;
    case HAPPENS_INDICATION:
        fprintf(d->f, "<circle class=\"indication\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\"/>\n", x, y);
        return;
    default:
        fprintf(d->f, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n", x, y);
    }
}

static void draw_happening(struct drawing *d, uint32_t i)
{
    const struct happening *h = &d->s->happening[i];
    double x = d->x[i], y = d->y[h->p];
    draw_symbol(d, h->kind, x, y);
    if (!labelled(h))
        return;
    if (d->row_y[i] > 14)
        fprintf(d->f, "<line class=\"leader\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
                x, y - 7, x, y - d->row_y[i] + 3);
    fprintf(d->f, "<text class=\"label %s-text\" x=\"%.1f\" y=\"%.1f\">", class_of[h->kind], x,
            y - d->row_y[i]);
    put_text(d->f, h->text);
    fputs("</text>\n", d->f);
}

/* ---- the page -------------------------------------------------------------------------------- */

static const char style[] =
    "<style>\n"
    "text{font-family:'DejaVu Sans',Verdana,sans-serif;font-size:11px;fill:#222}\n"
    ".title{font-size:15px;font-weight:bold}.caption{font-size:12px;fill:#a01818}\n"
    ".process{font-size:16px;font-style:italic}\n"
    ".lane{stroke:#333;stroke-width:1.6}.dead{stroke:#bbb;stroke-width:1.2;"
    "stroke-dasharray:2 5}.tip{fill:#333}\n"
    ".guide{stroke:#eee;stroke-width:1}.step{font-size:9px;fill:#999;text-anchor:middle}\n"
    ".arrow{stroke:#3465a4;stroke-width:1.3;fill:none}.open{stroke-dasharray:5 4}\n"
    ".lost{stroke:#c44}.loss{stroke:#c22;stroke-width:1.8;fill:none}\n"
    ".label{text-anchor:middle;paint-order:stroke;stroke:#fff;stroke-width:4px;"
    "stroke-linejoin:round}\n"
    ".message{text-anchor:middle;font-size:9.5px;fill:#33557f;paint-order:stroke;stroke:#fff;"
    "stroke-width:3.5px;stroke-linejoin:round}\n"
    ".leader{stroke:#bbb;stroke-width:.8}.dot{fill:#333}\n"
    ".request{fill:#204a87}.request-text{fill:#204a87}\n"
    ".indication{fill:#2e7d32}.indication-text{fill:#1b5e20}\n"
    ".detection{fill:#e08a00}.detection-text{fill:#9a5b00}\n"
    ".recovery{fill:#fff;stroke:#333;stroke-width:1.5}\n"
    ".cross{stroke:#c00;stroke-width:3;fill:none}.crash-text{fill:#c00;font-weight:bold}\n"
    "</style>\n"
    "<defs><marker id=\"head\" markerWidth=\"9\" markerHeight=\"8\" refX=\"9\" refY=\"4\" "
    "orient=\"auto\" markerUnits=\"userSpaceOnUse\"><path d=\"M0 0.5 L9 4 L0 7.5 z\" "
    "fill=\"#3465a4\"/></marker></defs>\n";

static void draw_legend(struct drawing *d)
{
    static const struct {
        uint8_t kind;
        const char *text;
    } entry[] = {{HAPPENS_REQUEST, "request"},
                 {HAPPENS_INDICATION, "indication"},
                 {HAPPENS_DETECTION, "detector, epoch"},
                 {HAPPENS_CRASH, "crash"}};
    double x = LEFT, y = d->bottom + 58;
    for (size_t i = 0; i < RTE_DIM(entry); i++) {
        draw_symbol(d, entry[i].kind, x, y - 4);
        fprintf(d->f, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", x + 12, y, entry[i].text);
        x += 34 + glyphs(entry[i].text) * GLYPH;
    }
    fprintf(d->f,
            "<line class=\"arrow\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
            "marker-end=\"url(#head)\"/><text x=\"%.1f\" y=\"%.1f\">message</text>\n",
            x, y - 4, x + 26, y - 4, x + 32, y);
    x += 94;
    fprintf(d->f,
            "<line class=\"arrow lost\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
            "<path class=\"loss\" d=\"M%.1f %.1f l8 8 m0 -8 l-8 8\"/>"
            "<text x=\"%.1f\" y=\"%.1f\">lost</text>\n",
            x, y - 4, x + 20, y - 4, x + 18, y - 8, x + 32, y);
    x += 72;
    fprintf(d->f,
            "<line class=\"arrow open\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%.1f\" y=\"%.1f\">in flight beyond the window</text>\n",
            x, y - 4, x + 26, y - 4, x + 32, y);
    if (x + 220 > d->right)
        d->right = x + 220;
}

/* Lines of at most `width` glyphs, broken at blanks. Draws them if `f`; returns how many. */
static uint32_t wrap(FILE *f, const char *text, uint32_t width, double y)
{
    uint32_t lines = 0;
    while (*text != '\0') {
        const char *end = text, *blank = NULL;
        uint32_t n = 0;
        for (; *end != '\0' && n <= width; end++) {
            n += ((unsigned char)*end & 0xc0) != 0x80;
            if (*end == ' ')
                blank = end;
        }
        if (*end != '\0' && blank != NULL)
            end = blank;
        char line[1024];
        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        if (f != NULL) {
            fprintf(f, "<text class=\"caption\" x=\"24\" y=\"%.1f\">", y + lines * 16.0);
            put_text(f, line);
            fputs("</text>\n", f);
        }
        lines++;
        text = *end == ' ' ? end + 1 : end;
    }
    return lines;
}

static void draw_page(struct drawing *d, const struct diagram_conf *conf)
{
    uint32_t lines = conf->caption != NULL ? wrap(NULL, conf->caption, 96, 0) : 0;
    lay_out(d, 46 + lines * 16.0);
    double wide = d->right < 760 ? 760 : d->right;
    d->right = d->right < 420 ? 420 : d->right;
    fprintf(d->f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
            "width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n%s"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
            "<text class=\"title\" x=\"24\" y=\"28\">",
            wide, d->bottom + 76, wide, d->bottom + 76, style);
    put_text(d->f, conf->title != NULL ? conf->title : "");
    fputs("</text>\n", d->f);
    if (conf->caption != NULL)
        wrap(d->f, conf->caption, 96, 48);
    draw_columns(d);
    for (uint16_t p = 0; p < d->s->w->n; p++)
        draw_lane(d, p);
    draw_arrows(d, false);
    draw_arrows(d, true);
    for (uint32_t i = 0; i < d->s->happenings; i++)
        if (d->x[i] >= 0)
            draw_happening(d, i);
    draw_legend(d);
    fputs("</svg>\n", d->f);
}

int diagram_write(const char *path, const struct spacetime *s, const struct diagram_conf *conf)
{
    struct drawing d = {.s = s, .first = conf->first, .last = conf->last};
    if (d.last == 0)
        d.last = UINT64_MAX;
    bool any = false;
    for (uint32_t i = 0; i < s->happenings; i++)
        any |= drawn(&d, &s->happening[i]);
    if (!any)
        return -ENODATA;
    d.x = calloc(s->happenings, sizeof d.x[0]);
    d.row_y = calloc(s->happenings, sizeof d.row_y[0]);
    d.f = d.x != NULL && d.row_y != NULL ? fopen(path, "w") : NULL;
    int err = d.f == NULL ? -errno : 0;
    if (err == 0) {
        draw_page(&d, conf);
        err = ferror(d.f) != 0 ? -EIO : 0;
        if (fclose(d.f) != 0 && err == 0)
            err = -errno;
    }
    free(d.x);
    free(d.row_y);
    return err;
}
