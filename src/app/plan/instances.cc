#include "plan/instances.h"

#include <fmt/format.h>

#include "loom/base/crypto.h"

namespace loom::app {

using config::Config;

std::vector<std::string> base_urls_of(const Config& config, const std::string& provider) {
    std::vector<std::string> urls;
    for (const std::string_view url : config.all(fmt::format("provider.{}.base_url", provider)))
        if (!url.empty()) urls.emplace_back(url);
    return urls;
}

std::vector<std::string_view> api_keys_of(const Config& config, const std::string& provider,
                                          const llm::ProviderType& type) {
    std::vector<std::string_view> keys;
    if (type.auth != llm::AuthStyle::google_token)
        for (const std::string_view key : config.all(fmt::format("provider.{}.api_key", provider)))
            if (!key.empty()) keys.push_back(key);
    if (keys.empty()) keys.emplace_back();
    return keys;
}

std::string instance_hash(std::string_view provider, std::string_view base_url, std::string_view key) {
    constexpr size_t digits = 16;
    return hex_encode(sha256(fmt::format("loom instance\n{}\n{}\n{}", provider, base_url, key))).substr(0, digits);
}

void fill_instance_set(const route::BreakerOptions& breaker, proxy::ProviderPlan& provider,
                       route::TargetTable& targets) {
    if (provider.instances.size() < 2) return;
    auto set = std::make_shared<route::InstanceSet>();
    set->breaker = breaker;
    for (const proxy::InstancePlan& one : provider.instances) {
        const std::string place =
            fmt::format("{}\nplace\n{}:{}{}", provider.name, one.endpoint.host, one.endpoint.port, one.base_path);
        const std::string key = fmt::format("{}\nkey\n{}", provider.name, one.key_id);
        set->instances.push_back({.own = targets.row(fmt::format("{}\n{}", place, one.key_id), false),
                                  .place = targets.row(place, false),
                                  .key = targets.row(key, false)});
    }
    provider.instance_set = std::move(set);
}

}  // namespace loom::app
