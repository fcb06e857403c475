// The start of an answer that waits in Loom, so that an attempt that fails has left no trace and another may follow.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/io/shard.h"
#include "loom/llm/stream_reader.h"
#include "loom/net/sender.h"

namespace loom::proxy {

/// How long it waits: whatever comes first ends the wait, and so does an answer that is finished.
struct HoldTerms {
    uint32_t bytes_max = 0;  // of the head and all that waits behind it; 0: nothing waits
    uint32_t tokens = 0;     // of content, see HeldStart::note_content; 0: the first content is enough
    uint64_t time_ms = 0;    // after the first content; 0: any time
};

class HeldStart {
  public:
    class Owner {
      public:
        /// HoldTerms::time_ms is over. From the loop.
        virtual void on_hold_over() noexcept = 0;

      protected:
        ~Owner() = default;
    };

    HeldStart(io::Shard& shard, Owner& owner) noexcept : shard_(shard), owner_(owner), bytes_(shard.blocks()) {}

    void begin(const HoldTerms& terms);
    /// From begin() or add_head() until give().
    [[nodiscard]] bool holding() const noexcept { return holding_; }
    /// What does not wait passes by what does: whatever is put out between these two is no part of the answer.
    [[nodiscard]] bool step_aside() noexcept { return std::exchange(holding_, false); }
    void step_back(bool held) noexcept { holding_ = held; }

    /// The head that all else waits behind.
    void add_head(std::string_view head);
    /// False: it was too much (HoldTerms::bytes_max), and is to be given.
    [[nodiscard]] bool add(std::string_view bytes);
    /// An event with content has come. Counted is the text that the model wrote in it, whatever is written for
    /// (content, refusals, reasoning, arguments of calls): a token for each 4 bytes as they stand in the JSON, one at
    /// least. False: it is enough, and to be given.
    [[nodiscard]] bool note_content(const llm::EventFacts& facts);
    /// Is text counted, so that note_content() has to be told of it?
    [[nodiscard]] bool counts_text() const noexcept { return window_ != nullptr; }

    void give(net::Sender& client);
    /// The head alone.
    void give_head(net::Sender& client);
    /// It was of an answer that is none.
    void forget() noexcept;

  private:
    /// From the first content on.
    struct Window : io::Timer {
        Window(HeldStart& s, const HoldTerms& terms)
            : Timer(&HeldStart::on_time), start(s), tokens_left(terms.tokens), time_ms(terms.time_ms) {}
        HeldStart& start;
        uint32_t tokens_left;
        uint64_t time_ms;  // 0 once it runs, or where it never does
    };
    static void on_time(io::Timer& timer) noexcept;

    io::Shard& shard_;
    Owner& owner_;
    ByteBuffer bytes_;
    std::unique_ptr<Window> window_;  // null: the first content is enough
    uint32_t bytes_max_ = 0;
    uint32_t head_bytes_ = 0;  // of bytes_
    bool holding_ = false;
};

}  // namespace loom::proxy
