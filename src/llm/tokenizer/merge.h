// Byte-pair encoding of one piece: the pair of lowest rank is merged, the leftmost of equals, until no pair has one.
#pragma once

#include <cstdint>
#include <string_view>

#include "rank_table.h"

namespace loom::llm {

struct MergeScratch {
    static constexpr uint32_t bytes_max = TokenCounter::piece_bytes_max;
    uint16_t next[bytes_max + 1];    // where the part behind this one begins
    uint16_t before[bytes_max + 1];  // where the part before this one begins
    uint32_t ranks[bytes_max];       // of this part with the next one; no_rank: none, or no part begins here
    uint64_t heap[2 * bytes_max];    // rank, then place: what is not what ranks has is stale
    uint32_t parts[bytes_max];
};
static_assert(MergeScratch::bytes_max <= UINT16_MAX);

/// piece    of 1 to bytes_max bytes.
/// Returns  how many tokens it is; their ranks stand in scratch.parts.
[[nodiscard]] uint32_t merge_piece(const RankTable& ranks, std::string_view piece, MergeScratch& scratch) noexcept;

}  // namespace loom::llm
