#include "tls_session_cache.h"

#include <fmt/format.h>

namespace loom::net {
namespace {
std::string key_of(std::string_view host, uint16_t port) { return fmt::format("{}:{}", host, port); }
}  // namespace

void TlsSessionCache::put(std::string_view host, uint16_t port, bssl::UniquePtr<SSL_SESSION> session) {
    if (hosts_max_ == 0 || per_host_max_ == 0) return;
    auto& sessions = host_of(key_of(host, port)).sessions;
    const bool reusable = !SSL_SESSION_should_be_single_use(session.get());
    // A session of TLS 1.2 serves any number of connections: one is enough.
    const size_t drop = reusable ? sessions.size() : (sessions.size() == per_host_max_ ? 1 : 0);
    sessions.erase(sessions.begin(), sessions.begin() + static_cast<ptrdiff_t>(drop));
    sessions.push_back(std::move(session));
    count_ += 1 - drop;
}

bssl::UniquePtr<SSL_SESSION> TlsSessionCache::take(std::string_view host, uint16_t port) {
    const auto found = index_.find(key_of(host, port));
    if (found == index_.end() || found->second->sessions.empty()) return nullptr;
    hosts_.splice(hosts_.begin(), hosts_, found->second);
    auto& sessions = found->second->sessions;
    if (!SSL_SESSION_should_be_single_use(sessions.back().get())) return bssl::UpRef(sessions.back());
    auto session = std::move(sessions.back());
    sessions.pop_back();
    count_ -= 1;
    return session;
}

void TlsSessionCache::forget(std::string_view host, uint16_t port) {
    const auto found = index_.find(key_of(host, port));
    if (found != index_.end()) erase(found->second);
}

TlsSessionCache::Host& TlsSessionCache::host_of(const std::string& key) {
    const auto found = index_.find(key);
    if (found != index_.end()) {
        hosts_.splice(hosts_.begin(), hosts_, found->second);
        return hosts_.front();
    }
    if (hosts_.size() == hosts_max_) erase(std::prev(hosts_.end()));
    hosts_.push_front({key, {}});
    index_.emplace(key, hosts_.begin());
    return hosts_.front();
}

void TlsSessionCache::erase(Hosts::iterator at) {
    count_ -= at->sessions.size();
    index_.erase(at->key);
    hosts_.erase(at);
}

}  // namespace loom::net
