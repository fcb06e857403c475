// Answers by the keys of their requests, within a bound of bytes. Pure: the caller says what time it is.
//
// Who may stay is decided by how often it was asked for (W-TinyLFU): an entry comes into a small window, and when it
// falls out of that, it takes the place of the oldest of the rest only if it was asked for more often. So a scan, each
// of whose keys is asked for once, passes through the window and leaves what is popular where it is. The rest is two
// segments, least recently used last: an entry that was found again is protected from those that were not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/list.h"
#include "loom/base/money.h"
#include "loom/cache/frequency.h"

namespace loom::cache {

/// How an answer's bytes are to be read.
enum class Form : uint8_t {
    document,      // one JSON document
    events,        // server-sent events
    usage_events,  // the same, with the event that tells the usage: OpenAI's chat, where its client asked for it
};

/// One answer, whole. Never changed once it is stored: whoever has found it may keep it, on any thread.
struct Answer {
    std::string scope;   // whose it is: nobody else finds it, whatever their key
    std::string tenant;  // as operators name it, for a purge
    std::string model;   // that was asked for
    std::string body;
    Form form = Form::document;
    uint64_t input_tokens = 0;
    uint64_t output_tokens = 0;
    uint64_t cached_input_tokens = 0;
    uint64_t reasoning_tokens = 0;
    bool tells_usage = false;
    Money cost = -1;  // of making it; -1: no price is known
    uint64_t stored_ms = 0;
    uint64_t aged_ms = 0;  // how old it was then: it may be from before a restart
    uint64_t fresh_until_ms = 0;
    uint64_t kept_until_ms = 0;  // from fresh_until_ms on it is stale

    [[nodiscard]] uint64_t age_ms(uint64_t now_ms) const noexcept {
        return aged_ms + now_ms - std::min(now_ms, stored_ms);
    }
};
using AnswerPtr = std::shared_ptr<const Answer>;

/// What an entry takes: its answer, its node, and what the heap adds.
[[nodiscard]] size_t entry_bytes(const Answer& answer) noexcept;

/// Which entries are to go: all whose parts are as these; what is empty is any.
struct Purge {
    bool by_key = false;
    Key key;
    std::string tenant;
    std::string model;
    [[nodiscard]] bool meets(const Key& of, const Answer& answer) const noexcept;
};

struct StoreCounts {
    uint64_t entries = 0;
    uint64_t bytes = 0;  // all that the store takes, its index included
    uint64_t stored = 0;
    uint64_t evicted = 0;  // for others' sake
    uint64_t not_admitted = 0;
    uint64_t too_large = 0;
    uint64_t expired = 0;
    uint64_t purged = 0;
};

class ExactStore {
  public:
    /// bytes_max  of all of it: entries, index and counters; bytes_min at least.
    explicit ExactStore(size_t bytes_max);
    ~ExactStore();
    ExactStore(const ExactStore&) = delete;

    /// The answer under this key, if it is this scope's and was not stored before the last purge that meets it. It may
    /// be stale (now_ms >= fresh_until_ms). Null: none.
    [[nodiscard]] AnswerPtr find(const Key& key, std::string_view scope, uint64_t now_ms);
    /// In place of what was there. It may not be admitted, and it may be what has to go for others at once.
    void put(const Key& key, AnswerPtr answer);
    /// No one finds these any more, from now on; their memory goes home with sweep().
    void purge(Purge what);
    /// Goes on freeing what was purged, and what has expired meanwhile, by so many buckets. False: there is nothing
    /// left to do.
    bool sweep(size_t buckets, uint64_t now_ms);
    [[nodiscard]] const StoreCounts& counts() const noexcept { return counts_; }

    /// What can be found, a piece at a time, whatever is stored or goes between two of them: each entry that stays is
    /// told once. tell(key, answer, asked) of those in the next buckets; asked is about how often, up to 15.
    /// at      where to begin: 0 at first.
    /// Returns where to go on; nothing is left where that is 0.
    template <class Tell>
    size_t tell_piece(size_t at, size_t buckets, uint64_t now_ms, Tell tell) const {
        const size_t end = std::min(buckets_.size(), at + buckets);
        for (; at < end; ++at)
            for (const Node* node = buckets_[at]; node != nullptr; node = node->next_in_bucket)
                if (now_ms < node->answer->kept_until_ms && !is_purged(*node))
                    tell(node->key, node->answer, frequency_.of(node->key));
        return at < buckets_.size() ? at : 0;
    }
    /// An entry of before, that was asked for so often, unless there is one under this key already.
    /// Returns whether it is kept.
    bool restore(const Key& key, AnswerPtr answer, uint32_t asked);
    /// Of entries alone, as memory for them was divided at the start.
    [[nodiscard]] size_t room_bytes() const noexcept { return room_bytes_; }

    static constexpr size_t bytes_min = size_t{8} << 10;
    static constexpr size_t purges_max = 16;  // at once; beyond it they become one of everything

  private:
    struct SegmentTag;
    enum class Segment : uint8_t { window, probation, guarded };
    struct Node : ListLink<SegmentTag> {
        Node* next_in_bucket = nullptr;
        Key key;
        AnswerPtr answer;
        uint64_t number = 0;  // the order in which they were stored
        size_t bytes = 0;
        Segment segment = Segment::window;
    };
    struct PurgeUnderWay {
        Purge what;
        uint64_t below = 0;  // entries with smaller numbers
        size_t buckets_left = 0;
    };
    using Segments = List<Node, SegmentTag>;

    [[nodiscard]] Node*& bucket_of(const Key& key) noexcept { return buckets_[key.low & (buckets_.size() - 1)]; }
    [[nodiscard]] Node* node_of(const Key& key) noexcept;
    [[nodiscard]] bool is_purged(const Node& node) const noexcept;
    void remove(Node& node) noexcept;
    void touch(Node& node) noexcept;
    void enter(Node& node, Segment segment) noexcept;
    void leave(Node& node) noexcept;
    void make_room() noexcept;
    [[nodiscard]] bool admits(const Node& candidate) noexcept;
    [[nodiscard]] size_t& bytes_of(Segment segment) noexcept { return segment_bytes_[static_cast<size_t>(segment)]; }
    [[nodiscard]] Segments& list_of(Segment segment) noexcept { return segments_[static_cast<size_t>(segment)]; }
    [[nodiscard]] size_t used_bytes() const noexcept;

    std::vector<Node*> buckets_;
    Frequency frequency_;
    Segments segments_[3];  // newest first
    size_t segment_bytes_[3] = {};
    size_t room_bytes_ = 0;
    std::vector<PurgeUnderWay> purges_;
    size_t sweep_at_ = 0;
    uint64_t last_number_ = 0;
    StoreCounts counts_;
};

}  // namespace loom::cache
