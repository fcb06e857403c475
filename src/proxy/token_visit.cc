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

Result<void> TokenVisit::check_in_force(Exchange& x, AuthFailure& why) {
    const Plan& now = x.services_.plan();
    if (&x.plan() == &now || x.token_ == nullptr) return {};
    const auto refuse = [&why](AuthFailure as, Errc code, const char* what) {
        why = as;
        return fail(code, Side::downstream, what);
    };
    const tenant::Consumer* const bearer = x.bearer_by(now);
    if (bearer == nullptr)
        return refuse(AuthFailure::consumer, Errc::unauthenticated, "this token is no longer taken here; ask again");
    const auto now_s = static_cast<int64_t>(x.services_.wall_now_us() / 1'000'000);
    if (bearer->expired(now_s))
        return refuse(AuthFailure::expired, Errc::unauthenticated, "this consumer has expired (consumer.NAME.expires)");
    if (!x.comes_from(*bearer))
        return refuse(AuthFailure::address, Errc::forbidden, "this consumer may not come from this address");
    if (!bearer->may_use_route(x.route_->name))
        return refuse(AuthFailure::route, Errc::forbidden,
                      "this consumer may not use this route (consumer.NAME.routes)");
    return {};
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
