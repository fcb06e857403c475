// The process log: starts, reloads, warnings. To standard error, one line each, rate limited per message so that a
// broken upstream cannot flood a disk. Not for requests: those have the access log. Blocks on standard error, so shards
// use it for what is rare.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string_view>

namespace loom::observe {

enum class LogLevel : uint8_t { debug, info, warn, error };

void set_log_level(LogLevel least) noexcept;
/// Where lines go; 2 at the start. For tests.
void set_log_fd(int fd) noexcept;
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;

/// A line in the log's form, time and level before it. `site` tells messages apart for the rate limit (their format
/// string): at most 10 in 10 s each, and the next one says how many were left out.
void log_line(LogLevel level, const void* site, fmt::string_view format, fmt::format_args args) noexcept;

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) noexcept {
    if (!log_enabled(level)) return;
    const fmt::string_view text = format;
    log_line(level, text.data(), text, fmt::make_format_args(args...));
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) noexcept {
    log(LogLevel::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) noexcept {
    log(LogLevel::warn, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) noexcept {
    log(LogLevel::error, format, std::forward<Args>(args)...);
}

}  // namespace loom::observe
