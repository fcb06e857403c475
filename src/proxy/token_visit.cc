#include "token_visit.h"

#include "client_connection.h"
#include "exchange.h"

namespace loom::proxy {

TokenVisit::TokenVisit(Exchange& exchange, BlockPool& blocks) : x_(exchange), head_(blocks) {}

Result<void> TokenVisit::begin(Exchange& exchange, const JwtPlan& issuer, std::string_view token,
                               const Sha256& digest) {
    auto visit = std::make_unique<TokenVisit>(exchange, exchange.services_.shard().blocks());
    LOOM_TRY(exchange.services_.introspections().ask(issuer, token, digest, *visit));
    exchange.visit_ = std::move(visit);
    return {};
}

void TokenVisit::on_introspected(IntrospectionAnswerPtr answer) noexcept {
    answer_ = std::move(answer);
    x_.wake();
}

/// From where admission stopped: all that was before it has had its say, once.
Result<void> TokenVisit::look_at_answer(Exchange& x) {
    if (x.client_gone_) {
        x.visit_.reset();
        return std::unexpected(x.error_);
    }
    if (x.visit_->answer_ == nullptr) return {};
    const uint64_t resumed_ns = x.services_.shard().now_ns();
    http::RequestHead& head = x.services_.request_head;
    const auto parsed = http::parse_request_head(x.visit_->head_.view(), head);
    LOOM_ASSERT(parsed);  // the same bytes could be read before
    if (!x.client_body_.done()) x.body_mode_ = Exchange::BodyMode::discard;
    const auto step = x.admit_bearer(head);
    x.visit_.reset();  // the head's bytes go with it: nothing of them is looked at any more
    x.admitted_ns_ += x.services_.shard().read_clock_ns() - resumed_ns;  // the wait is no work of Loom's
    x.client_->read_on();                                                // the body's bytes that wait in the connection
    return step;
}

}  // namespace loom::proxy
