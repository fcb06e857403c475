#include "loom/io/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace loom::io {

Mailbox::Mailbox() : event_fd_(::eventfd(0, EFD_CLOEXEC)) { LOOM_ASSERT(event_fd_ >= 0); }

Mailbox::~Mailbox() { ::close(event_fd_); }

void Mailbox::post(Letter letter) {
    bool first;
    {
        const std::lock_guard lock(mutex_);
        first = letters_.empty();
        letters_.push_back(std::move(letter));
    }
    if (!first) return;  // the wake-up for the earlier one is still to be seen
    const uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_fd_, &one, sizeof one);
}

void Mailbox::arm(Ring& ring) {
    ring_ = &ring;
    ring.read(event_fd_, {reinterpret_cast<char*>(&counter_), sizeof counter_}, wakeup_);
}

void Mailbox::stop() {
    stopping_ = true;
    ring_->cancel(wakeup_);
}

void Mailbox::on_wakeup(Completion& completion, Cqe cqe) noexcept {
    Mailbox& mailbox = static_cast<Wakeup&>(completion).mailbox;
    mailbox.run_letters();
    if (!mailbox.stopping_ && cqe.res != -ECANCELED) mailbox.arm(*mailbox.ring_);
}

void Mailbox::run_letters() {
    std::vector<Letter> due;
    {
        const std::lock_guard lock(mutex_);
        due.swap(letters_);
    }
    for (Letter& letter : due) letter();
}

}  // namespace loom::io
