#include "listener_tls.h"

#include <fmt/format.h>

#include "loom/base/assert.h"

namespace loom::app {
namespace {

using config::Config;

/// Who comes back later than this shows anew that he has his certificate's key.
constexpr std::chrono::seconds client_session_lifetime{3600};

std::expected<net::TlsServerOptions, std::string> server_options(const Config& config, const std::string& listener,
                                                                 TlsFiles& files) {
    const std::string prefix = fmt::format("listener.{}.tls.", listener);
    net::TlsServerOptions options{.min_version = tls_min_version(config, prefix)};
    std::string text;
    const auto pairs = tls_file_pairs(config, listener, files);
    if (!pairs) return std::unexpected(fmt::format("{}: {}", pairs.error().key, pairs.error().text));
    for (const TlsFilePair& pair : *pairs) {
        const auto read = files.key_pair(pair.certificate, pair.key, text);
        if (read) {
            options.certificates.push_back(**read);
        } else if (pair.is_matched && files.fault() == TlsFiles::Fault::keep) {
            files.tell_failure(
                fmt::format("{}certificate: {}; {} is left out until it can be used", prefix, text, pair.certificate));
        } else {
            return std::unexpected(fmt::format("{}certificate: {}", prefix, text));
        }
    }
    const std::string& client_ca = config.text(prefix + "client_ca");
    if (client_ca.empty()) return options;
    const auto trust = files.trust(client_ca, text);
    if (!trust) return std::unexpected(fmt::format("{}client_ca: {}", prefix, text));
    options.client_ca = *trust;
    options.session_lifetime = client_session_lifetime;
    return options;
}

}  // namespace

net::TlsVersion tls_min_version(const Config& config, const std::string& prefix) {
    return config.text(prefix + "min_version") == "1.3" ? net::TlsVersion::tls13 : net::TlsVersion::tls12;
}

bool speaks_tls(const Config& config, const std::string& listener) {
    const std::string protocol = fmt::format("listener.{}.protocol", listener);
    if (config.has(protocol)) return config.text(protocol) == "https";
    return config.has(fmt::format("listener.{}.tls.certificate", listener));
}

std::expected<std::vector<TlsFilePair>, TlsFilePairsFault> tls_file_pairs(const Config& config,
                                                                          const std::string& listener,
                                                                          TlsFiles& files) {
    const auto fault = [](const std::string& key, std::string text) {
        return std::unexpected(TlsFilePairsFault{key, std::move(text)});
    };
    const std::string certificates = fmt::format("listener.{}.tls.certificate", listener);
    std::vector<TlsFilePair> pairs;
    for (const std::string& pattern : config.list(certificates)) {
        const auto matching = files.expand(pattern);
        if (matching.empty()) return fault(certificates, fmt::format("no file matches {}", pattern));
        for (const std::string& path : matching) pairs.push_back({path, "", path != pattern});
    }
    if (pairs.empty()) return fault(certificates, "is missing");
    const std::string keys = fmt::format("listener.{}.tls.key", listener);
    const auto& key_paths = config.list(keys);
    if (key_paths.empty()) return pairs;
    if (key_paths.size() != pairs.size()) {
        return fault(keys,
                     fmt::format("{} for {} certificate{}; name one for each, in their order, or none: then x.key "
                                 "beside x.crt is taken",
                                 key_paths.size(), pairs.size(), pairs.size() == 1 ? "" : "s"));
    }
    for (size_t i = 0; i < pairs.size(); ++i) pairs[i].key = key_paths[i];
    return pairs;
}

std::expected<ListenerTls::Served, std::string> ListenerTls::read_one(const std::shared_ptr<const Config>& config,
                                                                      const std::string& listener,
                                                                      TlsFiles& files) const {
    const auto held = served_.find(listener);
    const bool is_named = speaks_tls(*config, listener);
    LOOM_ASSERT(is_named || held != served_.end());  // it was named when it was opened
    Served served{.config = is_named ? config : held->second.config};
    auto options = server_options(*served.config, listener, files);
    std::string text;
    // The shards' contexts are made of the same: what can be wrong shows here.
    if (options && net::TlsContext::server(*options, &text)) {
        served.options = std::move(*options);
        return served;
    }
    text = options ? fmt::format("listener.{}.tls: {}", listener, text) : std::move(options.error());
    const bool must_be_good = is_named && files.fault() == TlsFiles::Fault::refuse;
    if (must_be_good || held == served_.end()) return std::unexpected(std::move(text));
    files.tell_failure(fmt::format("{}; what the listener had before stays in force", text));
    return held->second;
}

std::vector<std::string> ListenerTls::read(const std::shared_ptr<const Config>& config,
                                           const std::vector<std::string>& listeners, TlsFiles& files) {
    std::vector<std::string> messages;
    std::map<std::string, Served> read;
    for (const std::string& listener : listeners) {
        auto served = read_one(config, listener, files);
        if (served)
            read.emplace(listener, std::move(*served));
        else
            messages.push_back(std::move(served.error()));
    }
    if (messages.empty()) served_ = std::move(read);
    return messages;
}

TlsContexts ListenerTls::make_contexts() const {
    TlsContexts contexts;
    for (const auto& [listener, served] : served_) {
        auto context = net::TlsContext::server(served.options);
        LOOM_ASSERT(context);  // read() has tried
        (*context)->set_ticket_keys(ticket_keys_);
        contexts.emplace(listener, std::move(*context));
    }
    return contexts;
}

}  // namespace loom::app
