// Tells events to a webhook, at least once each and in their order, beside the requests: shards put them into rings,
// from which one thread takes them four times a second. One that is not taken waits in a bounded queue and is told
// again, with the same id: behind a pause that grows, and that is as long as the webhook asks (Retry-After) at least.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "asking.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/alert_plan.h"
#include "loom/tenant/alert.h"

namespace loom::app {

/// How long an answer asks not to be told anything: of 429 and 503 alone (RFC 6585, 4; RFC 9110, 10.2.3), and no longer
/// than `rest_max_ms`. 0: it does not ask.
[[nodiscard]] uint64_t webhook_rest_ms(const upstream::ClientAnswer& answer, int64_t now_unix_s) noexcept;

/// Lives on one shard and is used from its loop alone.
class AlertWebhook {
  public:
    /// rings  of those whose events are told; they outlive this.
    AlertWebhook(io::Shard& shard, net::NameService& names, std::vector<tenant::AlertRing*> rings);
    ~AlertWebhook();  // idle() first
    AlertWebhook(const AlertWebhook&) = delete;

    /// In place of that before; null: nobody is told. What waits is told there.
    void use(std::shared_ptr<const proxy::AlertPlan> plan);
    /// What waits is told still, where the webhook takes it at once: nothing is tried twice any more.
    void stop() noexcept;
    [[nodiscard]] bool idle() noexcept;
    /// Nothing where nobody is told.
    [[nodiscard]] std::optional<observe::AlertFacts> facts() const;

    static constexpr uint64_t look_ms = 250;            // how often is it looked for events
    static constexpr uint64_t last_words_ms = 2'000;    // that a stop waits for them
    static constexpr uint64_t rest_max_ms = 900'000;    // that an answer may ask for by Retry-After
    static constexpr size_t answer_bytes_max = 65'536;  // of a webhook, which has nothing to say
    /// What telling takes at worst, in bytes.
    [[nodiscard]] static uint64_t memory_bytes_max(const proxy::AlertPlan& plan);

  private:
    /// One webhook and its connection.
    class Teller;
    struct Waiting {
        tenant::Alert alert;
        uint64_t since_ms = 0;
        uint32_t attempts = 0;
    };
    struct Look : io::Timer {
        explicit Look(AlertWebhook& w) : Timer(&AlertWebhook::on_look), webhook(w) {}
        AlertWebhook& webhook;
    };
    static void on_look(io::Timer& timer) noexcept;
    void take_events();
    void tell_next();
    void told(const Result<upstream::ClientAnswer>& answer);
    void failed(const std::string& why, uint64_t rest_ms = 0);
    void drop_front(uint64_t& counter, std::string_view why);
    void drop_expired();
    void finish() noexcept;

    io::Shard& shard_;
    net::NameService& names_;
    std::vector<tenant::AlertRing*> rings_;
    std::shared_ptr<const proxy::AlertPlan> plan_;
    Askers<Teller> tellers_;    // of them one at most is current
    Teller* teller_ = nullptr;  // that one
    std::deque<Waiting> queue_;
    observe::AlertFacts counts_;  // for the life of the process
    Look look_{*this};
    uint64_t next_attempt_ms_ = 0;
    uint64_t rest_until_ms_ = 0;  // as the webhook itself has asked; a reload changes nothing of that
    uint32_t failures_in_row_ = 0;
    bool asking_ = false;
    bool stopping_ = false;
};

}  // namespace loom::app
