// What attempts tell of how much their provider takes at once (route/adaptive_limit.h).
#include "client_connection.h"
#include "exchange.h"

namespace loom::proxy {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000, ns_per_us = 1'000;

constexpr bool is_overload(int status) noexcept { return status == 429 || status == 503 || status == 529; }

route::AnswerKind kind_of(llm::Endpoint endpoint, bool stream) noexcept {
    if (stream) return route::AnswerKind::stream;
    return llm::chat_protocol_of(endpoint) ? route::AnswerKind::whole : route::AnswerKind::embeddings;
}

}  // namespace

/// Of an attempt that holds a place; null where nothing is learned.
route::LimitState* Exchange::learned_limit() const noexcept {
    const route::ProviderLimits* const limits = passage_.limits.of;
    return limits != nullptr && limits->adaptive.on() ? limits->state.get() : nullptr;
}

/// The answer's head is there: a refusal, or of what comes whole, the time that it took.
void Exchange::learn_of_head() noexcept {
    if (learned_limit() == nullptr) return;
    const int status = services_.response_head.status;
    if (is_overload(status)) {
        if (status != 429 || is_word_on_concurrency()) learn_of_refusal();
        return;
    }
    if (!stream_ && status < 400) learn_of_answer(answer_ns_);
}

/// A 429 that says how much of a minute's quota is left, none, says why; and of several keys, one may have spent its
/// own.
bool Exchange::is_word_on_concurrency() const noexcept {
    const http::ResponseHead& head = services_.response_head;
    route::Headroom room;
    for (const http::Header& header : head.headers())
        if (header.id == http::HeaderId::other)
            room.note(header.name, header.value, static_cast<int64_t>(services_.wall_now_us() / 1'000'000));
    if (room.said && room.rest_ms() > 0) return false;
    const route::InstanceSet* const set = instance_set();
    if (set == nullptr) return true;
    const route::InstanceMask others = route::of_same_key(*set, instance_ix());
    return route::best_standing(*set, services_.shard().timers().now_ms(), others, 0) >
           route::InstanceStanding::recovering;
}

/// Of requests that were read before they were sent, and are answered by a model: how long counting tokens takes, or an
/// upload that streams, is no word on its queue. An answer whose head has told is told of once.
/// at_ns  when the answer began: a stream's first content, else its head; or until when it had not.
void Exchange::learn_of_answer(uint64_t at_ns) noexcept {
    route::LimitState* const row = learned_limit();
    if (row == nullptr || !request_sent_ || at_ns < forwarded_ns_) return;
    if (draft_ == nullptr || llm::counts_tokens(endpoint_)) return;
    if (!stream_ && answer_ns_ != 0 && answer_ns_ != at_ns) return;
    const bool of_model = candidate_ != nullptr && candidate_->model_state != nullptr;
    route::TimeBaselines& times = of_model ? candidate_->model_state->times : row->times;
    row->adaptive.record(passage_.limits.of->adaptive, services_.shard().timers().now_ms(),
                         (at_ns - forwarded_ns_) / ns_per_us, row->concurrent.load(std::memory_order_relaxed),
                         times.of(kind_of(endpoint_, stream_)));
}

/// The provider has said that it is too much, or nothing in time.
void Exchange::learn_of_refusal() noexcept {
    route::LimitState* const row = learned_limit();
    if (row == nullptr) return;
    const uint64_t began_ms = (request_sent_ ? forwarded_ns_ : connect_from_ns_) / ns_per_ms;
    row->adaptive.refuse(passage_.limits.of->adaptive, services_.shard().timers().now_ms(), began_ms,
                         row->concurrent.load(std::memory_order_relaxed));
}

}  // namespace loom::proxy
