// The certificate authorities that upstreams are checked against, as files of the configuration name them.
#pragma once

#include <map>
#include <string>

#include "loom/base/crypto.h"
#include "loom/net/tls_context.h"

namespace loom::app {

/// Loads each file once for as long as its bytes stay the same, so that a reload keeps the pools and sessions of
/// upstreams whose trust did not change. The system's store is loaded once in the life of the process.
class TrustStore {
  public:
    /// path  a PEM file; "" is the system's store.
    /// text  on an error, one line: what is wrong with which file and what to do.
    /// Errors  not_found, bad_conf.                                           Blocks on files: not for a shard.
    [[nodiscard]] Result<net::TlsTrustPtr> load(const std::string& path, std::string& text);

  private:
    struct Loaded {
        Sha256 digest{};
        net::TlsTrustPtr trust;
    };
    std::map<std::string, Loaded> loaded_;
};

}  // namespace loom::app
