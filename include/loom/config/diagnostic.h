// What is wrong with a configuration, and where.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace loom::config {

/// A spot in a file. Lines and columns count from 1; a column counts characters, not bytes. Line 0: the file as a
/// whole, or a `-set` of the command line (then `file` reads "-set KEY").
struct Place {
    std::string file;
    uint32_t line = 0;
    uint32_t column = 0;

    bool operator==(const Place&) const = default;
};

/// `loom.conf:12:1`, or `loom.conf` for line 0.
[[nodiscard]] std::string to_string(const Place& place);

struct Diagnostic {
    Place place;
    bool is_error = true;
    std::string text;  // never holds the value of a secret
    std::string key;   // "" when no key could be read
};

/// `loom.conf:12:1: unknown key …`; a warning says so: `loom.conf:12:1: warning: …`.
[[nodiscard]] std::string to_string(const Diagnostic& diagnostic);

[[nodiscard]] bool has_error(const std::vector<Diagnostic>& diagnostics);

/// Text of a user inside a message: control bytes as \xNN, cut to a bearable length.
[[nodiscard]] std::string printable(const std::string& text);

}  // namespace loom::config
