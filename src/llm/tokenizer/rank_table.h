// A family's tokens by their bytes.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/hash.h"
#include "loom/llm/tokenizer.h"

namespace loom::llm {

/// Tokens of one and of two bytes, which are asked for most, have tables of their own; the rest is a hash table that is
/// half empty.
class RankTable {
  public:
    static constexpr uint32_t no_rank = UINT32_MAX;

    [[nodiscard]] static std::expected<std::unique_ptr<const RankTable>, Tokenizer::Fault> parse(
        std::string_view rank_file);

    /// bytes  not empty.
    [[nodiscard]] uint32_t find(std::string_view bytes) const noexcept {
        const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
        if (bytes.size() == 1) return singles_[byte(0)];
        if (bytes.size() == 2) return pairs_[byte(0) << 8 | byte(1)];
        return bytes.size() <= longest_ ? find_long(bytes) : no_rank;
    }
    [[nodiscard]] size_t size() const noexcept { return count_; }
    [[nodiscard]] size_t memory_bytes() const noexcept;

  private:
    struct Slot {
        uint32_t tag = 0;  // of the hash
        uint32_t offset = 0;
        uint32_t rank = no_rank;  // no_rank: empty
        uint32_t length = 0;
    };

    [[nodiscard]] const char* add(std::string_view token, uint32_t rank);
    [[nodiscard]] bool put(uint32_t& place, uint32_t rank) noexcept;
    [[nodiscard]] uint32_t find_long(std::string_view bytes) const noexcept {
        const uint64_t hash = hash64(bytes);
        for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
            const Slot& slot = slots_[i];
            if (slot.rank == no_rank) return no_rank;
            if (slot.tag == hash >> 32 && slot.length == bytes.size() &&
                std::string_view(bytes_).substr(slot.offset, slot.length) == bytes)
                return slot.rank;
        }
    }

    std::array<uint32_t, 256> singles_;
    std::vector<uint32_t> pairs_;
    std::vector<Slot> slots_;
    size_t mask_ = 0;
    std::string bytes_;
    size_t longest_ = 2;
    size_t count_ = 0;
};

}  // namespace loom::llm
