#include "batch_upload.h"

#include <fmt/format.h>

#include <algorithm>

#include "account.h"
#include "exchange.h"

namespace loom::proxy {
namespace {

constexpr size_t asked_at_once = 256;
constexpr size_t end_bytes_max = 256;  // a dash, and white space behind the form
constexpr size_t detail_id_bytes = 128;

}  // namespace

BatchUpload::BatchUpload(Exchange& exchange, Services& services, std::string_view content_type)
    : RegisterAsker(services),
      BodyHold(services.bodies()),
      exchange_(exchange),
      lines_(services.resource_reader, services.shard().blocks(), content_type, services.plan().limits.body_bytes) {}

Result<void> BatchUpload::read(std::span<std::string_view> pieces, bool body_whole) {
    size_t bytes = 0;
    for (const std::string_view piece : pieces) bytes += piece.size();
    LOOM_TRY(hold_memory(lines_.memory_bytes(bytes)));
    for (std::string_view& piece : pieces) {
        const size_t passing = LOOM_TRY(lines_.read(piece));
        if (passed_) continue;
        end_ += piece.substr(passing);
        piece = piece.substr(0, passing);
        if (end_.size() > end_bytes_max)
            return fail(Errc::bad_message, Side::downstream, "there are bytes behind the form's end");
    }
    LOOM_TRY(hold_memory(lines_.memory_bytes()));  // with the ids that the lines had
    if (body_whole && !lines_.ended())
        return fail(Errc::bad_message, Side::downstream, "the form ends before its last boundary");
    return judge_form();
}

/// No waiting: what is here has been taken, and the line it belongs to is held.
Result<void> BatchUpload::hold_memory(uint64_t bytes) {
    if (try_hold(bytes)) return {};
    let_go();
    return fail(Errc::exhausted, Side::internal, "no memory for one more line (limit.bodies_in_memory)");
}

/// As far as it has come.
Result<void> BatchUpload::judge_form() {
    const BatchLines::Purpose purpose = lines_.purpose();
    if (purpose == BatchLines::Purpose::other) {
        passed_ = passed_ || lines_.ended();
        return {};
    }
    if (!waits()) LOOM_TRY(ask_for_named());
    if (lines_.fault() && fault_.code == Errc::ok && !waits()) {
        fault_ = lines_.fault()->why;
        detail_ = fmt::format("{} (line {} of the batch's file)", fault_.what, lines_.fault()->line);
        fault_.what = "a line that cannot be read cannot be judged by what it names";
    }
    if (fault_.code != Errc::ok && purpose == BatchLines::Purpose::batch) return std::unexpected(fault_);
    passed_ = lines_.ended() && !waits();
    return {};
}

/// Where there are enough of them, or there will be no more.
Result<void> BatchUpload::ask_for_named() {
    const bool last = lines_.ended() || lines_.fault();
    if (fault_.code != Errc::ok || lines_.named_count() == 0) return {};
    if (lines_.named_count() < asked_at_once && !last) return {};
    store::ResourceQuestion question{.tenant = exchange_.tenant()};
    const Plan& plan = exchange_.plan();
    for (BatchLines::Named& named : lines_.take_named()) {
        const bool responses = llm::family_of(named.name.kind) == llm::Endpoint::responses;
        if (responses && !exchange_.route_->passes(llm::Endpoint::responses)) {
            // As in a request of its own (Exchange::prepare_document).
            note_fault({.code = Errc::forbidden,
                        .side = Side::downstream,
                        .what = "what is stored at the provider is not kept apart by consumer (allowed where "
                                "route.NAME.passthrough names responses)"},
                       named);
            break;
        }
        if (!plan.keeps(named.name.kind)) continue;
        question.named.push_back({std::string(llm::kind_name(named.name.kind)), named.name.id});
        asked_.push_back(std::move(named));
    }
    if (!asked_.empty()) ask_register(std::move(question));
    return {};
}

void BatchUpload::note_fault(Error why, const BatchLines::Named& named) {
    if (fault_.code != Errc::ok && fault_line_ <= named.line) return;
    fault_ = why;
    fault_line_ = named.line;
    const std::string_view id = std::string_view(named.name.id).substr(0, detail_id_bytes);
    detail_ = fmt::format("{} (line {} of the batch's file)", id, named.line);
}

void BatchUpload::on_register_answer(Result<store::ResourceAnswer> answer) noexcept {
    // No batch's, as has turned out meanwhile: whose things it names does not matter, and it may have gone on whole.
    const bool matters = lines_.purpose() != BatchLines::Purpose::other;
    Result<void> judged;
    if (matters && answer) look_at(*answer);
    if (matters && !answer) judged = std::unexpected(answer.error());
    asked_.clear();
    if (passed_) return exchange_.read_upload_on();
    if (judged) judged = judge_form();
    exchange_.on_upload_judged(judged);
}

void BatchUpload::look_at(const store::ResourceAnswer& answer) {
    const auto& providers = exchange_.plan().providers;
    for (size_t i = 0; i < asked_.size(); ++i) {
        const auto owner = find_account(exchange_.plan(), answer.accounts[i]);
        if (!owner || providers[owner->provider_ix].kind == ProviderKind::echo)
            note_fault(
                {.code = Errc::not_found, .side = Side::downstream, .what = "nothing is stored here under this id"},
                asked_[i]);
    }
}

}  // namespace loom::proxy
