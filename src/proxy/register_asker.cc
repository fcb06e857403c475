#include "register_asker.h"

#include <utility>

#include "loom/proxy/services.h"

namespace loom::proxy {
namespace {

constexpr Error no_register{.code = Errc::io, .side = Side::internal, .what = "the register of ids is not open"};
constexpr Error slow_register{.code = Errc::io,
                              .side = Side::internal,
                              .what = "the register of ids did not answer in time (state.directory); try again"};

}  // namespace

RegisterAsker::~RegisterAsker() {
    forget_register();
    deadline_.unlink();
}

void RegisterAsker::forget_register() noexcept {
    if (ticket_ != nullptr) std::exchange(ticket_, nullptr)->asker = nullptr;
    deadline_.disarm();
}

void RegisterAsker::ask_register(store::ResourceQuestion question) {
    LOOM_ASSERT(!waits_for_register());
    ticket_ = std::make_shared<Ticket>(this);
    services_.shard().timers().arm(deadline_, wait_ms);
    io::Mailbox& mailbox = services_.shard().mailbox();
    // The ticket is looked into on this shard alone; the register's thread only carries it.
    auto deliver = [&mailbox, ticket = ticket_](Result<store::ResourceAnswer> answer) mutable {
        mailbox.post([ticket = std::move(ticket), answer = std::move(answer)]() mutable {
            if (ticket->asker != nullptr) ticket->asker->take(std::move(answer));
        });
    };
    store::ResourceRegister* const resources = services_.resource_register();
    if (resources == nullptr) return deliver(std::unexpected(no_register));
    resources->ask(std::move(question), std::move(deliver));
}

void RegisterAsker::take(Result<store::ResourceAnswer> answer) noexcept {
    ticket_.reset();
    deadline_.disarm();
    on_register_answer(std::move(answer));
}

void RegisterAsker::on_deadline(io::Timer& timer) noexcept {
    RegisterAsker& self = static_cast<Deadline&>(timer).asker;
    self.ticket_->asker = nullptr;  // an answer that comes later is nobody's
    self.take(std::unexpected(slow_register));
}

}  // namespace loom::proxy
