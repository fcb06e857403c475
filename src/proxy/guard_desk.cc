#include "guard_desk.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "loom/base/assert.h"
#include "loom/observe/log.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {
namespace {

constexpr uint64_t telling_pause_ms = 10'000;  // between two lines of the log about one guard
constexpr size_t visit_bytes = 32 * 1024;      // of a request that waits, beside what is asked

}  // namespace

GuardWaiter::~GuardWaiter() {
    if (desk_ != nullptr) desk_->leave(*this);
}

/// One guard: its clients, and what it is asked at the moment.
class GuardDesk::Source {
  public:
    Source(GuardDesk& desk, std::shared_ptr<const ExternalGuardPlan> guard)
        : desk_(desk), plan_(std::move(guard)), client_(desk.shard_, desk.names_, plan_->client) {
        if (plan_->has_large_answers()) large_.emplace(desk.shard_, desk.names_, plan_->large_client());
    }

    [[nodiscard]] const ExternalGuardPlan* plan() const noexcept { return plan_.get(); }

    GuardResult ask(ByteBuffer question, GuardWaiter& waiter) {
        upstream::Client& client = plan_->is_large(waiter.text_bytes().size()) ? *large_ : client_;
        const auto asks_this = [&client](const auto& one) { return one->client == &client; };
        const bool too_many_large = &client != &client_ && std::ranges::count_if(inquiries_, asks_this) >=
                                                               std::ptrdiff_t{ExternalGuardPlan::large_count_max};
        if (too_many_large || inquiries_.size() >= plan_->client.exchange_count_max) return refuse(GuardResult::busy);
        route::BreakerPass pass;
        const uint64_t now_ms = desk_.shard_.timers().now_ms();
        route::Breaker& breaker = *plan_->state;
        if (!breaker.enter(plan_->breaker, now_ms, pass)) return refuse(GuardResult::resting);
        Inquiry& inquiry =
            *inquiries_.emplace_back(std::make_unique<Inquiry>(std::move(question), waiter, pass, client));
        inquiry.begun_ns = desk_.shard_.now_ns();
        upstream::ClientRequest request;
        request.target = plan_->target;
        request.borrowed_body = inquiry.question.view();
        request.lines.text() = plan_->lines->view();
        waiter.desk_ = &desk_;
        inquiry.number = client.ask(
            std::move(request), [this, &inquiry](Result<upstream::ClientAnswer> answer) { answered(inquiry, answer); });
        return GuardResult::allow;
    }
    /// Returns whether the waiter was one of these.
    bool take_back(const GuardWaiter& waiter) noexcept {
        for (const auto& one : inquiries_) {
            if (one->waiter != &waiter) continue;
            one->waiter = nullptr;
            one->client->cancel(one->number);
            return true;
        }
        return false;
    }

    /// Nothing is asked any more once nobody waits.
    void leave() noexcept {
        leaving_ = true;
        if (inquiries_.empty()) close();
    }
    void close() noexcept {
        if (std::exchange(closed_, true)) return;
        client_.close();
        if (large_) large_->close();
    }
    [[nodiscard]] bool closed() const noexcept { return closed_; }
    [[nodiscard]] bool is_gone() noexcept {
        if (leaving_ && inquiries_.empty()) close();
        return closed_ && inquiries_.empty() && client_.idle() && (!large_ || large_->idle());
    }

    /// A guard that is away would fill the log with as many lines as there are requests.
    void tell(std::string_view what) {
        const uint64_t now_ms = desk_.shard_.timers().now_ms();
        untold_ += 1;
        if (now_ms < tell_again_ms_) return;
        tell_again_ms_ = now_ms + telling_pause_ms;
        observe::log_error("security.guard.{}: {}: {} ({} requests without its verdict)", plan_->name,
                           plan_->client.endpoint.host, what, std::exchange(untold_, 0));
    }

  private:
    struct Inquiry {
        Inquiry(ByteBuffer q, GuardWaiter& w, route::BreakerPass p, upstream::Client& c)
            : question(std::move(q)), waiter(&w), pass(p), client(&c) {}
        ByteBuffer question;  // stays put until the client has let go of it
        GuardWaiter* waiter;  // null: it has left
        route::BreakerPass pass;
        upstream::Client* client;
        uint64_t begun_ns = 0;
        uint64_t number = 0;
    };

    GuardResult refuse(GuardResult result) {
        desk_.metrics_.external_guard(plan_->series).results[static_cast<size_t>(result)].add();
        tell(result == GuardResult::busy ? "as many requests wait for it as may (.max_in_flight; four of many texts)"
                                         : "rests, since it has failed several times in a row (.rest)");
        return result;
    }

    void answered(Inquiry& inquiry, const Result<upstream::ClientAnswer>& answer) {
        const uint64_t now_ms = desk_.shard_.timers().now_ms();
        const bool taken_back = inquiry.waiter == nullptr || (!answer && answer.error().code == Errc::cancelled);
        Judged judged{GuardResult::failed};
        if (!taken_back) judged = judge(inquiry, answer);
        plan_->state->leave(plan_->breaker, now_ms, inquiry.pass, judged.health);
        if (!taken_back) {
            observe::GuardSeries& series = desk_.metrics_.external_guard(plan_->series);
            if (judged.result != GuardResult::mask) series.results[static_cast<size_t>(judged.result)].add();
            series.duration.record(observe::duration_bounds_us, (desk_.shard_.now_ns() - inquiry.begun_ns) / 1000);
        }
        GuardWaiter* const waiter = std::exchange(inquiry.waiter, nullptr);
        std::erase_if(inquiries_, [&inquiry](const auto& one) { return one.get() == &inquiry; });
        if (waiter == nullptr) return;
        waiter->desk_ = nullptr;
        waiter->on_guard_answer(judged.result, std::move(judged.verdict));
    }

    /// What came of a question. health  is what it says of the guard itself: whoever writes a request that no guard
    /// takes, or that it answers with too much, must not keep it from everybody else's.
    struct Judged {
        GuardResult result;
        route::BreakerOutcome health = route::BreakerOutcome::none;
        guard::ExternalVerdict verdict;
    };

    Judged judge(const Inquiry& inquiry, const Result<upstream::ClientAnswer>& answer) {
        using enum route::BreakerOutcome;
        if (!answer) {
            const Errc why = answer.error().code;
            const std::string& tls_fault = inquiry.client->tls_fault();
            tell(why == Errc::tls_failed && !tls_fault.empty() ? std::string_view(tls_fault) : errc_name(why));
            if (why == Errc::exhausted) return {GuardResult::busy};
            if (why == Errc::too_large) return {GuardResult::failed};
            return {why == Errc::timed_out ? GuardResult::timed_out : GuardResult::failed, failure};
        }
        const int status = answer->status;
        if (status != 200) {
            const bool refuses_loom = status == 401 || status == 403;
            tell(refuses_loom ? std::string("it does not take Loom's key (.key)")
                              : fmt::format("is answered with {}", status));
            return {GuardResult::failed, refuses_loom || status == 429 || status >= 500 ? failure : none};
        }
        const std::span<const uint32_t> texts = inquiry.waiter->text_bytes();
        auto read = plan_->shape == GuardShape::webhook
                        ? desk_.reader_.read_webhook(answer->body.view(), texts)
                        : desk_.reader_.read_moderations(answer->body.view(), texts.size(), plan_->terms);
        if (!read) {
            tell(fmt::format("its answer {}", read.error().what));
            return {GuardResult::bad_answer, read.error().code == Errc::bad_message ? failure : none};
        }
        return {read->result, success, std::move(*read)};
    }

    GuardDesk& desk_;
    std::shared_ptr<const ExternalGuardPlan> plan_;
    upstream::Client client_;
    std::optional<upstream::Client> large_;  // of large answers: few at once, since each has its room
    std::vector<std::unique_ptr<Inquiry>> inquiries_;
    uint64_t tell_again_ms_ = 0;
    uint64_t untold_ = 0;
    bool leaving_ = false;
    bool closed_ = false;
};

GuardDesk::GuardDesk(io::Shard& shard, net::NameService& names, observe::ShardMetrics& metrics)
    : shard_(shard), names_(names), metrics_(metrics) {}

GuardDesk::~GuardDesk() { LOOM_ASSERT(idle()); }

void GuardDesk::on_new_plan(const Plan& plan) {
    in_force_.clear();
    if (plan.guard != nullptr)
        for (const auto& guard : plan.guard->external) in_force_.push_back(guard.get());
    for (const auto& source : sources_)
        if (std::ranges::find(in_force_, source->plan()) == in_force_.end()) source->leave();
    sweep();
}

void GuardDesk::sweep() noexcept {
    std::erase_if(sources_, [](const auto& source) { return source->is_gone(); });
}

GuardDesk::Source& GuardDesk::source_of(const std::shared_ptr<const ExternalGuardPlan>& guard) {
    for (const auto& source : sources_)
        if (source->plan() == guard.get() && !source->closed()) return *source;
    sweep();
    return *sources_.emplace_back(std::make_unique<Source>(*this, guard));
}

GuardResult GuardDesk::ask(const std::shared_ptr<const ExternalGuardPlan>& guard, ByteBuffer question,
                           GuardWaiter& waiter) {
    LOOM_ASSERT(!closed_);
    Source& source = source_of(guard);
    const GuardResult asked = source.ask(std::move(question), waiter);
    // Of a request that began before a reload: once it has its answer, nobody asks here again.
    if (std::ranges::find(in_force_, guard.get()) == in_force_.end()) source.leave();
    return asked;
}

void GuardDesk::note_failure(const std::shared_ptr<const ExternalGuardPlan>& guard, GuardResult result,
                             std::string_view what) {
    metrics_.external_guard(guard->series).results[static_cast<size_t>(result)].add();
    tell(guard, what);
}

void GuardDesk::tell(const std::shared_ptr<const ExternalGuardPlan>& guard, std::string_view what) {
    source_of(guard).tell(what);
}

void GuardDesk::leave(GuardWaiter& waiter) noexcept {
    for (const auto& source : sources_)
        if (source->take_back(waiter)) return;
}

void GuardDesk::close() noexcept {
    closed_ = true;
    for (const auto& source : sources_) source->close();
}

bool GuardDesk::idle() noexcept {
    sweep();
    return sources_.empty();
}

upstream::ClientOptions ExternalGuardPlan::large_client() const {
    upstream::ClientOptions options = client;
    options.answer_bytes_max = moderations_bytes_max(moderations_texts_max);
    options.exchange_count_max = std::min(options.exchange_count_max, large_count_max);
    options.endpoint.idle_max = 1;
    return options;
}

size_t external_guard_memory_bytes(const Plan& plan) noexcept {
    if (plan.guard == nullptr) return 0;
    size_t bytes = 0, read_bytes = 0;
    for (const auto& guard : plan.guard->external) {
        bytes += upstream::Client::memory_bytes_max(guard->client) +
                 guard->client.exchange_count_max * (visit_bytes + BlockPool::footprint(guard->question_bytes_max()) +
                                                     guard::ExternalReader::spans_max * sizeof(guard::ExternalSpan));
        size_t answer_bytes = guard->client.answer_bytes_max;
        if (guard->has_large_answers()) {
            const upstream::ClientOptions large = guard->large_client();
            bytes += upstream::Client::memory_bytes_max(large);
            answer_bytes = large.answer_bytes_max;
        }
        read_bytes = std::max(read_bytes, guard::ExternalReader::memory_bytes_max(answer_bytes));
    }
    return bytes + read_bytes;  // one is read at a time
}

}  // namespace loom::proxy
