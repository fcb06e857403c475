// Providers that flap in every way they have, under all strategies, breakers, retries, limits that are learned, a line
// and health checks, against the real binary (LOOM_BIN); then the verdict:
//
//   each answer is whole and its request's own, or the client hears that it is not
//   where one provider of a model is always well, no request of it fails, but those whose retry the budget refused, and
//   streams whose provider broke behind their first content; where none is, only while all of them were away, but for
//   the few that come while who is well again is being probed
//   retries are no more than their budget; breakers and checks give everybody its requests back, and a limit that is
//   learned leaves its least; memory and descriptors do not grow
//
//     routing_soak [--seconds N] [--seed N] [--clients N]
//
// Exit 0 when the verdict holds, 1 when it does not, 64 for a wrong argument.
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <random>
#include <thread>

#include "../wire/fixture.h"
#include "ledger.h"
#include "order.h"
#include "verdict.h"

namespace loom::soak {
namespace {

using namespace std::chrono_literals;
using wire::Message;

constexpr size_t flapping_count = 3;
constexpr auto grace = 2s;  // in which one that is well again may still be thought to be away
constexpr uint32_t shards = 2;

/// What a provider does to whatever it is asked; beside the deeds, ways that only providers have.
enum class Mood : uint8_t { well, fails, slams, garbage, hangs, limits, breaks_early, breaks_late, stalls };
constexpr uint64_t mood_count = 9;

/// A provider and its moods.
class Provider {
  public:
    Provider() : upstream_([this](wire::UpstreamConnection& connection) { serve(connection); }) {}

    void turn(Mood mood) {
        if (mood == Mood::well) {
            mood_ = mood;
            faults_.close();
        } else {
            faults_.open();
            mood_ = mood;
        }
    }
    [[nodiscard]] bool is_well() const { return mood_ == Mood::well; }
    [[nodiscard]] bool was_away(Clock::time_point since) const { return faults_.since(since); }
    [[nodiscard]] uint64_t asked() const { return asked_; }
    wire::ScriptedUpstream& upstream() { return upstream_; }

  private:
    void serve(wire::UpstreamConnection& connection) {
        for (;;) {
            const auto request = connection.reader().read_request(wire::Deadline::in(5min));
            if (!request || !request->is_whole()) return;
            const bool is_check = request->method() == "GET";
            if (!is_check) asked_ += 1;
            Order order = is_check ? Order{} : Order::read(wire::json_text(request->body, "user"));
            if (!do_as(mood_, connection, order)) return;
        }
    }
    static bool do_as(Mood mood, wire::UpstreamConnection& connection, Order& order) {
        switch (mood) {
            case Mood::well: break;
            case Mood::fails: order.deed = Deed::fail; break;
            case Mood::slams: order.deed = Deed::refuse; break;
            case Mood::garbage: order.deed = Deed::garbage; break;
            case Mood::hangs: order.deed = Deed::hang; break;
            case Mood::breaks_late: order.deed = Deed::break_event; break;
            case Mood::stalls: order.deed = Deed::stall; break;
            case Mood::limits:
                return connection.send(wire::answer(R"({"error":{"message":"slow down"}})", "429 Too Many Requests",
                                                    "retry-after-ms: 40\r\n"));
            case Mood::breaks_early:
                if (order.event_count == 0) break;
                (void)connection.send(wire::sse_head);
                return false;
        }
        return obey(connection, order);
    }

    std::atomic<Mood> mood_ = Mood::well;
    std::atomic<uint64_t> asked_ = 0;
    FaultWindows faults_;
    wire::ScriptedUpstream upstream_;
};

struct Model {
    std::string name;
    bool anchored;  // the one that is always well has it too
};

struct Site {
    Site() {
        wire::raise_descriptor_limit();
        wire::Conf conf;
        conf.set("loop.shards", std::to_string(shards)).use_upstream(anchor.upstream().port());
        for (const char* strategy :
             {"priority", "round_robin", "weighted", "least_connections", "latency", "cost", "throughput", "random"}) {
            const std::string name = std::string("with-") + strategy;
            models.push_back({name, true});
            conf.set("routing.model." + name + ".strategy", strategy);
        }
        models.push_back({"alone", false});
        std::string anchored;
        for (const Model& one : models)
            if (one.anchored) anchored += (anchored.empty() ? "" : ", ") + one.name;
        conf.set("provider.mock.models", anchored).set("provider.mock.priority", "9");
        // Its own way to the same server, as wide as two.
        add(conf, "narrow", anchor, "narrow");
        conf.set("provider.narrow.rate_limit.concurrent_requests", "2");
        models.push_back({"narrow", true});
        conf.set("routing.queue.max", "1000").set("routing.queue.timeout", "60s");
        for (size_t i = 0; i < flapping.size(); ++i) {
            const std::string name = "p" + std::to_string(i);
            add(conf, name, flapping[i], anchored + ", alone");
            conf.set("provider." + name + ".health_check.enabled", "on");
            conf.set("provider." + name + ".health_check.interval", "200ms");
            conf.set("provider." + name + ".health_check.timeout", "200ms");
        }
        conf.set("provider.p0.rate_limit.adaptive", "on");
        // All are about as near: what differs is who has been looked at.
        conf.set("routing.prefer_region", "nearest").set("provider.mock.region", "eu");
        conf.set("provider.p0.region", "us").set("provider.p1.region", "eu").set("provider.p2.region", "ap");
        conf.set("routing.failover.enabled", "on").set("routing.failover.max_retries", "3");
        conf.set("routing.failover.timeout", "1500ms").set("routing.failover.backoff", "10ms");
        conf.set("routing.failover.retry_budget", "50%");
        conf.set("routing.failover.circuit_breaker.failure_threshold", "3");
        conf.set("routing.failover.circuit_breaker.success_threshold", "2");
        conf.set("routing.failover.circuit_breaker.timeout", "200ms");
        conf.set("routing.failover.circuit_breaker.restore", "200ms");
        conf.set("timeout.inter_event", "1500ms").set("timeout.first_token", "1500ms");
        conf.set("routing.latency.window", "2s").set("upstream.pool.idle_timeout", "5s");
        loom = std::make_unique<wire::LoomProcess>(conf.text());
    }
    static void add(wire::Conf& conf, const std::string& name, Provider& provider, const std::string& models) {
        const std::string prefix = "provider." + name + ".";
        conf.set(prefix + "type", "openai").set(prefix + "api_key", "sk-" + name).set(prefix + "models", models);
        conf.set(prefix + "base_url", provider.upstream().origin() + "/v1").set(prefix + "priority", "1");
    }
    [[nodiscard]] bool any_away(Clock::time_point since) const {
        return std::ranges::any_of(flapping, [since](const Provider& one) { return one.was_away(since); });
    }
    [[nodiscard]] bool all_away(Clock::time_point since) const {
        return std::ranges::all_of(flapping, [since](const Provider& one) { return one.was_away(since); });
    }

    Provider anchor;
    std::array<Provider, flapping_count> flapping;
    std::vector<Model> models;
    std::unique_ptr<wire::LoomProcess> loom;

    /// A request failed though somebody was well: judged by their number, at the end.
    void note_failed(const std::string& what) {
        const std::lock_guard lock(mutex);
        failed.push_back(what);
    }
    std::mutex mutex;
    std::vector<std::string> failed;
    /// Of a model that nobody always has: who is well again gets its requests back one probe at a time, and a request
    /// that comes while one is under way finds every breaker open.
    std::atomic<uint64_t> behind_probes = 0;
};

class Client {
  public:
    Client(Site& site, Ledger& ledger, uint64_t seed, uint64_t index)
        : site_(site), ledger_(ledger), random_(seed * 7919 + index), next_id_(index << 40) {}

    void run(const std::atomic<bool>& is_over) {
        while (!is_over) {
            ask();
            std::this_thread::sleep_for(std::chrono::microseconds(random_() % 8'000));  // a client's pace
        }
    }

  private:
    void ask() {
        const Model& model = site_.models[random_() % site_.models.size()];
        Order order{.id = next_id_++, .event_bytes = static_cast<uint32_t>(random_() % 200)};
        if (random_() % 2 == 0) order.event_count = static_cast<uint32_t>(1 + random_() % 8);
        order.pace_us = static_cast<uint32_t>(random_() % 2 * (random_() % 2'000));
        const auto begun = Clock::now();
        try {
            if (!link_) link_.emplace(site_.loom->port());
            link_->send(wire::chat_request(chat_body_of(order, model.name, false, 0)));
            const Message answer = link_->reader().read_response(false, wire::Deadline::in(90s));
            ledger_.book(model.name, judge(model, order, answer, begun));
            if (!answer.is_whole()) link_.reset();
        } catch (const std::exception& error) {
            ledger_.book(model.name, {.is_error = true, .complaint = model.name + ": " + error.what()});
            link_.reset();
        }
    }
    Outcome judge(const Model& model, const Order& order, const Message& answer, Clock::time_point begun) {
        Outcome outcome{.status = answer.status()};
        const auto complain = [&](const char* what) {
            outcome.complaint =
                fmt::format("{} {}: {}: {} … {} (x-loom-failover: {})", model.name, order.spell(), what,
                            answer.head.start_line, answer.body.substr(0, 200), answer.head.value("x-loom-failover"));
        };
        const bool streamed = order.event_count > 0;
        const std::string whole = streamed ? events_of(order) + wire::done_event : answer_body(order);
        if (answer.status() == 200 && answer.is_whole() && answer.body == whole) return outcome;
        outcome.is_error = true;
        if (answer.status() == 200) {
            const size_t error_at = answer.body.find("data: {\"error\"");
            const bool says_so = streamed && error_at != std::string::npos;
            if (!says_so || !whole.starts_with(answer.body.substr(0, error_at)))
                complain("neither the answer nor a part of it that says so");
            else if (!site_.any_away(begun) || model.name == "narrow")
                complain("it broke, and nobody was away");
            return outcome;
        }
        if (answer.status() < 429) complain("no fault explains this status");
        if (model.name == "narrow") complain("who waits in line is served");
        if (!site_.any_away(begun - grace)) complain("nobody was away");
        if (!model.anchored && !site_.all_away(begun - grace)) site_.behind_probes += 1;
        if (model.anchored)
            site_.note_failed(fmt::format("{} {}: {} {} (x-loom-failover: {})", model.name, order.spell(),
                                          answer.head.start_line, answer.body.substr(0, 200),
                                          answer.head.value("x-loom-failover")));
        return outcome;
    }

    Site& site_;
    Ledger& ledger_;
    std::mt19937_64 random_;
    std::optional<wire::RawClient> link_;
    uint64_t next_id_;
};

struct Options {
    uint64_t seconds = 300;
    uint64_t seed = std::random_device{}();
    uint64_t clients = wire::is_sanitized() ? 4 : 10;
};

bool parse(int count, char** arguments, Options& options) {
    const std::pair<const char*, uint64_t*> known[] = {
        {"--seconds", &options.seconds}, {"--seed", &options.seed}, {"--clients", &options.clients}};
    for (int i = 1; i < count; i += 2) {
        const auto* const found = std::find_if(std::begin(known), std::end(known),
                                               [&](const auto& one) { return !std::strcmp(one.first, arguments[i]); });
        char* end = nullptr;
        if (found == std::end(known) || i + 1 == count) return false;
        *found->second = std::strtoull(arguments[i + 1], &end, 10);
        if (end == arguments[i + 1] || *end != '\0') return false;
    }
    return options.seconds > 0 && options.clients > 0;
}

/// Moods change, one a step at most.
uint64_t run_fate(const Options& options, Site& site, ResidentSeries& resident) {
    std::mt19937_64 random(options.seed);
    uint64_t turns = 0;
    const auto begun = Clock::now();
    while (Clock::now() - begun < std::chrono::seconds(options.seconds)) {
        Provider& one = site.flapping[random() % flapping_count];
        const uint64_t draw = random() % 100;
        if (!one.is_well() && draw < 50) {
            one.turn(Mood::well);
        } else if (one.is_well() && draw < 40) {
            one.turn(static_cast<Mood>(1 + random() % (mood_count - 1)));
            turns += 1;
        }
        resident.add(site.loom->resident_bytes());
        std::this_thread::sleep_for(150ms);  // moods last
    }
    for (Provider& one : site.flapping) one.turn(Mood::well);
    return turns;
}

template <class Condition>
void expect_soon(Verdict& verdict, const std::string& what, Condition&& condition) {
    try {
        wire::wait_until(what, condition);
        verdict.check(true, what);
    } catch (const wire::WireError& error) {
        verdict.check(false, error.what());
    }
}

void check_recovery(Verdict& verdict, Site& site) {
    for (size_t i = 0; i < flapping_count; ++i) {
        const std::string label = fmt::format("{{provider=\"p{}\"}}", i);
        const uint64_t before = site.flapping[i].asked();
        expect_soon(verdict, fmt::format("p{} is well again, and asked", i), [&] {
            return site.loom->metric("loom_ai_provider_health" + label) == 1 &&
                   site.loom->metric("loom_ai_provider_breaker_state" + label) == 0 &&
                   site.flapping[i].asked() > before;
        });
    }
    expect_soon(verdict, "the limit that is learned of p0 has left its least",
                [&] { return site.loom->metric(R"(loom_ai_provider_concurrency_limit{provider="p0"})") >= 2; });
}

void check_retries(Verdict& verdict, Site& site, uint64_t requests, double seconds) {
    const auto kind = [&](const char* name) {
        return site.loom->metric(fmt::format("loom_ai_retries_total{{kind=\"{}\"}}", name));
    };
    const double retries = kind("unsent") + kind("sent") + kind("answered");
    const double refused = kind("refused");
    const double most = 0.5 * static_cast<double>(requests) + shards * (100 + seconds + 1);
    verdict.check(retries <= most, fmt::format("{} retries of {} requests, {:.0f} at most", retries, requests, most));
    uint64_t asked = site.anchor.asked();
    for (const Provider& one : site.flapping) asked += one.asked();
    // Who ends a kept connection at its next request is asked once more, on a fresh one.
    const double stale = wire::sum_where(site.loom->metrics(), "loom_upstream_connections_total", {"result=\"stale\""});
    const double attempts = static_cast<double>(requests) + retries + stale;
    verdict.check(static_cast<double>(asked) <= attempts,
                  fmt::format("upstreams were asked {} times: {} requests, {} retries, {} stale connections", asked,
                              requests, retries, stale));
    const bool excused = static_cast<double>(site.failed.size()) <= refused;
    verdict.check(excused, fmt::format("{} requests failed though somebody was well, {} retries were refused by the "
                                       "budget",
                                       site.failed.size(), refused));
    const uint64_t behind_probes = site.behind_probes;
    verdict.check(behind_probes <= requests / 200 + 5,
                  fmt::format("{} requests failed while the only one that was well was being probed", behind_probes));
    for (const std::string& one : site.failed)
        if (!excused) verdict.note(one);
}

int run(const Options& options) {
    fmt::print("routing soak: {} s, seed {}, {} clients; again: --seed {}\n", options.seconds, options.seed,
               options.clients, options.seed);
    Ledger ledger;
    Site site;
    const size_t descriptors_before = site.loom->descriptor_count();
    std::vector<std::unique_ptr<Client>> clients;
    for (uint64_t i = 0; i < options.clients; ++i)
        clients.push_back(std::make_unique<Client>(site, ledger, options.seed, i));
    std::atomic<bool> is_over = false;
    std::vector<std::thread> threads;
    const auto begun = Clock::now();
    for (const auto& client : clients) threads.emplace_back([&] { client->run(is_over); });
    ResidentSeries resident;
    const uint64_t turns = run_fate(options, site, resident);
    Verdict verdict;
    check_recovery(verdict, site);
    is_over = true;
    for (std::thread& thread : threads) thread.join();
    clients.clear();
    const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();

    const Ledger::Totals totals = ledger.totals();
    verdict.note(
        fmt::format("{} requests, {} turns for the worse, {} errors explained", totals.asked, turns, totals.explained));
    verdict.check(turns > 0 && totals.asked > 0, "traffic and faults there were");
    verdict.check(totals.unexplained == 0, fmt::format("{} unexplained", totals.unexplained));
    check_retries(verdict, site, totals.asked, seconds);
    for (Provider* one : {&site.anchor, &site.flapping[0], &site.flapping[1], &site.flapping[2]}) {
        one->upstream().stop_listening();
        one->upstream().end_connections();
    }
    for (const char* gauge : {"loom_exchanges_live", "loom_streams_open", "loom_connections_open",
                              "loom_buffers_leased", "loom_ai_queue_length"})
        expect_soon(verdict, fmt::format("{} back to 0", gauge), [&] { return site.loom->metric_sum(gauge) == 0; });
    // Each provider's checks may be at a connection of theirs.
    expect_soon(verdict, fmt::format("descriptors back to {}", descriptors_before),
                [&] { return site.loom->descriptor_count() <= descriptors_before + flapping_count; });
    check_resident(verdict, resident);
    try {
        site.loom->stop_cleanly();
        verdict.check(true, "a clean exit");
    } catch (const wire::WireError& error) {
        verdict.check(false, error.what());
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
        fmt::print(stderr, "routing_soak: [--seconds N] [--seed N] [--clients N]\n");
        return 64;
    }
    try {
        return loom::soak::run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "routing_soak: {}\n", error.what());
        return 1;
    }
}
