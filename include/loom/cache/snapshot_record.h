// What is kept, as bytes that outlive the process. Pure: the caller says what time it is, and protects the bytes.
//
// Times are told as how old an answer is and how long it is still good, at the moment that the head of the snapshot
// names by the wall's clock: another process, or the same machine started anew, has another monotonic clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loom/cache/exact_store.h"
#include "loom/cache/semantic_index.h"

namespace loom::cache {

/// Who has made the vectors. Those of two are never compared.
struct EmbedderMark {
    uint64_t identity = 0;     // of a provider's; 0: the process makes them itself
    uint32_t dimensions = 0;   // of the vectors; 0: there are none
    std::vector<float> probe;  // the vectors of some texts, one behind the other; empty where a provider makes them

    /// Would texts have the same vectors there? The same model may round otherwise on another machine.
    [[nodiscard]] bool is_like(const EmbedderMark& other) const noexcept;
};

struct SnapshotHead {
    enum class Kind : uint8_t { exact = 1, semantic = 2 };
    Kind kind = Kind::exact;
    std::string version;    // of the Loom that has written it
    uint64_t seed = 0;      // that all keys are made with
    uint64_t wall_ms = 0;   // since 1970: what times are told by
    EmbedderMark embedder;  // of a semantic one

    [[nodiscard]] std::string write() const;
    /// Nothing: it is none.
    [[nodiscard]] static std::optional<SnapshotHead> read(std::string_view bytes);
};

/// The moment that times are told by, and, when they are read, how long ago that was.
struct SnapshotMoment {
    uint64_t now_ms = 0;      // monotonic
    uint64_t elapsed_ms = 0;  // since it was written
    // By the terms in force, when they are read.
    uint64_t ttl_ms = UINT64_MAX;    // no answer is fresh that is older
    uint64_t stale_ms = UINT64_MAX;  // that it is kept beyond at most
};

struct KeptAnswer {
    Key key;
    AnswerPtr answer;
    uint32_t asked = 0;  // about so often, up to 15
};
struct KeptEntry {
    Key partition;
    SemanticEntry entry;
    std::vector<float> vector;
};

/// As a record. to  is added to.
void write_record(std::string& to, const KeptAnswer& kept, const SnapshotMoment& moment);
void write_record(std::string& to, const KeptEntry& kept, const SnapshotMoment& moment);
/// Nothing: it is none. What is over by now has its fresh_until_ms (and kept_until_ms) at moment.now_ms.
[[nodiscard]] std::optional<KeptAnswer> read_answer_record(std::string_view record, const SnapshotMoment& moment);
[[nodiscard]] std::optional<KeptEntry> read_entry_record(std::string_view record, const SnapshotMoment& moment);

}  // namespace loom::cache
