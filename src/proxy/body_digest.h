// The SHA-256 of a large document that has to be signed, made in turns: in one go it would keep the shard's other
// requests waiting (20 ms for 32 MiB).
#pragma once

#include <algorithm>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"
#include "loom/io/shard.h"

namespace loom::proxy {

class Exchange;

/// As a Runnable it is its exchange's next turn.
class BodyDigest final : public io::Runnable {
  public:
    static constexpr size_t turn_bytes = 512 * 1024;  // a third of a millisecond

    BodyDigest(Run next_turn, Exchange& owner) noexcept : Runnable(next_turn), exchange(owner) {}
    ~BodyDigest() { unlink(); }

    /// One more turn of the same document.
    void go_on(std::string_view document) noexcept {
        LOOM_ASSERT(!whole_ && hashed_bytes_ <= document.size());
        const std::string_view turn = document.substr(hashed_bytes_, turn_bytes);
        stream_.add(turn);
        hashed_bytes_ += turn.size();
        if (hashed_bytes_ < document.size()) return;
        value_ = stream_.finish();
        whole_ = true;
    }
    [[nodiscard]] bool whole() const noexcept { return whole_; }
    [[nodiscard]] const Sha256& value() const noexcept { return value_; }

    Exchange& exchange;

  private:
    Sha256Stream stream_;
    Sha256 value_{};
    size_t hashed_bytes_ = 0;
    bool whole_ = false;
};

}  // namespace loom::proxy
