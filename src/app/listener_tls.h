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
    std::string key;  // "": beside it, or in it
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

    /// Reads what the configuration says of these listeners.
    /// Errors  lines for people; what was read before stays.                             Blocks on files.
    [[nodiscard]] std::vector<std::string> read(const config::Config& config, const std::vector<std::string>& listeners,
                                                TlsFiles& files);
    /// From what was read last, with the tickets' keys of now.
    [[nodiscard]] TlsContexts make_contexts() const;

    /// A fresh key in front. Shards are to be told.
    void rotate_ticket_keys() { ticket_keys_.rotate(); }
    [[nodiscard]] const net::TlsTicketKeys& ticket_keys() const noexcept { return ticket_keys_; }

  private:
    std::map<std::string, net::TlsServerOptions> options_;
    net::TlsTicketKeys ticket_keys_;
};

}  // namespace loom::app
