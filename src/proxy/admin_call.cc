#include "admin_call.h"

#include <array>

#include "client_connection.h"
#include "exchange.h"
#include "loom/base/alloc_counter.h"
#include "loom/llm/error.h"

namespace loom::proxy {

void AdminCall::begin(Exchange& x, const LocalRequest& request, size_t body_bytes_max) {
    LOOM_ASSERT(body_bytes_max <= largest_body_bytes);
    x.call_ = std::make_unique<AdminCall>(x, body_bytes_max);
    x.call_->request_ = {.method = x.text_.keep(request.method),
                         .path = x.text_.keep(request.path),
                         .query = x.text_.keep(request.query),
                         .authorization = {},
                         .origin = x.text_.keep(request.origin),
                         .peer = x.text_.keep(request.peer),
                         .body = {}};
    // It was shown with the head, and is looked at again with the body: one who may not has been refused by now.
    x.call_->request_.authorization = x.text_.keep(request.authorization);
    const bool is_length = x.client_body_.framing() == http::BodyFraming::length;
    if (is_length && x.client_body_.remaining_bytes() > body_bytes_max) {
        x.expect_continue_ = false;
        x.error_ = {.code = Errc::too_large, .side = Side::downstream, .what = "the body is larger than is taken here"};
    } else if (!x.client_body_.done()) {
        x.body_mode_ = Exchange::BodyMode::collect;
    }
}

Result<void> AdminCall::answer(Exchange& x) {
    if (x.client_gone_ || x.error_.code != Errc::ok) return std::unexpected(x.error_);
    x.body_mode_ = Exchange::BodyMode::none;
    x.timer_.disarm();
    x.deadline_ = Exchange::Deadline::none;
    LocalRequest request = x.call_->request_;
    request.body = x.body_.view();
    run(x, request);
    return {};
}

/// What is known to come in pieces (it has a type) ends in HTTP/1.0 where the connection does, and so it does where it
/// breaks.
void AdminCall::refuse_pieces(Exchange& x) {
    std::array<char, llm::error_bytes_max> room;
    x.reply(505, "application/json",
            llm::write_error(room, {.message = "this is sent in pieces: ask for it by HTTP/1.1",
                                    .type = llm::error_type::invalid_request,
                                    .code = "http_version_not_supported"}));
}

void AdminCall::run(Exchange& x, const LocalRequest& request) {
    count_allocations_of_this_thread(false);  // a page of metrics is not the way of a request
    LocalAnswer answer = x.client_->listener().local(request);
    const bool wants_body = answer.wants_body_bytes != 0 && !request.body;
    const bool comes_later = answer.stream != nullptr;
    LOOM_ASSERT(!comes_later || x.call_ == nullptr);  // such resources read no body
    if (wants_body) begin(x, request, answer.wants_body_bytes);
    if (comes_later && !answer.content_type.empty() && x.minor_version_ == 0) {
        answer.stream->leave();
        count_allocations_of_this_thread(true);
        return refuse_pieces(x);
    }
    if (comes_later) {
        x.call_ = std::make_unique<AdminCall>(x);
        x.call_->await(std::move(answer.stream), std::move(answer.content_type));
    }
    count_allocations_of_this_thread(true);
    if (!wants_body && !comes_later)
        x.reply(answer.status, answer.content_type, answer.body, answer.is_secret ? "cache-control: no-store\r\n" : "");
}

}  // namespace loom::proxy
