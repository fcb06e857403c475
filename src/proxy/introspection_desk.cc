#include "introspection_desk.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "loom/base/assert.h"
#include "loom/base/clock.h"
#include "loom/observe/log.h"
#include "loom/proxy/introspection.h"
#include "loom/upstream/client.h"

namespace loom::proxy {
namespace {

constexpr uint64_t telling_pause_ms = 10'000;  // between two lines of the log about one issuer

int64_t now_unix_s() noexcept { return static_cast<int64_t>(wall_us() / 1'000'000); }

Error unavailable() noexcept {
    return {.code = Errc::unreachable,
            .side = Side::internal,
            .what = "the issuer of this token could not be asked about it; try again"};
}

}  // namespace

/// One issuer: its client, and what it is asked at the moment.
class IntrospectionDesk::Source {
  public:
    Source(IntrospectionDesk& desk, const JwtPlan& issuer)
        : desk_(desk),
          name_(issuer.name),
          options_(issuer.options),
          plan_(issuer.introspection),
          client_(desk.shard_, desk.names_, plan_->client) {}

    [[nodiscard]] const IntrospectionPlan* plan() const noexcept { return plan_.get(); }

    Result<void> ask(std::string_view token, const Sha256& digest, Inquirer& inquirer) {
        for (const auto& one : inquiries_)
            if (one->digest == digest) {
                one->waiting.push_back(inquirer);
                return {};
            }
        if (inquiries_.size() >= plan_->client.exchange_count_max)
            return fail(Errc::exhausted, Side::internal,
                        "too many tokens are asked about at once (introspection.NAME.max_in_flight); try again");
        Inquiry& inquiry = *inquiries_.emplace_back(std::make_unique<Inquiry>(digest, now_unix_s()));
        inquiry.waiting.push_back(inquirer);
        upstream::ClientRequest request{.target = plan_->target};
        request.lines.text() = plan_->lines->view();
        std::string& form = request.body.text();
        form.reserve(3 * token.size() + plan_->form->view().size() + 64);
        tenant::append_introspection_form(token, form);
        form += plan_->form->view();
        client_.ask(std::move(request),
                    [this, &inquiry](const Result<upstream::ClientAnswer>& answer) { answered(inquiry, answer); });
        return {};
    }

    /// Nothing is asked any more once nobody waits.
    void leave() noexcept {
        leaving_ = true;
        if (inquiries_.empty()) close();
    }
    void close() noexcept {
        if (!std::exchange(closed_, true)) client_.close();
    }
    [[nodiscard]] bool leaving() const noexcept { return leaving_; }
    [[nodiscard]] bool idle() const noexcept { return inquiries_.empty() && client_.idle(); }
    [[nodiscard]] bool is_gone() noexcept {
        if (leaving_ && inquiries_.empty()) close();
        return closed_ && idle();
    }

  private:
    struct Inquiry {
        Inquiry(const Sha256& d, int64_t asked) : digest(d), asked_unix_s(asked) {}
        Sha256 digest;
        int64_t asked_unix_s;
        List<Inquirer, InquirerTag> waiting;
    };

    void answered(Inquiry& inquiry, const Result<upstream::ClientAnswer>& answer) {
        const IntrospectionAnswerPtr told = judge(inquiry, answer);
        const bool is_short = answer && answer->body.view().size() <= kept_document_bytes_max;
        if (told->failure != AuthFailure::unavailable && !leaving_ && !closed_ && is_short) keep(inquiry, told);
        List<Inquirer, InquirerTag> waiting;
        inquiry.waiting.move_to(waiting);
        std::erase_if(inquiries_, [&inquiry](const auto& one) { return one.get() == &inquiry; });
        while (Inquirer* const one = waiting.pop_front()) one->on_introspected(told);
    }

    IntrospectionAnswerPtr judge(const Inquiry& inquiry, const Result<upstream::ClientAnswer>& answer) {
        if (!answer) {
            const bool tls = answer.error().code == Errc::tls_failed && !client_.tls_fault().empty();
            if (answer.error().code != Errc::cancelled)
                tell(tls ? std::string_view(client_.tls_fault()) : errc_name(answer.error().code));
            return failed(inquiry);
        }
        if (answer->status == 400 || answer->status == 401 || answer->status == 403) {
            tell("it does not take Loom's own credentials: look at .client_id, .client_secret and .auth");
            return failed(inquiry);
        }
        if (answer->status != 200) {
            tell(fmt::format("is answered with {}", answer->status));
            return failed(inquiry);
        }
        auto bearer = desk_.reader_.read(answer->body.view(), options_, now_unix_s());
        if (!bearer && bearer.error().side == Side::upstream) {
            tell(fmt::format("its answer {}", bearer.error().what));
            return failed(inquiry);
        }
        desk_.metrics_.introspected(bearer ? IntrospectionResult::active : IntrospectionResult::inactive);
        const bool is_guess = desk_.reader_.fault() == tenant::JwtFault::signature;
        return std::make_shared<const IntrospectionAnswer>(
            IntrospectionAnswer{.bearer = std::move(bearer),
                                .failure = is_guess ? AuthFailure::inactive : AuthFailure::claims,
                                .asked_unix_s = inquiry.asked_unix_s});
    }

    IntrospectionAnswerPtr failed(const Inquiry& inquiry) {
        desk_.metrics_.introspected(IntrospectionResult::error);
        return std::make_shared<const IntrospectionAnswer>(IntrospectionAnswer{.bearer = std::unexpected(unavailable()),
                                                                               .failure = AuthFailure::unavailable,
                                                                               .asked_unix_s = inquiry.asked_unix_s});
    }

    void keep(const Inquiry& inquiry, const IntrospectionAnswerPtr& told) {
        if (!told->bearer)
            return desk_.refused_.put(inquiry.digest, plan(), inquiry.asked_unix_s + plan_->negative_cache_s, told);
        int64_t until_s = inquiry.asked_unix_s + plan_->cache_s;
        if (told->bearer->expires_unix_s != 0) until_s = std::min(until_s, told->bearer->expires_unix_s);
        desk_.active_.put(inquiry.digest, plan(), until_s, told);
    }

    /// An issuer that is away would fill the log with as many lines as there are requests.
    void tell(std::string_view what) {
        const uint64_t now_ms = desk_.shard_.timers().now_ms();
        untold_ += 1;
        if (now_ms < tell_again_ms_) return;
        tell_again_ms_ = now_ms + telling_pause_ms;
        observe::log_error("introspection.{}: {}: {} ({} tokens could not be asked about)", name_,
                           plan_->client.endpoint.host, what, std::exchange(untold_, 0));
    }

    IntrospectionDesk& desk_;
    std::string name_;
    tenant::JwtOptions options_;
    std::shared_ptr<const IntrospectionPlan> plan_;
    upstream::Client client_;
    std::vector<std::unique_ptr<Inquiry>> inquiries_;
    uint64_t tell_again_ms_ = 0;
    uint64_t untold_ = 0;
    bool leaving_ = false;
    bool closed_ = false;
};

IntrospectionDesk::Table::Entry* IntrospectionDesk::Table::set_of(const Sha256& digest) noexcept {
    uint64_t first;
    std::memcpy(&first, digest.data(), sizeof first);
    return &entries_[first % (count_max_ / ways) * ways];
}

IntrospectionAnswerPtr IntrospectionDesk::Table::find(const Sha256& digest, const IntrospectionPlan* issuer,
                                                      int64_t now_unix_s) noexcept {
    if (entries_.empty()) return nullptr;
    Entry* const set = set_of(digest);
    for (Entry* entry = set; entry != set + ways; ++entry) {
        if (entry->answer == nullptr || entry->issuer != issuer || entry->digest != digest) continue;
        if (now_unix_s < entry->until_unix_s) return entry->answer;
        entry->answer.reset();
    }
    return nullptr;
}

void IntrospectionDesk::Table::put(const Sha256& digest, const IntrospectionPlan* issuer, int64_t until_unix_s,
                                   IntrospectionAnswerPtr answer) {
    if (entries_.empty()) entries_.resize(count_max_);
    Entry* const set = set_of(digest);
    Entry* place = set;
    for (Entry* entry = set; entry != set + ways; ++entry) {
        const bool same = entry->answer != nullptr && entry->issuer == issuer && entry->digest == digest;
        if (same || entry->answer == nullptr) {
            place = entry;
            if (same) break;
            continue;
        }
        if (place->answer != nullptr && entry->until_unix_s < place->until_unix_s) place = entry;
    }
    *place = {.digest = digest, .issuer = issuer, .until_unix_s = until_unix_s, .answer = std::move(answer)};
}

void IntrospectionDesk::Table::keep_only(const std::vector<const IntrospectionPlan*>& issuers) noexcept {
    for (Entry& entry : entries_)
        if (std::ranges::find(issuers, entry.issuer) == issuers.end()) entry.answer.reset();
}

IntrospectionDesk::IntrospectionDesk(io::Shard& shard, net::NameService& names, observe::ShardMetrics& metrics)
    : shard_(shard), names_(names), metrics_(metrics) {}

IntrospectionDesk::~IntrospectionDesk() { LOOM_ASSERT(idle()); }

void IntrospectionDesk::on_new_plan(const Plan& plan) {
    std::vector<const IntrospectionPlan*> asked;
    for (const JwtPlan& issuer : plan.jwt)
        if (issuer.introspection != nullptr) asked.push_back(issuer.introspection.get());
    for (const auto& source : sources_)
        if (std::ranges::find(asked, source->plan()) == asked.end()) source->leave();
    active_.keep_only(asked);
    refused_.keep_only(asked);
    sweep();
}

void IntrospectionDesk::sweep() noexcept {
    std::erase_if(sources_, [](const auto& source) { return source->is_gone(); });
}

IntrospectionAnswerPtr IntrospectionDesk::known(const JwtPlan& issuer, const Sha256& digest,
                                                int64_t now_unix_s) noexcept {
    IntrospectionAnswerPtr found = active_.find(digest, issuer.introspection.get(), now_unix_s);
    return found != nullptr ? found : refused_.find(digest, issuer.introspection.get(), now_unix_s);
}

IntrospectionDesk::Source& IntrospectionDesk::source_of(const JwtPlan& issuer) {
    for (const auto& source : sources_)
        if (source->plan() == issuer.introspection.get() && !source->leaving()) return *source;
    sweep();
    return *sources_.emplace_back(std::make_unique<Source>(*this, issuer));
}

Result<void> IntrospectionDesk::ask(const JwtPlan& issuer, std::string_view token, const Sha256& digest,
                                    Inquirer& inquirer) {
    LOOM_ASSERT(!closed_);
    return source_of(issuer).ask(token, digest, inquirer);
}

void IntrospectionDesk::close() noexcept {
    closed_ = true;
    for (const auto& source : sources_) source->close();
}

bool IntrospectionDesk::idle() noexcept {
    sweep();
    return sources_.empty();
}

size_t introspection_memory_bytes(const Plan& plan) noexcept {
    size_t bytes = 0;
    for (const JwtPlan& issuer : plan.jwt)
        if (issuer.introspection != nullptr) bytes += upstream::Client::memory_bytes_max(issuer.introspection->client);
    if (bytes == 0) return 0;
    // A claim takes its text and what stands around it.
    return 2 * bytes + IntrospectionDesk::active_count_max * 2 * IntrospectionDesk::kept_document_bytes_max +
           IntrospectionDesk::refused_count_max * 512;
}

}  // namespace loom::proxy
