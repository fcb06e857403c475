#include "guarding.h"

#include <utility>

#include "client_connection.h"
#include "exchange.h"

namespace loom::proxy {

namespace {

bool is_guarded(const Plan& plan, const RoutePlan* route) noexcept {
    return plan.guard != nullptr && route != nullptr && route->ai && route->guarded &&
           (route->html != guard::HtmlMode::off || !plan.guard->is_html_alone());
}

}  // namespace

/// Of the shard that this thread is: the one scan that needs no room among the bodies, since it has a term of its own.
thread_local const Guarding* Guarding::unasked_ = nullptr;

Guarding::Guarding(Exchange& exchange) noexcept
    : Runnable([](io::Runnable& next) noexcept { static_cast<Guarding&>(next).x_.wake(); }),
      x_(exchange),
      scan_hold_(exchange.services_.bodies()) {}

Guarding::Guarding(Exchange& exchange, const Guarding& first) : Guarding(exchange) {
    values_ = first.values_;
    summary_ = x_.text_.keep(first.summary_);
    would_refuse_ = first.would_refuse_;
    if (first.notes_ && begin_notes() != nullptr) notes_->copy(*first.notes_);
    over_ = true;
}

/// A copy of a request is made of what its scan has left of it.
bool Guarding::turn(Exchange& x) {
    if (x.guarding_ == nullptr) {
        const bool is_here = x.body_mode_ == Exchange::BodyMode::collect && !x.body_.empty() && !x.client_gone_ &&
                             x.error_.code == Errc::ok && !x.client_->is_nobody();
        if (!is_here || !is_guarded(x.plan(), x.route_)) return false;
        x.guarding_ = std::make_unique<Guarding>(x);
        const GuardPlan& plan = *x.plan().guard;
        const bool tells = plan.tells_answers() || x.guarding_->html() != guard::HtmlMode::off;
        if (tells && llm::chat_protocol_of(x.endpoint_))
            x.guarding_->values_ = std::make_shared<MaskedValues>(x.services_.bodies(), x.services_.shard().blocks(),
                                                                  plan.restores() && !plan.dry_run,
                                                                  plan.pii ? plan.pii->scanner.custom() : nullptr);
        if (!plan.reads_requests()) {
            const Result<void> expected = x.guarding_->expect_answer();
            if (!expected) return x.guarding_->stop(expected.error());
            x.guarding_->over_ = plan.external.empty();
            if (x.guarding_->over_) return false;
        }
        x.body_ns_ = x.services_.shard().now_ns();
        x.timer_.disarm();
        x.deadline_ = Exchange::Deadline::none;
        if (!plan.reads_requests()) x.guarding_->begin_visit();
    }
    Guarding& own = *x.guarding_;
    if (own.over_) return false;
    if (x.client_gone_) {
        own.over_ = true;
        own.visit_.reset();
        own.let_go();
        return false;
    }
    if (own.visit_ != nullptr) return own.visit_turn();
    const Result<bool> step = own.go_on();
    if (step && *step) {
        x.services_.shard().schedule_next_tick(own);
        return true;
    }
    const Result<void> ended = step ? own.end() : std::unexpected(step.error());
    own.let_go();
    if (!ended) return own.stop(ended.error());
    own.over_ = x.plan().guard->external.empty() || own.withholds_;
    if (own.withholds_) {
        own.withhold();
        // Nobody outside changes it any more.
        const Result<void> kept = own.keep_for_answer(true);
        if (!kept) return own.stop(kept.error());
    }
    if (own.over_) return false;
    own.begin_visit();
    return own.visit_turn();
}

/// The request goes no further. Returns false: there is nothing more to do.
bool Guarding::stop(const Error& why) {
    over_ = true;
    x_.error_ = why;
    x_.release_body();
    return false;
}

/// The guards of this place are through, and what they have left of the request is what others get to see.
void Guarding::begin_visit() {
    const std::string_view model =
        llm::names_model_in_path(x_.endpoint_) ? llm::model_of_path(x_.path_) : std::string_view();
    const GuardSubject subject{.request_id = x_.request_id_,
                               .consumer = x_.consumer_ != nullptr ? std::string_view(x_.consumer_->name) : "",
                               .model = model};
    visit_ = std::make_unique<GuardVisit>(x_.services_.guards(), x_.services_.metrics(), x_.services_.shard(),
                                          *x_.plan().guard, x_.body_.view(), subject, *this);
}

/// Whoever tries its guards out means to keep such requests from others, and a dry run keeps nothing from anybody.
void Guarding::withhold() {
    for (const auto& guard : x_.plan().guard->external) {
        const std::string_view word = x_.text_.join("guard.", guard->name, ":withheld");
        summary_ = summary_.empty() ? word : x_.text_.join(summary_, " ", word);
    }
}

bool Guarding::visit_turn() {
    const auto step = visit_->step();
    const uint64_t now_ns = x_.services_.shard().now_ns();
    if (waits_from_ns_ != 0) x_.body_ns_ += now_ns - std::exchange(waits_from_ns_, 0);  // no time of Loom's own
    if (!step) {
        visit_.reset();
        return stop(step.error());
    }
    const size_t body_bytes = BlockPool::footprint(x_.body_.capacity());
    if (*step == GuardVisit::Step::wait) {
        waits_from_ns_ = now_ns;
        x_.hold_less(body_bytes);
        return true;
    }
    const bool has_room = x_.try_hold(body_bytes + visit_->memory_bytes());
    if (*step == GuardVisit::Step::again) {
        if (!has_room) visit_->give_up();
        x_.services_.shard().schedule_next_tick(*this);
        return true;
    }
    over_ = true;
    const Result<void> ended = has_room || visit_->changed() == nullptr
                                   ? end_visit()
                                   : fail(Errc::exhausted, Side::internal,
                                          "no memory for one more body that was masked (limit.bodies_in_memory)");
    visit_.reset();
    if (!ended) return stop(ended.error());
    x_.hold_less(BlockPool::footprint(x_.body_.capacity()));
    return false;
}

Result<void> Guarding::end_visit() {
    const std::string_view told = visit_->summary(x_.text_);
    if (!told.empty()) summary_ = summary_.empty() ? told : x_.text_.join(summary_, " ", told);
    would_refuse_ |= visit_->would_block();
    if (!told.empty() && begin_notes() != nullptr) visit_->note(*notes_, x_.text_);
    if (visit_->blocked_by() != nullptr || visit_->missed() != nullptr) x_.detail_ = visit_->told(x_.text_);
    if (visit_->blocked_by() != nullptr) {
        code_ = "guard_blocked";
        return fail(Errc::bad_message, Side::downstream, "a guard does not let this request through (security.guard)");
    }
    if (visit_->missed() != nullptr) {
        code_ = "guard_unavailable";
        return fail(Errc::exhausted, Side::internal,
                    "a guard could not be asked about this request, and none goes on without it "
                    "(security.guard.NAME.on_failure); try again");
    }
    ByteBuffer* const changed = visit_->changed();
    if (changed != nullptr) x_.body_ = std::move(*changed);
    return keep_for_answer(true);
}

Result<bool> Guarding::go_on() {
    if (!guard_) {
        guard_.emplace(*x_.plan().guard, x_.services_.shard().blocks(), x_.body_.view(),
                       values_ != nullptr ? &values_->table : nullptr);
        guard_->note_in(begin_notes());
    }
    const bool more = LOOM_TRY(guard_->turn());
    // What is over, and leaves the body as it is, holds nothing from here on.
    if (!more && guard_->changed().empty()) return false;
    if (holds(more)) return more;
    if (x_.plan().guard->dry_run) {
        gave_up_ = true;
        return false;
    }
    return fail(Errc::exhausted, Side::internal, "no memory to look through one more body (limit.bodies_in_memory)");
}

/// Is what the guard holds counted with the body, or the shard's one that needs no counting? No waiting: who waits with
/// a body in hand keeps others waiting. What is left at the end is the body from then on, and is always counted.
bool Guarding::holds(bool more) noexcept {
    if (!more) return x_.try_hold(BlockPool::footprint(guard_->changed().capacity()));
    if (unasked_ == this || x_.try_hold(BlockPool::footprint(x_.body_.capacity()) + guard_->memory_bytes()))
        return true;
    if (unasked_ != nullptr) return false;
    unasked_ = this;
    return true;
}

void Guarding::let_go() noexcept {
    guard_.reset();
    html_.reset();
    stripped_ = false;
    if (unasked_ == this) unasked_ = nullptr;
}

Result<void> Guarding::end() {
    withholds_ = x_.plan().guard->dry_run && (gave_up_ || guard_->changes() || guard_->blocked());
    if (gave_up_) {
        x_.hold_less(BlockPool::footprint(x_.body_.capacity()));
        return expect_answer();
    }
    guard_->count(x_.services_.metrics());
    summary_ = guard_->summary(x_.text_);
    const auto reason = guard_->blocked();
    would_refuse_ = reason && x_.plan().guard->dry_run;
    if (reason && !x_.plan().guard->dry_run) {
        x_.detail_ = guard_->blocked_names(x_.text_);
        switch (*reason) {
            case GuardReason::prompt_injection:
                code_ = "prompt_injection_detected";
                return fail(Errc::bad_message, Side::downstream,
                            "a text of the request looks like an attack on the model's instructions "
                            "(security.prompt_injection)");
            case GuardReason::content:
                code_ = "content_filter";
                return fail(Errc::bad_message, Side::downstream,
                            "a text of the request is of a kind that is not answered here "
                            "(security.content_filtering)");
            case GuardReason::too_many:
                code_ = "too_many_values";
                return fail(Errc::bad_message, Side::downstream,
                            "the request holds more values to mask than one request may; send it in parts");
            default:
                code_ = "pii_detected";
                return fail(Errc::bad_message, Side::downstream,
                            "the request holds personal data or secrets that may not be sent "
                            "(security.pii_detection)");
        }
    }
    if (!guard_->changed().empty()) x_.body_ = std::move(guard_->changed());
    x_.hold_less(BlockPool::footprint(x_.body_.capacity()));
    return expect_answer();
}

/// A form, a file, a session: what is in it nobody here can say, so it passes where its family is allowed by name.
Result<void> Guarding::check_unread(Exchange& x) {
    if (!is_guarded(x.plan(), x.route_)) return {};
    // Whatever a family's call says: what its answer holds nobody here reads.
    const bool looks = x.plan().guard->looks_at_answers() || x.route_->html != guard::HtmlMode::off;
    const bool answers = looks && llm::is_passthrough(x.endpoint_);
    if (!answers && x.body_mode_ == Exchange::BodyMode::collect) return {};
    if (!answers && x.body_mode_ == Exchange::BodyMode::none && !x.is_realtime_session()) return {};
    const llm::Endpoint family = llm::passthrough_family(x.endpoint_);
    if ((x.plan().guard->unread >> static_cast<unsigned>(family) & 1) != 0) return {};
    const bool dry = x.plan().guard->dry_run;
    if (!x.client_->is_nobody()) x.services_.metrics().guard_blocked(GuardReason::unread, dry);
    if (dry) return {};
    x.detail_ = x.text_.keep(llm::endpoint_name(family));
    return fail(Errc::forbidden, Side::downstream,
                "this route looks through what it sends, and cannot read such bodies; security.unread may name the "
                "family");
}

}  // namespace loom::proxy
