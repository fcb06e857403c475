// `loom ledger verify FILE --redis`: what the store that Looms share has of this one, beside what its usage.db has.
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <optional>

#include "cli.h"
#include "ledger_command.h"
#include "loom/base/clock.h"
#include "loom/base/result.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/store/told_usage.h"
#include "loom/store/usage_period.h"
#include "loom/upstream/redis_client.h"
#include "plan/sharing.h"
#include "tls_files.h"

namespace loom::app {
namespace {

using store::RedisReply;
template <class T>
using Told = std::expected<T, std::string>;

/// Asks one thing after the other, on a loop of its own. Each has its time (token_accounting.store.redis.timeout), so
/// nothing waits for ever.
class Asker {
  public:
    Asker(io::Shard& shard, net::NameService& names, const SharedStoreOptions& options)
        : shard_(shard), client_(shard, names, options.redis, [](bool, const std::string&) {}) {}
    ~Asker() {
        client_.close();
        while (!client_.idle()) shard_.tick();
    }

    /// Once, and before all else: what is asked while nothing is there fails at once.
    Told<void> connect() {
        while (!client_.up() && client_.counts().failures == 0) shard_.tick();
        if (client_.up()) return {};
        return std::unexpected(client_.fault().empty() ? std::string("it cannot be reached") : client_.fault());
    }
    Told<RedisReply> ask(std::string command) {
        std::optional<Result<RedisReply>> got;
        client_.ask(std::move(command), [&got](Result<RedisReply> reply) { got.emplace(std::move(reply)); });
        while (!got) shard_.tick();
        if (*got) return std::move(**got);
        return std::unexpected(client_.fault().empty() ? std::string((*got).error().what) : client_.fault());
    }
    /// A script by its name, or by its text where the server has forgotten it.
    Told<RedisReply> ask_script(const std::function<std::string(bool)>& command) {
        auto reply = LOOM_TRY(ask(command(false)));
        const bool forgotten = reply.is_error() && store::redis_fault(reply.text) == store::RedisFault::no_script;
        return forgotten ? ask(command(true)) : Told<RedisReply>(std::move(reply));
    }

  private:
    io::Shard& shard_;
    upstream::RedisClient client_;
};

std::string refusal(const RedisReply& reply) {
    return fmt::format("{} ({})", store::redis_fault_text(store::redis_fault(reply.text)),
                       store::redis_error_text(reply.text));
}

Told<void> compare_month(Asker& asker, const std::string& prefix, const std::string& loom, store::UsageDay first,
                         store::ToldUsage& told) {
    LOOM_TRY(told.begin_month(first));
    const store::MonthOfLoom of{.loom = loom, .month = store::usage_month(first), .generation = {}};
    for (uint64_t since = 0;;) {
        const auto reply = LOOM_TRY(
            asker.ask_script([&](bool with_script) { return store::fetch_command(prefix, of, since, with_script); }));
        if (reply.is_error()) return std::unexpected(refusal(reply));
        const auto page = store::read_fetched(of.month, reply);
        if (!page) return std::unexpected(std::string(page.error().what));
        told.take(*page);
        if (page->whole || page->last_revision <= since) break;
        since = page->last_revision;
    }
    told.end_month();
    return {};
}

Told<store::ToldUsage> compare(Asker& asker, const LedgerPlace& place, const std::string& prefix) {
    const std::string loom = LOOM_TRY(store::shared_loom_id(place.directory, place.vault));
    LOOM_TRY(asker.connect());
    const auto reply = LOOM_TRY(asker.ask(store::shipped_command(prefix, loom)));
    if (reply.is_error()) return std::unexpected(refusal(reply));
    auto shipped = store::read_shipped(reply);
    if (!shipped) return std::unexpected(std::string(shipped.error().what));
    const auto today = static_cast<store::UsageDay>(wall_us() / store::us_per_usage_day);
    const store::UsageDay since = store::usage_shared_since(today);
    auto told = LOOM_TRY(store::ToldUsage::open(place.directory, place.vault, std::move(*shipped), since));
    if (!told.comparable()) return told;
    for (store::UsageDay first = since; first <= today; first = store::usage_month_of(first).to + 1)
        LOOM_TRY(compare_month(asker, prefix, loom, first, told));
    return told;
}

int print_told(const std::string& where, const store::ToldUsage& told) {
    for (const std::string& difference : told.differences()) fmt::print("difference: {}: {}\n", where, difference);
    const uint64_t count = told.difference_count();
    if (count > told.differences().size())
        fmt::print("difference: {}: and {} more\n", where, count - told.differences().size());
    if (told.untold() > 0) fmt::print("note: {}: {} rows have changed and are not told yet\n", where, told.untold());
    if (told.meanwhile() > 0) fmt::print("note: {}: {} rows were told meanwhile\n", where, told.meanwhile());
    fmt::print("{}: {} rows compared with usage.db, {} difference{}\n", where, told.rows(), count,
               count == 1 ? "" : "s");
    return count == 0 ? exit_ok : exit_difference;
}

}  // namespace

int verify_told_in(const LedgerPlace& place, const config::Config& config) {
    auto options = shared_store_options(config);
    if (!options) {
        fmt::print(stderr,
                   "loom: --redis compares with the store that Looms share; token_accounting.store.type is {}\n",
                   config.text("token_accounting.store.type"));
        return exit_config;
    }
    const std::string where = fmt::format("{}:{}", options->redis.endpoint.host, options->redis.endpoint.port);
    const auto fail = [&where](const std::string& why) {
        fmt::print(stderr, "loom: {}: {}\n", where, why);
        return exit_config;
    };
    TlsFiles files;
    files.begin(TlsFiles::Fault::refuse);
    if (options->redis.endpoint.tls) {
        auto terms = tls_terms(config, redis_tls_prefix, files);
        if (!terms) return fail(terms.error());
        options->redis.endpoint.terms = std::move(*terms);
    }
    options->redis.client_name = "loom-verify";
    const auto features = io::probe_features({});
    if (!features) return fail(io::explain_refusal(features.error().sys_errno));
    auto resolver = net::Resolver::start({});
    if (!resolver) return fail(resolver.error().what);
    io::Shard shard(0, io::ShardOptions{.features = *features});
    if (const auto opened = shard.open(); !opened) return fail(io::explain_refusal(opened.error().sys_errno));
    int status = exit_config;
    {
        Asker asker(shard, **resolver, *options);
        const auto told = compare(asker, place, options->key_prefix);
        status = told ? print_told(where, *told) : fail(told.error());
    }
    shard.close();
    (*resolver)->stop();
    return status;
}

}  // namespace loom::app
