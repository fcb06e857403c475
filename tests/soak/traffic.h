// One client of many: asks one thing after the other, each chosen by its seed, and judges each answer against the order
// that it gave.
#pragma once

#include <atomic>
#include <optional>
#include <random>
#include <string>

#include "../wire/tls_client.h"
#include "order.h"
#include "site.h"

namespace loom::soak {

/// A connection to Loom, plain or TLS.
class Link {
  public:
    Link(uint16_t port, int receive_buffer_bytes) : plain_(std::in_place, port, receive_buffer_bytes) {}
    Link(uint16_t port, net::TlsContext& context) : tls_(std::in_place, port, context) {}
    void send(std::string_view bytes) { plain_ ? plain_->send(bytes) : tls_->send(bytes); }
    wire::MessageReader& reader() { return plain_ ? plain_->reader() : tls_->reader(); }
    void reset() { plain_ ? plain_->reset() : tls_->reset(); }
    [[nodiscard]] wire::RawClient* plain() { return plain_ ? &*plain_ : nullptr; }

  private:
    std::optional<wire::RawClient> plain_;
    std::optional<wire::TlsClient> tls_;
};

class Client {
  public:
    /// `site` outlives it. Two clients of one seed and one index ask the same in the same order.
    Client(Site& site, Ledger& ledger, uint64_t seed, uint32_t index, uint32_t think_us_max);
    /// Until `is_over`. Nothing is thrown: what goes wrong is in the ledger.
    void run(const std::atomic<bool>& is_over);

  private:
    enum class Kind : uint8_t;
    struct Ask;

    [[nodiscard]] Ask choose();
    [[nodiscard]] Order draw_order(Deed deed, bool is_stream);
    [[nodiscard]] std::string bytes_of(const Ask& ask);
    Outcome perform(const Ask& ask);
    Outcome leave(const Ask& ask, Link& link, std::string_view bytes);
    Outcome judge(const Ask& ask, const wire::Message& answer, Clock::time_point begun) const;
    [[nodiscard]] std::string judge_stream(const Ask& ask, const wire::Message& answer, bool may_break) const;
    Link& link(const Ask& ask);
    uint64_t below(uint64_t bound) { return random_() % bound; }

    Site& site_;
    Ledger& ledger_;
    std::mt19937_64 random_;
    std::unique_ptr<net::TlsContext> tls_context_;
    std::optional<Link> link_;
    bool link_is_tls_ = false;
    uint64_t next_id_;
    uint32_t think_us_max_;
};

}  // namespace loom::soak
