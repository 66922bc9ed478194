// SPDX-License-Identifier: BSD-3-Clause
// The only C++ of the tree: Google Benchmark's registration, arguments, counters and manual time.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench.h"
#include "bench_revision.h"

struct bench_out {
    benchmark::State *state;
};

void bench_put(struct bench_out *out, const char *name, double value)
{
    out->state->counters[name] = value;
}

static double quantile(std::vector<double> v, double q)
{
    if (v.empty())
        return 0;
    std::sort(v.begin(), v.end());
    double at = q * static_cast<double>(v.size() - 1);
    auto low = static_cast<size_t>(at);
    size_t high = std::min(low + 1, v.size() - 1);
    return v[low] + (v[high] - v[low]) * (at - static_cast<double>(low));
}

static void run_bench(benchmark::State &state, const struct bench *b)
{
    int64_t args[BENCH_ARGS] = {};
    for (int i = 0; i < BENCH_ARGS && b->case_count > 0 && b->arg_names[i] != nullptr; i++)
        args[i] = state.range(static_cast<size_t>(i));
    const char *why = "it cannot run here";
    void *ctx = b->open(args, &why);
    if (ctx == nullptr) {
        state.SkipWithError(why);
        return;
    }
    std::vector<double> floor, floor2, subject, ratio, ratio2;
    if (b->floor != nullptr)
        b->floor(ctx);
    b->subject(ctx); // both are warm
    bool floor_first = true;
    for (auto _ : state) {
        double f = 0;
        if (b->floor != nullptr && floor_first)
            f = b->floor(ctx);
        double s = b->subject(ctx);
        if (b->floor != nullptr && !floor_first)
            f = b->floor(ctx);
        double f2 = b->floor2 != nullptr ? b->floor2(ctx) : 0;
        floor_first = !floor_first;
        state.SetIterationTime(s * 1e-9);
        subject.push_back(s);
        if (f > 0) {
            floor.push_back(f);
            ratio.push_back(s / f);
        }
        if (f2 > 0) {
            floor2.push_back(f2);
            ratio2.push_back(s / f2);
        }
    }
    struct bench_out out = {&state};
    double ns = quantile(subject, 0.5);
    bench_put(&out, "ns_per_msg", ns);
    bench_put(&out, "per_s", ns > 0 ? 1e9 / ns : 0);
    if (!ratio.empty()) {
        bench_put(&out, "floor_ns", quantile(floor, 0.5));
        bench_put(&out, "ratio", quantile(ratio, 0.5));
        bench_put(&out, "ratio_spread", (quantile(ratio, 0.75) - quantile(ratio, 0.25)) / 2);
    }
    if (!ratio2.empty()) {
        bench_put(&out, "floor2_ns", quantile(floor2, 0.5));
        bench_put(&out, "ratio2", quantile(ratio2, 0.5));
    }
    if (b->report != nullptr)
        b->report(ctx, &out);
    if (b->wanted != nullptr)
        state.SetLabel(b->wanted);
    b->close(ctx);
}

/* UPON_BENCH_ROUNDS: fewer, to count instructions under a slow simulator; more, for a profile. */
static int rounds_of(const struct bench *b)
{
    const char *text = std::getenv("UPON_BENCH_ROUNDS");
    if (text != nullptr && std::atoi(text) > 0)
        return std::atoi(text);
    return b->rounds > 0 ? b->rounds : 101;
}

static void register_bench(const struct bench *b)
{
    auto *made = benchmark::RegisterBenchmark(
        b->name, [b](benchmark::State &state) { run_bench(state, b); });
    made->UseManualTime()->Iterations(rounds_of(b));
    made->Unit(benchmark::kNanosecond);
    std::vector<std::string> names;
    for (int i = 0; i < BENCH_ARGS && b->arg_names[i] != nullptr; i++)
        names.push_back(b->arg_names[i]);
    if (b->case_count > 0)
        made->ArgNames(names);
    for (int c = 0; c < b->case_count; c++) {
        auto first = b->cases[c];
        made->Args(std::vector<int64_t>(first, first + names.size()));
    }
}

int shim_main(int argc, char **argv, const struct bench *first)
{
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 2;
    benchmark::AddCustomContext("revision", BENCH_REVISION);
    for (const struct bench *b = first; b != nullptr; b = b->next)
        register_bench(b);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
