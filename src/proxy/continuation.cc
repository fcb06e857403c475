// A stream that broke off behind content goes on with another provider, which is shown what was said. The client sees
// one stream.
#include "continuation.h"

#include "client_connection.h"
#include "client_limits.h"
#include "exchange.h"
#include "guarding.h"
#include "ledger.h"
#include "translated.h"

namespace loom::proxy {

bool Exchange::goes_on() const noexcept { return continuation_ != nullptr && continuation_->under_way; }

/// For another attempt, once content has left.
bool Exchange::keeps_request() const noexcept { return continuation_ != nullptr && continuation_->told.may_go_on(); }

/// Can what this stream says be gone on with by others? Then it is kept, from its first event on.
void Exchange::keep_told(RelayOptions& options) {
    if (goes_on()) {
        options.told = &continuation_->told;
        return;
    }
    continuation_.reset();
    const FailoverPlan& terms = plan().failover;
    if (!terms.continues || !fails_over() || !stream_ || !options.event_stream || options.observer != nullptr) return;
    // What another provider would be sent of the answer has not been looked through as a request is.
    if (guarding_ != nullptr && guarding_->guards_answer() && guarding_->acts_on_answers()) return;
    if (hedge_ != nullptr) return;  // who tells it may change while two race
    const auto protocol = llm::chat_protocol_of(endpoint_);
    const llm::Request& request = draft_->request;
    const bool is_text =
        request.n == 1 && !request.has_schema && !request.wants_json && !request.has_audio && !request.uses_stored;
    if (!protocol || !is_text || *protocol == llm::Protocol::openai_completions) return;
    const bool passes = translated_ == nullptr;
    // Its items have ids that the provider has made, of a shape of its own.
    if (passes && *protocol == llm::Protocol::openai_responses) return;
    continuation_ = std::make_unique<Continuation>(terms.continuation_bytes);
    options.told = &continuation_->told;
    if (!passes) return translated_->translation.tell(continuation_->told);
    const llm::TranslateTerms equal{
        .client = *protocol, .provider = *protocol, .stream = true, .include_usage = request.include_usage};
    continuation_->follower =
        std::make_unique<llm::Translation>(services_.translate_scratch, services_.shard().blocks(), equal);
    continuation_->follower->tell(continuation_->told);
    options.follower = continuation_->follower.get();
}

/// The attempt has failed, and its client has a part of its answer: who can tell the rest?
Result<void> Exchange::look_at_cut() {
    const Error why = relay_.error();
    const bool is_told = relay_.error_told();
    client_->sender().flush();
    if (client_gone_) return std::unexpected(error_);
    book_tokens(relay_.usage());
    Booking(*this).settle(tenant::LedgerExit::cut_by_upstream);
    if (limited_ != nullptr) ClientQuota(*this).note_cut();
    leave_limits(false);
    services_.metrics().body_out_bytes.add(relay_.payload_bytes());
    continuation_->event_count += relay_.event_count();
    continuation_->seen_tokens += relay_.seen_tokens();
    continuation_->under_way = true;
    opened_early_ = true;  // whatever happens now is told in the stream
    forget_relay();
    error_ = why;
    error_.retry = Retry::never;
    (void)plan_failover(
        {.reason = is_told ? FailoverReason::error_event : reason_of(why), .error = error_, .content_came = true});
    return std::unexpected(error_);
}

/// Who writes the client's stream where nobody goes on with it; null: it has none of Loom's making.
llm::Translation* Exchange::stream_writer() const noexcept {
    if (!goes_on()) return nullptr;
    return translated_ != nullptr ? &translated_->translation : continuation_->follower.get();
}

void Exchange::book_continuation() {
    observe::ShardMetrics& metrics = services_.metrics();
    if (!continuation_->under_way) {
        if (relay_.end() == Relay::End::broken) metrics.continuations_refused.add();
        return;
    }
    if (left_early()) return;
    (answer_whole() ? metrics.continuations_completed : metrics.continuations_failed).add();
}

}  // namespace loom::proxy
