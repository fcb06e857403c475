#include "plan/sharing.h"

#include <algorithm>

#include "loom/net/address.h"
#include "plan/milliseconds.h"

namespace loom::app {
namespace {

constexpr uint16_t redis_port = 6379;
constexpr size_t key_prefix_bytes_max = 128;
// A store that comes back empty hears of all leases before it is settled.
constexpr uint64_t connect_pause_ms_max = 2'500;
static_assert(connect_pause_ms_max < tenant::lease_settle_ms);

bool take_word(std::string_view& text, std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
}

}  // namespace

std::expected<RedisPlace, std::string> parse_redis_address(std::string_view text) {
    RedisPlace place;
    place.tls = take_word(text, "rediss://");
    if (!place.tls) (void)take_word(text, "redis://");
    if (text.find('@') != text.npos)
        return std::unexpected(
            "holds a user or a password, which a log may show; say them as token_accounting.store.redis.username and "
            ".password");
    if (text.find("://") != text.npos || text.starts_with("unix:"))
        return std::unexpected("is HOST:PORT, redis://HOST:PORT or rediss://HOST:PORT");
    if (text.ends_with('/')) text.remove_suffix(1);
    if (text.find('/') != text.npos)
        return std::unexpected("holds a path; the database's number is token_accounting.store.redis.database");
    auto found = net::split_host_port(text, redis_port);
    if (!found) return std::unexpected(found.error().what);
    if (found->host.empty()) return std::unexpected("names no host");
    place.host = std::move(found->host);
    place.port = found->port;
    return place;
}

std::string key_prefix_fault(std::string_view prefix) {
    if (prefix.empty()) return "is empty: other keys of that database could be taken for Loom's";
    if (prefix.size() > key_prefix_bytes_max) return "is longer than 128 bytes";
    if (std::ranges::any_of(prefix, [](char c) { return c <= ' ' || c > '~'; }))
        return "holds a blank, or a byte that is no ASCII";
    if (const size_t tag = prefix.find('{'); tag != prefix.npos && prefix.substr(tag).starts_with("{}"))
        return "holds an empty hash tag: a cluster would put Loom's keys into several slots";
    return {};
}

std::optional<SharedStoreOptions> shared_store_options(const config::Config& config) {
    if (config.text("token_accounting.store.type") != "redis") return std::nullopt;
    auto place = parse_redis_address(config.text("token_accounting.store.redis.address"));
    if (!place) return std::nullopt;  // the checks have told
    SharedStoreOptions options;
    options.key_prefix = config.text("token_accounting.store.redis.key_prefix");
    options.usage_interval_ms = ms(config, "token_accounting.store.redis.interval");
    upstream::RedisOptions& redis = options.redis;
    redis.endpoint.name = "redis";
    redis.endpoint.host = std::move(place->host);
    redis.endpoint.port = place->port;
    redis.endpoint.tls = place->tls;
    redis.endpoint.idle_max = 0;
    redis.username = config.text("token_accounting.store.redis.username");
    if (const std::string& password = config.text("token_accounting.store.redis.password"); !password.empty())
        redis.password = std::make_shared<const Secret>(std::string(password));
    redis.database = static_cast<uint32_t>(config.integer("token_accounting.store.redis.database"));
    redis.pause_max_ms = connect_pause_ms_max;
    redis.timeout_ms = ms(config, "token_accounting.store.redis.timeout");
    return options;
}

}  // namespace loom::app
