// Kinds of personal data that a configuration adds to Loom's own: regular expressions, or words.
//
// What one finds is a function of the text alone: every byte that any match of its expression covers, matches that
// overlap being one find. So it does not matter where a text is cut, nor which of two matches a reader would prefer.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/pii_type.h"

namespace loom::guard {

/// What must be right of a match's digits.
enum class CustomCheck : uint8_t {
    none,
    luhn,       // ISO/IEC 7812-1: cards, IMEI
    verhoeff,   // Aadhaar
    mod_11_10,  // ISO/IEC 7064
    mod_97,     // ISO/IEC 7064, MOD 97-10, letters being 10 to 35: IBAN without its turn
};

struct CustomType {
    std::string name;  // lower-case letters, digits and '_': "project_x", whose placeholder is "[PROJECT_X_1]"
    /// In Hyperscan's dialect of PCRE, over bytes: no back references, no lookaround; `^` and `$` are a text's
    /// beginning and end. "": words are looked for.
    std::string pattern;
    std::vector<std::string> words;  // as words of their own, without regard to ASCII case
    CustomCheck check = CustomCheck::none;
    uint32_t repeat_max = 64;  // as often an open repetition (+, *, {2,}) goes on at most
};

/// Immutable once made, and of all threads: a scan takes nothing from the heap.
class CustomTypes {
  public:
    static constexpr uint32_t bytes_max_max = 512;   // of a match
    static constexpr uint32_t run_bytes_max = 2048;  // of a find: where matches overlap for longer, it is several
    static constexpr uint32_t name_bytes_max = 20;

    struct Fault {
        size_t index = 0;  // of the type
        std::string why;
    };
    /// types    at most custom_type_count_max.
    /// threads  that scan at the same moment, at most. More of them wait for each other.
    [[nodiscard]] static std::expected<std::shared_ptr<const CustomTypes>, Fault> compile(
        const std::vector<CustomType>& types, uint32_t threads);
    ~CustomTypes();
    CustomTypes(const CustomTypes&) = delete;

    [[nodiscard]] uint32_t size() const noexcept { return static_cast<uint32_t>(names_.size()); }
    [[nodiscard]] std::string_view name(PiiType type) const noexcept { return names_[custom_index(type)]; }
    [[nodiscard]] std::string_view label(PiiType type) const noexcept { return labels_[custom_index(type)]; }
    /// The longest match of any.
    [[nodiscard]] uint32_t bytes_max() const noexcept { return bytes_max_; }

    /// Of matches that begin at one place, the longest of a type.
    struct Match {  // without initialisers: few of a batch are ever used
        uint32_t begin;
        uint32_t end;
        PiiType type;
    };
    /// Some of the matches of a text, in the order of their beginnings.
    struct Batch {
        static constexpr uint32_t count_max = 1024;
        std::array<Match, count_max> matches;
        uint32_t count = 0;
    };
    /// Those that begin in [begin, end), or in a part of it from its beginning on; returns where that ends.
    /// text  of which bytes_max() + 2 bytes stand before `begin`, or its beginning does; likewise behind `end`, unless
    ///       nothing follows the text.
    [[nodiscard]] size_t find(std::string_view text, size_t begin, size_t end, Batch& batch) const;

  private:
    CustomTypes();
    struct Engine;
    std::unique_ptr<Engine> engine_;
    std::vector<std::string> names_, labels_;
    std::vector<CustomCheck> checks_;
    uint32_t bytes_max_ = 0;
};

/// As the conf and metrics name it. custom  of a type that is: those that it is of.
[[nodiscard]] std::string_view name_of(PiiType type, const CustomTypes* custom) noexcept;
/// As placeholders do.
[[nodiscard]] std::string_view label_of(PiiType type, const CustomTypes* custom) noexcept;

}  // namespace loom::guard
