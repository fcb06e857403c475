// How fast a start makes good what a former one has left: every record of the ledger's log is read, checked and folded
// into the database's sums; and how fast `loom ledger verify` compares the two.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "ledger_segment.h"
#include "loom/store/usage_store.h"
#include "loom/tenant/ledger_record.h"

namespace {

using namespace loom;
namespace fs = std::filesystem;

constexpr uint64_t attempt_count = 50'000;
constexpr uint64_t records = 2 * attempt_count + 1;
constexpr uint64_t day_us = uint64_t{86'400} * 1'000'000;
constexpr store::UsageDay some_day = 19'782;

template <class Record>
void write(std::string& out, const Record& record) {
    std::array<char, tenant::ledger_record_bytes_max> room;
    out.append(room.data(), tenant::write_ledger_record(record, room));
}

/// Attempts of 100 consumers at 5 models, each with its intent and its settlement; in one segment.
std::string log_of_attempts() {
    std::string out;
    write(out, tenant::LedgerBegin{.epoch = 1, .shard = 0, .number = 1, .time_us = 1});
    for (uint64_t id = 1; id <= attempt_count; ++id) {
        const std::string consumer = fmt::format("consumer-{}", id % 100), model = fmt::format("gpt-{}", id % 5);
        write(out, tenant::LedgerIntent{.id = id,
                                        .request = id,
                                        .time_us = some_day * day_us + id,
                                        .consumer = consumer,
                                        .team = "team",
                                        .tenant = "acme",
                                        .provider = "openai",
                                        .model = model,
                                        .input_tokens = 100,
                                        .output_tokens = 50,
                                        .cost = 7'000});
        write(out, tenant::LedgerSettlement{.id = id,
                                            .provenance = tenant::LedgerProvenance::reported,
                                            .status = 200,
                                            .tokens = {.input = 10, .cached_input = 4, .output = 3, .reasoning = 1},
                                            .cost = 2'500});
    }
    return out;
}

class Directory {
  public:
    Directory() {
        std::string name = (fs::temp_directory_path() / "loom-ledger-bench-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
        fs::create_directories(path_ + "/ledger");
        static const std::string log = log_of_attempts();
        std::ofstream(path_ + "/ledger/" + store::segment_file_name({1, 0, 1}), std::ios::binary) << log;
    }
    ~Directory() { fs::remove_all(path_); }
    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    std::string path_;
};

bool is_folded(store::UsageStore& usage) {
    const auto groups =
        usage.usage({{.by = store::UsageDimension::tenant, .from = 0, .to = 1'000'000, .consumer = {}}});
    return groups && groups->front().size() == 1 && groups->front().front().sums.attempts == attempt_count &&
           groups->front().front().sums.input == 10 * attempt_count;
}

void replay(benchmark::State& state) {
    for (auto _ : state) {
        state.PauseTiming();
        auto directory = std::make_unique<Directory>();
        state.ResumeTiming();
        auto usage = store::UsageStore::open({.directory = directory->path(), .on_notice = [](const std::string&) {}});
        state.PauseTiming();
        if (!usage || !is_folded(**usage)) return state.SkipWithError("the log was not folded");
        usage->reset();
        directory.reset();
        state.ResumeTiming();
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(records));
}
BENCHMARK(replay)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

void verify(benchmark::State& state) {
    const Directory directory;
    if (!store::UsageStore::open({.directory = directory.path(), .on_notice = [](const std::string&) {}}))
        return state.SkipWithError("the ledger cannot be opened");
    for (auto _ : state) {
        const auto verdict = store::verify_ledger(directory.path());
        if (!verdict || !verdict->differences.empty()) return state.SkipWithError("log and sums differ");
        benchmark::DoNotOptimize(verdict->records);
    }
    state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(records));
}
BENCHMARK(verify)->MeasureProcessCPUTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
