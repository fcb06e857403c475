// How a thread asks a shard to do something. The only place where two threads meet on the way of a request, and none on
// the usual way: DNS answers, new configurations, stop.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "loom/io/completion.h"
#include "loom/io/ring.h"

namespace loom::io {

/// Letters are run by the owning shard in the order of posting. Posting is for any thread, at any time in the mailbox's
/// life; a lock is held for a push only.
class Mailbox {
  public:
    using Letter = std::move_only_function<void()>;

    Mailbox();
    ~Mailbox();

    void post(Letter letter);

    /// Owner's side. `arm` starts listening on the ring; `stop` ends it (the completion drains within a tick or two).
    void arm(Ring& ring);
    void stop();
    [[nodiscard]] bool stopped() const noexcept { return !wakeup_.in_flight; }

  private:
    static void on_wakeup(Completion& completion, Cqe cqe) noexcept;
    void run_letters();

    struct Wakeup : Completion {
        explicit Wakeup(Mailbox& box) : Completion(&Mailbox::on_wakeup), mailbox(box) {}
        Mailbox& mailbox;
    };

    Wakeup wakeup_{*this};
    Ring* ring_ = nullptr;
    int event_fd_ = -1;
    bool stopping_ = false;
    uint64_t counter_ = 0;  // what the kernel reads into
    std::mutex mutex_;
    std::vector<Letter> letters_;
};

}  // namespace loom::io
