#include "exchange.h"

#include "admin_call.h"
#include "cache_visit.h"
#include "client_connection.h"
#include "coded_body.h"
#include "continuation.h"
#include "echo_source.h"
#include "guarding.h"
#include "hedge.h"
#include "ledger.h"
#include "line_place.h"
#include "ownership.h"
#include "realtime.h"
#include "token_visit.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr size_t text_block_bytes = 512;

constexpr Error body_late{.code = Errc::timed_out,
                          .side = Side::downstream,
                          .what = "the request's body did not arrive in time (timeout.client_body)"};
constexpr Error no_room{.code = Errc::exhausted,
                        .side = Side::internal,
                        .what = "too many request bodies are held here at once (limit.bodies_in_memory); try again"};

}  // namespace

Exchange::Exchange(Services& services, ClientConnection& client, Block home)
    : Doomed(&Exchange::free_exchange),
      BodyHold(services.bodies()),
      services_(services),
      client_(&client),
      use_(services.use_plan()),
      text_(services.shard().blocks(), text_block_bytes),
      request_lines_(services.shard().blocks()),
      body_(services.shard().blocks()),
      relay_(services.shard(), client.sender(), services.stream_reader, services.usage_reader, *this),
      begun_ns_(services.shard().now_ns()),
      begun_wall_us_(services.wall_now_us()),
      sent_before_(client.sender().sent_bytes()),
      home_(std::move(home)) {
    services_.exchange_count += 1;
    counted_ = !client.listener().local && !client.is_nobody();
    if (counted_) services_.metrics().exchanges_live.add();
}

Exchange::~Exchange() {
    LOOM_ASSERT(upstream_ == nullptr && draft_ == nullptr && attempt_ == nullptr && entry_ == nullptr);
    services_.exchange_count -= 1;
    if (counted_) services_.metrics().exchanges_live.sub();  // the client may have died before, in this very turn
    services_.leave_plan(use_);
}

void Exchange::free_exchange(io::Doomed& doomed) noexcept {
    auto& exchange = static_cast<Exchange&>(doomed);
    Block home = std::move(exchange.home_);
    exchange.~Exchange();
}

Exchange& Exchange::begin(Services& services, ClientConnection& client, std::string_view body) {
    Block home = services.shard().blocks().take(sizeof(Exchange));
    char* const memory = home.data();
    auto* const exchange = ::new (memory) Exchange(services, client, std::move(home));
    run(*exchange, body);
    return *exchange;
}

/// The page that a request is. Every wait is a loop over its condition: a wake-up may come for another reason.
io::Task Exchange::run(Exchange& x, std::string_view first_body) {
    Result<void> step = x.is_hedge() ? Race(x).prepare() : x.admit();
    if (x.visit_ != nullptr) x.visit_->keep_head(x.services_.request_head, first_body);
    x.take_first_body(first_body);
    while (step && x.visit_ != nullptr) {
        co_await x.wait_;
        step = TokenVisit::look_at_answer(x);
    }
    while (step && x.call_ != nullptr && x.call_->waits()) {
        co_await x.wait_;
        step = x.call_->look_at_answer();
    }
    if (step && !x.answered_) {
        x.expect_body();
        while (x.waits_for_body()) co_await x.wait_;
        while (x.guards_document()) co_await x.wait_;
        step = x.inspect();
        while (step && x.cache_ != nullptr && x.cache_->waits()) {
            co_await x.wait_;
            step = x.cache_->look_at_answer();
        }
        while (step && x.place_ != nullptr) {
            co_await x.wait_;
            step = x.look_at_line();
        }
        while (step && x.asks_register()) {
            co_await x.wait_;
            step = x.look_at_register();
        }
    }
    bool asks = step && !x.answered_;
    while (step && asks) {
        while (x.hashes_document()) co_await x.wait_;
        step = x.start_attempt();
        if (step) x.mirror();
        while (step && x.answer_ == AnswerState::awaited) {
            co_await x.wait_;
            step = x.look_at_answer();
        }
        if (step) step = x.judge_answer();
        if (step && x.collects_answer()) {
            step = x.begin_collecting();
            while (step && x.collecting_) {
                co_await x.wait_;
                step = x.look_at_collected();
            }
            if (step) step = x.judge_collected();
            while (step && x.guarding_ != nullptr && x.guarding_->answer_turn()) co_await x.wait_;
            if (step && x.guarding_ != nullptr) step = x.guarding_->end_answer();
            if (step) step = x.ask_about_answer();
            while (step && x.asks_register()) {
                co_await x.wait_;
                step = x.look_at_register();
            }
            if (step) step = x.deliver_collected();
            if (step && !x.answered_) continue;  // a list's next page
        } else if (step) {
            step = x.begin_relay();
            while (step && !x.relay_over()) co_await x.wait_;
            if (step) step = x.look_at_relay();
        }
        if (step) break;
        asks = x.plan_next(step.error());
        x.drop_upstream(net::Close::abort);
        while (x.upstream_sending()) co_await x.wait_;
        if (!asks) break;
        x.begin_pause();
        while (x.pausing()) co_await x.wait_;
        step = x.begin_next();
        asks = !x.committed();  // who is next may need no asking: a count is estimated
    }
    if (!step) x.refuse(x.telling_error(step.error()));
    if (x.cache_ != nullptr) x.cache_->finish();
    Booking(x).settle_last();
    x.phase_ = Phase::deliver;
    x.release_upstream();
    while (!x.client_settled()) co_await x.wait_;
    while (x.upstream_sending()) co_await x.wait_;
    x.settle();
}

bool Exchange::guards_document() { return plan().guard != nullptr && call_ == nullptr && Guarding::turn(*this); }

bool Exchange::wants_client_bytes() const noexcept {
    if (in_session()) return true;
    if (coded_ != nullptr && coded_->busy()) return false;
    return body_mode_ != BodyMode::none && !client_body_.done() && !waits_for_room();
}

void Exchange::on_client_gone(const Error& why) {
    if (client_gone_) return;
    client_gone_ = true;
    const bool said_so = in_session() && realtime_->session().client_said_close();
    if (!aborted_ && !said_so && error_.code == Errc::ok)
        error_ = Error{why.code, Side::downstream, Retry::never, why.sys_errno,
                       "the client left before the answer was whole"};
    if (races()) Race(*this).abandon(why);
    if (relaying_) relay_.on_client_failed(error_);
    if (in_session()) realtime_->session().on_client_gone(error_);
    wake();
}

bool Exchange::delivered() const noexcept {
    return phase_ == Phase::deliver && !client_->sender().failed() && client_settled();
}

void Exchange::on_client_sent(net::Sender::State state) {
    if (state == net::Sender::State::failed) {
        on_client_gone(client_->sender().error());
        return;
    }
    if (relaying_) relay_.on_client_progress();
    if (in_session()) realtime_->session().on_client_sent();
    if (deadline_ == Deadline::client_write) arm(Deadline::client_write, plan().client.write_ms);
    if (state == net::Sender::State::idle && phase_ == Phase::deliver) wake();
}

const Timeouts& Exchange::timeouts() const noexcept {
    return provider_ != nullptr ? provider_->timeouts : plan().timeouts;
}

void Exchange::arm(Deadline what, uint64_t delay_ms) noexcept {
    deadline_ = what;
    io::TimerWheel& timers = services_.shard().timers();
    uint64_t at = delay_ms == 0 ? UINT64_MAX : timers.now_ms() + delay_ms;
    if (total_deadline_ms_ != 0) at = std::min(at, total_deadline_ms_);
    const bool of_attempt = what == Deadline::connect || what == Deadline::response_header ||
                            what == Deadline::first_token || what == Deadline::inter_event;
    if (of_attempt && attempt_ != nullptr && attempt_->deadline_ms != 0) at = std::min(at, attempt_->deadline_ms);
    if (at == UINT64_MAX)
        timer_.disarm();
    else
        timers.arm_at(timer_, at);
}

bool Exchange::total_passed() const noexcept {
    return total_deadline_ms_ != 0 && services_.shard().timers().now_ms() >= total_deadline_ms_;
}

/// A copy's is nobody's: its end is counted among the copies'.
void Exchange::count_timeout() noexcept {
    if (!client_->is_mirror()) services_.metrics().timeouts.add();
}

void Exchange::on_deadline(io::Timer& timer) noexcept {
    Exchange& x = static_cast<Timer&>(timer).exchange;
    Error why{.code = Errc::timed_out, .side = Side::upstream, .what = "the upstream took too long"};
    switch (x.deadline_) {
        case Deadline::none: return;
        case Deadline::session: return x.on_session_deadline(x.total_passed());
        case Deadline::pause: x.pausing_ = false; return x.wake();
        case Deadline::client_body: return x.fail_body(x.waits_for_room() ? no_room : body_late);
        case Deadline::connect:
            why.retry = Retry::safe;
            why.what = "no connection to the upstream in time (timeout.connect)";
            break;
        case Deadline::intent:  // timeout.total
            why.code = Errc::exhausted;
            why.side = Side::internal;
            break;
        case Deadline::response_header:
            why.what = "the upstream sent no answer in time (timeout.response_header)";
            break;
        case Deadline::first_token: why.what = "the upstream sent no first token in time (timeout.first_token)"; break;
        case Deadline::inter_event: why.what = "the upstream's stream stood still (timeout.inter_event)"; break;
        case Deadline::client_write:
            x.count_timeout();
            x.error_ = Error{.code = Errc::timed_out,
                             .side = Side::downstream,
                             .what = "the client did not read its answer (timeout.client_write)"};
            x.client_->abort();
            return x.on_client_gone(x.error_);
    }
    const uint64_t attempt_deadline_ms = x.attempt_ != nullptr ? x.attempt_->deadline_ms : 0;
    if (attempt_deadline_ms != 0 && x.services_.shard().timers().now_ms() >= attempt_deadline_ms)
        why.what = "the attempt brought no content in time (routing.failover.timeout)";
    if (x.total_passed()) {
        why.retry = Retry::never;
        why.what = "the exchange took longer than it may (timeout.total)";
    } else if (x.deadline_ != Deadline::inter_event) {
        x.learn_of_refusal();
    }
    x.count_timeout();
    x.error_ = why;
    if (x.relaying_) return x.relay_.fail(why);
    x.wake();
}

void Exchange::on_keepalive(io::Timer& timer) noexcept {
    Exchange& x = static_cast<KeepAlive&>(timer).exchange;
    if (x.client_gone_ || x.content_ns_ != 0 || (x.relaying_ && x.relay_.ended())) return;
    x.begin_stream_early();
    x.services_.shard().timers().arm(timer, x.route_->keepalive_ms);
}

}  // namespace loom::proxy
