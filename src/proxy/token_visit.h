// A request that waits until its client's token is known: what of it is kept meanwhile, and how it goes on.
//
// The head is scratch of the turn in which it came, so a copy of it waits, to be read again when the issuer has
// answered; what the client sends behind it stays in its connection. A friend of the exchange, which it belongs to.
#pragma once

#include "introspection_desk.h"
#include "loom/base/block_pool.h"
#include "loom/http/head_parser.h"

namespace loom::proxy {

class Exchange;

class TokenVisit final : public Inquirer {
  public:
    /// The issuer is asked; the exchange waits from here on (waits()).
    /// Errors  as of IntrospectionDesk::ask.
    [[nodiscard]] static Result<void> begin(Exchange& exchange, const JwtPlan& issuer, std::string_view token,
                                            const Sha256& digest);
    TokenVisit(Exchange& exchange, BlockPool& blocks);

    /// Of the exchange that waits: its head, which ends where `behind` begins.
    void keep_head(const http::RequestHead& head, std::string_view behind) {
        head_.append({head.method_text.data(), static_cast<size_t>(behind.data() - head.method_text.data())});
    }
    [[nodiscard]] const IntrospectionAnswerPtr& answer() const noexcept { return answer_; }
    /// After a wake-up: the request is admitted, or refused, or waits on.
    [[nodiscard]] static Result<void> look_at_answer(Exchange& exchange);

    /// Of who is known by the plan that the request began with: would the one in force let them in too? Whom it was
    /// made to keep out while the issuer was asked, it keeps out.
    /// Errors  unauthenticated, forbidden; `why` says which.
    [[nodiscard]] static Result<void> check_in_force(Exchange& exchange, AuthFailure& why);

    void on_introspected(IntrospectionAnswerPtr answer) noexcept override;

  private:
    Exchange& x_;
    ByteBuffer head_;
    IntrospectionAnswerPtr answer_;
};

}  // namespace loom::proxy
