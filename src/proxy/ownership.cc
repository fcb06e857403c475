#include "ownership.h"

#include <algorithm>

#include "exchange.h"

namespace loom::proxy {
namespace {

constexpr uint64_t name_bytes = 256;  // of an id, as it was read, asked for and answered

constexpr Error no_register{.code = Errc::io, .side = Side::internal, .what = "the register of ids is not open"};
constexpr Error slow_register{.code = Errc::io,
                              .side = Side::internal,
                              .what = "the register of ids did not answer in time (state.directory); try again"};

}  // namespace

Ownership::Ownership(Exchange& exchange, Services& services, const llm::ResourceCall& given_call,
                     std::string_view given_id)
    : BodyHold(services.bodies()), call(given_call), id(given_id), exchange_(exchange), services_(services) {}

Ownership::~Ownership() {
    if (ticket_ != nullptr) ticket_->asker = nullptr;
    deadline_.disarm();
    deadline_.unlink();
}

void Ownership::ask(RegisterStage what, store::ResourceQuestion question) {
    LOOM_ASSERT(!asks());
    stage_ = what;
    ticket_ = std::make_shared<Ticket>(this);
    services_.shard().timers().arm(deadline_, wait_ms);
    io::Mailbox& mailbox = services_.shard().mailbox();
    // The ticket is looked into on this shard alone; the register's thread only carries it.
    auto deliver = [&mailbox, ticket = ticket_](Result<store::ResourceAnswer> answer) mutable {
        mailbox.post([ticket = std::move(ticket), answer = std::move(answer)]() mutable {
            if (ticket->asker != nullptr) ticket->asker->on_answer(std::move(answer));
        });
    };
    store::ResourceRegister* const resources = services_.resource_register();
    if (resources == nullptr) return deliver(std::unexpected(no_register));
    resources->ask(std::move(question), std::move(deliver));
}

void Ownership::on_answer(Result<store::ResourceAnswer> answer) noexcept {
    ticket_.reset();
    deadline_.disarm();
    answer_ = std::move(answer);
    exchange_.on_register_answer();
}

void Ownership::on_deadline(io::Timer& timer) noexcept {
    Ownership& self = static_cast<Deadline&>(timer).ownership;
    self.ticket_->asker = nullptr;  // an answer that comes later is nobody's
    self.on_answer(std::unexpected(slow_register));
}

CollectedAnswer& Ownership::collect() {
    return collected_.emplace(services_.shard().blocks(), services_.plan().limits.body_bytes);
}

Result<void> Ownership::hold_memory() {
    const uint64_t collected_bytes = collected_ ? collected_->memory_bytes() : 0;
    if (hold(collected_bytes + (asked_ids.size() + list.elements.size()) * name_bytes)) return {};
    let_go();
    return fail(Errc::exhausted, Side::internal, "no memory for one more answer (limit.bodies_in_memory)");
}

void Ownership::forget_events() noexcept {
    if (asks()) std::exchange(ticket_, nullptr)->asker = nullptr;
    deadline_.disarm();
    event_written_ = false;
}

Verdict Ownership::on_event(const EventView& event, llm::Edits&) {
    if (std::exchange(event_written_, false)) return Verdict::pass;
    std::vector<llm::ResourceName> made = services_.resource_reader.read_event(event.data);
    std::erase_if(made, [this](const auto& name) { return std::ranges::find(written_, name) != written_.end(); });
    if (made.empty()) return Verdict::pass;
    event_written_ = true;
    written_.insert(written_.end(), made.begin(), made.end());
    exchange_.ask_to_write(RegisterStage::event, made);
    return Verdict::suspend;
}

}  // namespace loom::proxy
