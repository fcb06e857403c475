#include "client_tls.h"

#include <array>

#include "client_connection.h"
#include "loom/net/tls_peer.h"
#include "loom/observe/log.h"

namespace loom::proxy {
namespace {

constexpr uint64_t ns_per_us = 1000;

}  // namespace

ClientTls::ClientTls(ClientConnection& client, net::StreamUser& user)
    : client_(client),
      context_(client.listener().tls),
      stream_(client.services().shard(),
              {.context = context_.get(), .plain = &client.services().tls_buffers(), .watch = this}, user) {}

void ClientTls::note_peer() {
    auto peer = stream_.session().peer();
    if (!peer) return;
    shown_ = std::make_unique<Shown>(std::move(*peer), net::peer_expires_unix_s(stream_.session()), context_, true);
}

const net::TlsPeer* ClientTls::peer() {
    if (shown_ == nullptr) return nullptr;
    if (const auto& now = client_.listener().tls; now != shown_->judged_by) {
        shown_->judged_by = now;
        shown_->is_trusted = now != nullptr && net::is_peer_trusted(stream_.session(), *now);
    }
    const bool is_over = client_.services().unix_now_s() > shown_->expires_unix_s;
    return shown_->is_trusted && !is_over ? &shown_->peer : nullptr;
}

void ClientTls::tell_timeout() const noexcept {
    std::array<char, 64> room;
    observe::log_warn("listener {}: {}: the TLS handshake did not end in time (timeout.client_handshake)",
                      client_.listener().name, client_.peer_text(room));
}

void ClientTls::on_tls_open(bool resumed, uint64_t duration_ns) noexcept {
    const auto result = resumed ? observe::TlsResult::resumed : observe::TlsResult::full;
    client_.services().metrics().tls_handshake(observe::TlsSide::client, result, duration_ns / ns_per_us);
}

/// Strangers can cause it at will: the log bounds how many of these lines are written.
void ClientTls::on_tls_failed(std::string_view text, bool in_handshake) noexcept {
    if (in_handshake) client_.services().metrics().tls_handshake(observe::TlsSide::client, observe::TlsResult::failed);
    std::array<char, 64> room;
    observe::log_warn("listener {}: {}: {}", client_.listener().name, client_.peer_text(room), text);
}

void ClientTls::on_tls_given_up() noexcept {
    client_.services().metrics().tls_handshake(observe::TlsSide::client, observe::TlsResult::given_up);
}

}  // namespace loom::proxy
