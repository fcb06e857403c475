// What stands in the place of what was found, and the way back.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "loom/base/arena.h"
#include "loom/base/hash.h"
#include "loom/guard/custom_types.h"
#include "loom/guard/pii.h"

namespace loom::guard {

enum class MaskStyle : uint8_t {
    placeholder,  // "[EMAIL_1]": the same value has the same number within a request
    partial,      // "a***@example.org", "************1111": enough to be recognised by who knows it
    hash,         // "[EMAIL_3f2a90c1d4e5b677]": the same everywhere under one key, and found by nobody without it
    reversible,   // a placeholder that becomes the value again in the answer to who has sent it
};

/// The values of one request and the placeholders that stand for them. Bounded: whatever comes behind value_count_max
/// different ones is "[EMAIL]", which has no way back. Takes from the arena alone.
class MaskTable {
  public:
    static constexpr uint32_t value_count_max = 1024;
    static constexpr uint32_t placeholder_bytes_max = 32;
    /// What finds values and their numbers, from the first one on.
    static constexpr size_t index_bytes_max = 8 * 1024;
    /// Of a table that keeps no values.
    static constexpr size_t memory_bytes_max = value_count_max * (96 + placeholder_bytes_max) + index_bytes_max;
    /// Of values that are kept; what is beyond has no way back.
    static constexpr size_t value_bytes_max = 256 * 1024;

    /// Without keeps_values it only knows values again, and has no way back.
    /// custom  outlives it, where there are such types.
    explicit MaskTable(Arena& arena, bool keeps_values = true, const CustomTypes* custom = nullptr) noexcept;

    /// The placeholder of a value, in the arena. Brackets, capitals, digits and '_' alone: nothing that JSON escapes.
    [[nodiscard]] std::string_view placeholder(PiiType type, std::string_view value);
    /// The value that a placeholder of this table stands for; empty where it is none of it.
    [[nodiscard]] std::string_view value_of(std::string_view placeholder) const noexcept;
    /// Values that come from here on have no way back.
    void keep_no_more() noexcept { keeps_values_ = false; }
    /// Is it one of those that have?
    [[nodiscard]] bool keeps(PiiType type, std::string_view value) const noexcept;
    [[nodiscard]] bool keeps_any() const noexcept { return value_bytes_ > 0; }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    /// Whose placeholders are called so.
    [[nodiscard]] std::optional<PiiType> type_of(std::string_view label) const noexcept;
    [[nodiscard]] size_t memory_bytes() const noexcept {
        return count_ * (sizeof(Entry) + placeholder_bytes_max) + value_bytes_ +
               (index_ == nullptr ? 0 : sizeof(Index));
    }

  private:
    struct Entry {
        Entry* next = nullptr;              // of one bucket by value
        Entry* next_placeholder = nullptr;  // of one by placeholder
        std::string_view value;
        std::string_view placeholder;
        Hash128 hash;
        PiiType type = PiiType::email;
        uint16_t number = 0;
    };
    static constexpr uint32_t bucket_count = 256;
    struct Index {
        std::array<Entry*, bucket_count> by_value{};  // by a hash under a key of the process: nobody can make them meet
        std::array<Entry*, bucket_count> by_placeholder{};
        std::array<uint16_t, pii_type_count> numbers{};
        std::array<std::string_view, pii_type_count> unnumbered{};
    };
    static_assert(sizeof(Index) <= index_bytes_max);
    [[nodiscard]] const Entry* find(PiiType type, std::string_view value, const Hash128& hash) const noexcept;
    [[nodiscard]] static size_t placeholder_bucket(PiiType type, uint32_t number) noexcept {
        return (static_cast<size_t>(type) * 31 + number) % bucket_count;
    }

    Arena& arena_;
    const CustomTypes* custom_;
    bool keeps_values_;
    Index* index_ = nullptr;  // in the arena: most requests hold nothing, and every one has a table
    uint32_t count_ = 0;
    size_t value_bytes_ = 0;
};

/// In the arena. What is left to see is ASCII without quotes, backslashes and control characters.
[[nodiscard]] std::string_view mask_partly(PiiType type, std::string_view value, Arena& arena);

/// label  of its type (label_of).
/// key    of the operator, of any length; who has it can test guesses, nobody else.
[[nodiscard]] std::string_view mask_by_hash(std::string_view label, std::string_view value,
                                            std::span<const uint8_t> key, Arena& arena);

/// Values that are nobody's secret: whole ones ("support@example.org"), and all that end with something
/// ("*@example.org"). ASCII is compared without regard to case.
class Exemptions {
  public:
    void add(std::string_view value);
    [[nodiscard]] bool has(std::string_view value) const noexcept;
    [[nodiscard]] bool empty() const noexcept { return whole_.empty() && endings_.empty(); }

  private:
    std::string whole_;    // each behind a NUL and before one, in lower case
    std::string endings_;  // each behind its length in a byte
};

}  // namespace loom::guard
