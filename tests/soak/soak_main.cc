// Mixed traffic, faults and an operator's doings against the real binary (LOOM_BIN), for a given time; then the
// verdict.
//
//     soak [--seconds N] [--seed N] [--clients N] [--shards N] [--think-us N]
//
// Exit 0 when the verdict holds, 1 when it does not, 64 for a wrong argument.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>

#include "site.h"
#include "traffic.h"
#include "verdict.h"

namespace loom::soak {
namespace {

using namespace std::chrono_literals;

struct Options {
    uint64_t seconds = 300;
    uint64_t seed = std::random_device{}();
    uint64_t clients = wire::is_sanitized() ? 4 : 12;
    uint64_t shards = 2;
    uint64_t think_us = wire::is_sanitized() ? 40'000 : 8000;  // between two requests of a client, at most
};

bool parse(int count, char** arguments, Options& options) {
    const std::pair<const char*, uint64_t*> known[] = {{"--seconds", &options.seconds},
                                                       {"--seed", &options.seed},
                                                       {"--clients", &options.clients},
                                                       {"--shards", &options.shards},
                                                       {"--think-us", &options.think_us}};
    for (int i = 1; i < count; i += 2) {
        const auto* const found = std::find_if(std::begin(known), std::end(known),
                                               [&](const auto& one) { return !std::strcmp(one.first, arguments[i]); });
        char* end = nullptr;
        if (found == std::end(known) || i + 1 == count) return false;
        *found->second = std::strtoull(arguments[i + 1], &end, 10);
        if (end == arguments[i + 1] || *end != '\0') return false;
    }
    return options.seconds > 0 && options.clients > 0 && options.shards > 0;
}

/// What fate and the operator do, a step at a time, and what they see of it.
class Operator {
  public:
    Operator(Site& site, Ledger& ledger, uint64_t seed) : site_(site), ledger_(ledger), random_(seed) {}

    void step() {
        resident_.add(site_.loom().resident_bytes());
        try {
            switch (random_() % 8) {
                case 0:
                case 1: flap(); break;
                case 2: site_.reload(random_); break;
                case 3: site_.rotate_log(); break;
                default: site_.scrape(); break;
            }
        } catch (const std::exception& error) {
            ledger_.complain(std::string("the operator: ") + error.what());
        }
    }
    void end() {
        if (is_away_) site_.restart_flapping();
    }
    void print_progress(uint64_t second) {
        const Ledger::Totals totals = ledger_.totals();
        fmt::print(
            "{:6d} s  {:9d} requests  errors {:7d} explained {:3d} unexplained  RSS {:6.1f} MiB  {:4d} descriptors  "
            "{} flaps\n",
            second, totals.asked, totals.explained, totals.unexplained,
            static_cast<double>(site_.loom().resident_bytes()) / 1048576, site_.loom().descriptor_count(), flap_count_);
        std::fflush(stdout);
    }
    [[nodiscard]] const ResidentSeries& resident() const { return resident_; }
    [[nodiscard]] uint64_t flap_count() const { return flap_count_; }

  private:
    void flap() {
        is_away_ ? site_.restart_flapping() : site_.stop_flapping();
        flap_count_ += is_away_ ? 0 : 1;
        is_away_ = !is_away_;
    }

    Site& site_;
    Ledger& ledger_;
    std::mt19937_64 random_;
    ResidentSeries resident_;
    bool is_away_ = false;
    uint64_t flap_count_ = 0;
};

/// Traffic, until the time is over or Loom is.
void run_traffic(const Options& options, Site& site, Ledger& ledger, Operator& operation) {
    constexpr auto step = 250ms;
    constexpr uint64_t progress_every_s = 5;
    std::atomic<bool> is_over = false;
    std::vector<std::unique_ptr<Client>> clients;
    for (uint32_t i = 0; i < options.clients; ++i)
        clients.push_back(
            std::make_unique<Client>(site, ledger, options.seed, i, static_cast<uint32_t>(options.think_us)));
    std::vector<std::thread> threads;
    for (const auto& client : clients) threads.emplace_back([&] { client->run(is_over); });
    const Clock::time_point begun = Clock::now();
    uint64_t told_s = 0;
    for (auto now = begun; now - begun < std::chrono::seconds(options.seconds); now = Clock::now()) {
        if (!site.loom().is_running()) {
            ledger.complain("Loom ended by itself");
            break;
        }
        operation.step();
        const auto second = static_cast<uint64_t>((now - begun) / 1s);
        if (second >= told_s + progress_every_s) operation.print_progress(told_s = second);
        std::this_thread::sleep_until(std::min(now + step, begun + std::chrono::seconds(options.seconds)));
    }
    is_over = true;
    for (std::thread& thread : threads) thread.join();
    operation.end();
}

void check_home(Verdict& verdict, Site& site, size_t descriptors_before) {
    const auto comes_home = [&](const std::string& what, auto&& condition) {
        try {
            wire::wait_until(what, condition);
            verdict.check(true, what);
        } catch (const wire::WireError& error) {
            verdict.check(false, error.what());
        }
    };
    wire::LoomProcess& loom = site.loom();
    for (const char* gauge :
         {"loom_exchanges_live", "loom_streams_open", "loom_connections_open", "loom_buffers_leased"})
        comes_home(fmt::format("{} back to 0", gauge), [&] { return loom.metric_sum(gauge) == 0; });
    comes_home(fmt::format("descriptors back to {}", descriptors_before),
               [&] { return loom.descriptor_count() <= descriptors_before; });
    if (loom.descriptor_count() > descriptors_before) verdict.note("open: " + loom.descriptors());
}

void check_end(Verdict& verdict, Site& site, const Ledger& ledger) {
    const auto metrics = site.loom().metrics();
    try {
        site.loom().stop_cleanly();
        verdict.check(true, "a clean exit");
    } catch (const wire::WireError& error) {
        verdict.check(false, error.what());
    }
    // The log is whole once its writer has ended.
    check_settlement(verdict, ledger.totals(), metrics, site.count_log());
}

int run(const Options& options) {
    fmt::print("soak: {} s, seed {}, {} clients, {} shards; again: --seed {}\n", options.seconds, options.seed,
               options.clients, options.shards, options.seed);
    Ledger ledger;
    Site site(static_cast<uint32_t>(options.shards), ledger);
    const size_t descriptors_before = site.loom().descriptor_count();
    Operator operation(site, ledger, options.seed);
    run_traffic(options, site, ledger, operation);
    operation.print_progress(options.seconds);
    site.stop_upstreams();

    Verdict verdict;
    const Ledger::Totals totals = ledger.totals();
    std::string kinds;
    for (const auto& [kind, count] : ledger.by_kind()) kinds += fmt::format(" {} {},", kind, count);
    verdict.note(fmt::format("{} requests:{} {} flaps, {} reloads", totals.asked, kinds, operation.flap_count(),
                             site.reload_count()));
    verdict.check(totals.asked > 0 && totals.explained > 0, "traffic and faults there were");
    verdict.check(totals.unexplained == 0,
                  fmt::format("{} errors explained, {} unexplained", totals.explained, totals.unexplained));
    if (site.loom().is_running()) {
        check_home(verdict, site, descriptors_before);
        check_resident(verdict, operation.resident());
        check_end(verdict, site, ledger);
    } else {
        verdict.check(false, "Loom is not there any more:\n" + site.loom().log());
    }
    fmt::print("{}", verdict.text());
    for (const std::string& complaint : ledger.complaints()) fmt::print("unexplained: {}\n", complaint);
    return verdict.is_good() ? 0 : 1;
}

}  // namespace
}  // namespace loom::soak

int main(int count, char** arguments) {
    loom::soak::Options options;
    if (!loom::soak::parse(count, arguments, options)) {
        fmt::print(stderr, "soak: [--seconds N] [--seed N] [--clients N] [--shards N] [--think-us N]\n");
        return 64;
    }
    try {
        return loom::soak::run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "soak: {}\n", error.what());
        return 1;
    }
}
