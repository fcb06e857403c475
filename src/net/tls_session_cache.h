// Sessions that a client may resume, by host and port, of one shard.
#pragma once

#include <openssl/ssl.h>

#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace loom::net {

/// Least recently used hosts go first, and of a host its oldest sessions.
class TlsSessionCache {
  public:
    TlsSessionCache(size_t hosts_max, size_t per_host_max) : hosts_max_(hosts_max), per_host_max_(per_host_max) {}

    void put(std::string_view host, uint16_t port, bssl::UniquePtr<SSL_SESSION> session);
    /// The newest session; one of TLS 1.3 leaves the cache with it, since a ticket shown twice links its connections.
    [[nodiscard]] bssl::UniquePtr<SSL_SESSION> take(std::string_view host, uint16_t port);
    /// After a handshake that failed: what was kept may be why.
    void forget(std::string_view host, uint16_t port);
    [[nodiscard]] size_t size() const noexcept { return count_; }

  private:
    struct Host {
        std::string key;
        std::vector<bssl::UniquePtr<SSL_SESSION>> sessions;  // newest last
    };
    using Hosts = std::list<Host>;

    Host& host_of(const std::string& key);
    void erase(Hosts::iterator at);

    size_t hosts_max_;
    size_t per_host_max_;
    size_t count_ = 0;
    Hosts hosts_;  // most recently used first
    std::unordered_map<std::string, Hosts::iterator> index_;
};

}  // namespace loom::net
