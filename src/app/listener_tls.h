// TLS of the listeners: from `listener.X.tls.*` to a context for each shard, and the tickets' keys that all share.
#pragma once

#include <expected>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loom/config/config.h"
#include "loom/net/tls_context.h"
#include "tls_files.h"

namespace loom::app {

/// `protocol = https`, or a certificate and no word of the protocol.
[[nodiscard]] bool speaks_tls(const config::Config& config, const std::string& listener);

struct TlsFilePair {
    std::string certificate;
    std::string key;          // "": beside it, or in it
    bool is_matched = false;  // by a pattern: nobody named this file
};
struct TlsFilePairsFault {
    std::string key;  // of the configuration
    std::string text;
};

/// Certificate and key files of a listener, patterns expanded, in the conf's order. At least one.
[[nodiscard]] std::expected<std::vector<TlsFilePair>, TlsFilePairsFault> tls_file_pairs(const config::Config& config,
                                                                                        const std::string& listener,
                                                                                        TlsFiles& files);

/// `prefix`min_version.
[[nodiscard]] net::TlsVersion tls_min_version(const config::Config& config, const std::string& prefix);

/// What one shard's listeners need, by name. A context serves one shard alone.
using TlsContexts = std::map<std::string, std::shared_ptr<net::TlsContext>>;

class ListenerTls {
  public:
    ListenerTls() { ticket_keys_.rotate(); }

    /// Reads what the configuration says of these listeners. One that it does not name any more, or not as https, is
    /// served until the next start as the last one said that did; while files only renew (TlsFiles::Fault::keep), one
    /// that cannot be read keeps what it had, and files of a pattern that cannot be used are left out. The log tells.
    /// Errors  lines for people; what was read before stays.                             Blocks on files.
    [[nodiscard]] std::vector<std::string> read(const std::shared_ptr<const config::Config>& config,
                                                const std::vector<std::string>& listeners, TlsFiles& files);
    /// From what was read last, with the tickets' keys of now.
    [[nodiscard]] TlsContexts make_contexts() const;

    /// Calls back with each listener's name and what was read for it last.
    template <class Do>
    void each(Do what) const {
        for (const auto& [listener, served] : served_) what(listener, served.options);
    }

    /// A fresh key in front. Shards are to be told.
    void rotate_ticket_keys() { ticket_keys_.rotate(); }
    [[nodiscard]] const net::TlsTicketKeys& ticket_keys() const noexcept { return ticket_keys_; }

  private:
    struct Served {
        std::shared_ptr<const config::Config> config;  // that it was read from
        net::TlsServerOptions options;
    };
    [[nodiscard]] std::expected<Served, std::string> read_one(const std::shared_ptr<const config::Config>& config,
                                                              const std::string& listener, TlsFiles& files) const;

    std::map<std::string, Served> served_;  // by listener
    net::TlsTicketKeys ticket_keys_;
};

}  // namespace loom::app
