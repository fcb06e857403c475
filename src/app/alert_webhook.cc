#include "alert_webhook.h"

#include <fmt/format.h>

#include <algorithm>

#include "alert_document.h"
#include "loom/base/clock.h"
#include "loom/base/crypto.h"
#include "loom/observe/log.h"
#include "loom/route/retry.h"

namespace loom::app {
namespace {

upstream::ClientOptions client_options(const proxy::AlertPlan& plan) {
    return {.endpoint = plan.endpoint,
            .authority = plan.authority,
            .timeout_ms = plan.timeout_ms,
            .answer_bytes_max = AlertWebhook::answer_bytes_max,
            .exchange_count_max = 1};
}

/// It will take this event no better another time. That a key is wrong, or a path, is mended with a reload.
bool is_for_good(int status) noexcept {
    return status == 400 || status == 410 || status == 413 || status == 415 || status == 422;
}

}  // namespace

uint64_t webhook_rest_ms(const upstream::ClientAnswer& answer, int64_t now_unix_s) noexcept {
    if (answer.status != 429 && answer.status != 503) return 0;
    const auto rest_ms = route::parse_retry_after(answer.retry_after, now_unix_s);
    return std::min(rest_ms.value_or(0), AlertWebhook::rest_max_ms);
}

class AlertWebhook::Teller {
  public:
    Teller(AlertWebhook& webhook, std::shared_ptr<const proxy::AlertPlan> plan)
        : webhook_(webhook), plan_(std::move(plan)), client_(webhook.shard_, webhook.names_, client_options(*plan_)) {}

    void tell(const tenant::Alert& alert) {
        const std::string id = alert_id(alert);
        std::string document = alert_document(alert, id);
        const auto now_s = static_cast<int64_t>(wall_us() / 1'000'000);
        upstream::ClientRequest request{.target = std::string(plan_->target->view())};
        std::string& lines = request.lines.text();
        lines.reserve(plan_->lines->view().size() + 256);
        lines += "content-type: application/json\r\n";
        lines += plan_->lines->view();
        lines += fmt::format("webhook-id: {}\r\nwebhook-timestamp: {}\r\n", id, now_s);
        if (plan_->key != nullptr)
            lines +=
                fmt::format("webhook-signature: {}\r\n", webhook_signature(plan_->key->view(), id, now_s, document));
        request.body = Secret(std::move(document));
        client_.ask(std::move(request), [this](const Result<upstream::ClientAnswer>& answer) {
            if (!stopped_) webhook_.told(answer);
        });
    }
    void stop() noexcept {
        stopped_ = true;
        client_.close();
    }
    [[nodiscard]] bool idle() const noexcept { return client_.idle(); }
    [[nodiscard]] const upstream::Client& client() const noexcept { return client_; }

  private:
    AlertWebhook& webhook_;
    std::shared_ptr<const proxy::AlertPlan> plan_;
    upstream::Client client_;
    bool stopped_ = false;
};

AlertWebhook::AlertWebhook(io::Shard& shard, net::NameService& names, std::vector<tenant::AlertRing*> rings)
    : shard_(shard), names_(names), rings_(std::move(rings)) {}

AlertWebhook::~AlertWebhook() {
    look_.disarm();
    look_.unlink();
}

uint64_t AlertWebhook::memory_bytes_max(const proxy::AlertPlan& plan) {
    const uint64_t queue = uint64_t{plan.queue_max} * sizeof(Waiting);
    return queue + queue / 8 + 2 * upstream::Client::memory_bytes_max(client_options(plan));
}

void AlertWebhook::use(std::shared_ptr<const proxy::AlertPlan> plan) {
    const bool same_place = plan_ != nullptr && plan != nullptr && plan_->authority == plan->authority &&
                            plan_->target->view() == plan->target->view();
    if (!same_place) rest_until_ms_ = 0;
    plan_ = std::move(plan);
    auto before = tellers_.take();
    teller_ = plan_ != nullptr ? &tellers_.add(std::make_unique<Teller>(*this, plan_)) : nullptr;
    tellers_.let_go(std::move(before));
    asking_ = false;
    failures_in_row_ = 0;
    next_attempt_ms_ = rest_until_ms_;
    if (plan_ == nullptr) {
        counts_.dropped_expired += queue_.size();
        if (!queue_.empty()) observe::log_warn("alerts.webhook: is taken away, {} events were not told", queue_.size());
        queue_.clear();
        look_.disarm();
    } else if (!look_.armed()) {
        shard_.timers().arm(look_, look_ms);
    }
}

void AlertWebhook::stop() noexcept {
    stopping_ = true;
    look_.disarm();
    if (teller_ == nullptr) return finish();
    take_events();
    if (failures_in_row_ > 0 || (queue_.empty() && !asking_)) return finish();
    shard_.timers().arm(look_, last_words_ms);
    if (!asking_) tell_next();
}

void AlertWebhook::finish() noexcept {
    look_.disarm();
    teller_ = nullptr;
    tellers_.let_go(tellers_.take());
    if (!queue_.empty()) observe::log_warn("alerts.webhook: {} events were not told", queue_.size());
    queue_.clear();
}

bool AlertWebhook::idle() noexcept { return tellers_.idle(); }

std::optional<observe::AlertFacts> AlertWebhook::facts() const {
    if (plan_ == nullptr) return std::nullopt;
    observe::AlertFacts facts = counts_;
    facts.waiting = queue_.size();
    return facts;
}

void AlertWebhook::on_look(io::Timer& timer) noexcept {
    AlertWebhook& webhook = static_cast<Look&>(timer).webhook;
    if (webhook.stopping_) return webhook.finish();
    webhook.shard_.timers().arm(timer, look_ms);
    webhook.take_events();
    if (!webhook.asking_ && webhook.shard_.timers().now_ms() >= webhook.next_attempt_ms_) webhook.tell_next();
}

/// Those for whom there is no room are counted: the oldest say where it began.
void AlertWebhook::take_events() {
    const uint64_t now_ms = shard_.timers().now_ms();
    tenant::Alert alert;
    for (tenant::AlertRing* const ring : rings_)
        while (ring->take(alert)) {
            if (queue_.size() >= plan_->queue_max)
                counts_.dropped_full += 1;
            else
                queue_.push_back({.alert = alert, .since_ms = now_ms});
        }
}

void AlertWebhook::tell_next() {
    if (queue_.empty() || teller_ == nullptr) return;
    asking_ = true;
    queue_.front().attempts += 1;
    teller_->tell(queue_.front().alert);
}

void AlertWebhook::told(const Result<upstream::ClientAnswer>& answer) {
    asking_ = false;
    if (!answer) return failed(failure_text(answer.error(), teller_->client()));
    const bool good = answer->status >= 200 && answer->status < 300;
    if (!good && !is_for_good(answer->status))
        return failed(fmt::format("is answered with {}", answer->status),
                      webhook_rest_ms(*answer, static_cast<int64_t>(wall_us() / 1'000'000)));
    if (failures_in_row_ > 0) observe::log_info("alerts.webhook: answers again");
    failures_in_row_ = 0;
    next_attempt_ms_ = 0;
    if (good) {
        counts_.sent += 1;
        queue_.pop_front();
    } else {
        counts_.failures += 1;
        drop_front(counts_.dropped_refused, fmt::format("is answered with {}", answer->status));
    }
    if (stopping_ && queue_.empty()) return finish();
    tell_next();
}

/// rest_ms  that the webhook wants no more of it, at least.
void AlertWebhook::failed(const std::string& why, uint64_t rest_ms) {
    counts_.failures += 1;
    failures_in_row_ += 1;
    if (stopping_) return finish();
    drop_expired();
    const uint64_t pause_ms = std::max(retry_pause_ms(failures_in_row_, random_u64()), rest_ms);
    if (rest_ms > 0) rest_until_ms_ = shard_.timers().now_ms() + rest_ms;
    next_attempt_ms_ = shard_.timers().now_ms() + pause_ms;
    observe::log_warn("alerts.webhook: {}: {}; {} events wait, tried again in {} s", plan_->endpoint.host, why,
                      queue_.size(), (pause_ms + 999) / 1000);
}

void AlertWebhook::drop_expired() {
    const uint64_t now_ms = shard_.timers().now_ms();
    while (!queue_.empty()) {
        const Waiting& oldest = queue_.front();
        const bool tried = oldest.attempts > 0 || plan_->retry_for_ms > 0;
        if (!tried || now_ms - oldest.since_ms < plan_->retry_for_ms) return;
        drop_front(counts_.dropped_expired, "was not to be had in alerts.webhook.retry_for");
    }
}

void AlertWebhook::drop_front(uint64_t& counter, std::string_view why) {
    const tenant::Alert& alert = queue_.front().alert;
    observe::log_error("alerts.webhook: {}: {} is not told: {} {}", plan_->endpoint.host, alert_id(alert),
                       alert_type_name(alert.type), why);
    counter += 1;
    queue_.pop_front();
}

}  // namespace loom::app
