// Bytes of a file → `key = value` entries with their places. Variables are not resolved here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "loom/config/diagnostic.h"
#include "loom/config/value.h"

namespace loom::config {

inline constexpr size_t line_bytes_max = 64 * 1024;  // a logical line, continuations joined
inline constexpr size_t key_bytes_max = 512;
inline constexpr size_t diagnostic_count_max = 1000;  // then reading stops: this is no conf file

struct RawEntry {
    std::string key;
    std::string value;  // without the outer quotes; escapes and ${…} still in it
    Quoting quoting = Quoting::bare;
    Place key_place;
    Place value_place;
};

/// Entries of `text` in order. What is no entry becomes an error in `diagnostics`, and reading goes on at the next
/// line.
[[nodiscard]] std::vector<RawEntry> lex(std::string_view text, const std::string& file,
                                        std::vector<Diagnostic>& diagnostics);

}  // namespace loom::config
