// An answer of the admin listener that another thread makes: whole, or piece by piece, as fast as its client reads.
//
// Between the two lies a bounded queue. Whoever makes the answer waits while it is full, and hears when nobody reads
// any more; who reads never waits. A stream that ends otherwise than by `end` is broken off, so that no client takes a
// part of it for the whole.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "loom/proxy/plan.h"

namespace loom::proxy {

class LocalStream {
  public:
    static constexpr size_t queue_bytes_max = 256 * 1024;

    // Who makes it: one thread.
    /// The whole answer, in place of all pieces. `answer.stream` is null.
    void answer(LocalAnswer answer);
    /// Waits for room. False: nobody reads any more, and nothing is to be done.
    [[nodiscard]] bool write(std::string_view piece);
    /// That was all of it. Without this, or behind fail(), the client sees that something is missing.
    void end();
    void fail();
    /// Does anybody still read it? For long work that writes seldom.
    [[nodiscard]] bool is_wanted() const;

    // Who reads it: the thread of the connection.
    struct Read {
        std::string piece;
        std::optional<LocalAnswer> whole;
        bool is_over = false;  // nothing follows `piece`
        bool failed = false;   // … and something is missing
    };
    /// What is there, `bytes_max` of it at most.
    [[nodiscard]] Read read(size_t bytes_max);
    /// wake  called on the other thread, under a lock, whenever there is something to read and there was nothing
    ///       before; at once where there is. Not after leave().
    void on_readable(std::function<void()> wake);
    /// Nobody reads any more.
    void leave();

  private:
    [[nodiscard]] bool readable() const { return !queue_.empty() || whole_ || is_over_; }
    void note_readable(bool was_readable);

    mutable std::mutex mutex_;
    std::condition_variable room_;
    std::string queue_;
    std::optional<LocalAnswer> whole_;
    std::function<void()> wake_;
    bool is_over_ = false;
    bool failed_ = false;
    bool left_ = false;
};

}  // namespace loom::proxy
