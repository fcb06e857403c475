// Resolves what a raw value refers to: escapes inside quotes, ${NAME}, ${NAME:-default}, ${file:path}, $$.
#pragma once

#include <string>
#include <string_view>

#include "loom/config/diagnostic.h"
#include "loom/config/source.h"
#include "loom/config/value.h"

namespace loom::config {

inline constexpr size_t variable_bytes_max = 64 * 1024;  // a file's content or a variable's value

/// The value as meant. `directory` is where relative ${file:…} paths begin ("" for the working directory).
[[nodiscard]] Parsed<std::string> expand(std::string_view raw, Quoting quoting, const std::string& directory,
                                         const Source& source);

/// Bytes of the well-formed `${NAME}`, `${NAME:-default}` or `${file:path}` that `text` begins with; 0 when there is
/// none.
[[nodiscard]] size_t reference_bytes(std::string_view text);

/// `path` as seen from `directory`, without `.` and `..` where they can be folded.
[[nodiscard]] std::string resolve_path(const std::string& directory, const std::string& path);

/// "No such file or directory", or the limit that was met.
[[nodiscard]] std::string read_failure(const Error& error);

}  // namespace loom::config
