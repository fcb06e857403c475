#include "loom/observe/log.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <mutex>

namespace loom::observe {
namespace {

constexpr const char* level_names[] = {"debug", "info", "warn", "error"};
constexpr size_t line_bytes_max = 2048;
constexpr uint32_t burst = 10;
constexpr time_t period_s = 10;

std::atomic<LogLevel> least_level{LogLevel::info};
std::atomic<int> out_fd{STDERR_FILENO};

/// How often a message came lately. Messages that share an entry share its allowance: there are fewer of them than
/// entries.
struct Site {
    const void* site = nullptr;
    time_t period_began = 0;
    uint32_t count = 0;
};
std::mutex sites_mutex;
std::array<Site, 64> sites;

struct Allowance {
    bool allowed;
    uint32_t left_out;  // since the last one that was allowed
};

Allowance allow(const void* site, time_t now) noexcept {
    const std::lock_guard lock(sites_mutex);
    Site& s = sites[(reinterpret_cast<uintptr_t>(site) >> 3) * 0x9e3779b97f4a7c15 >> 58];
    uint32_t left_out = 0;
    if (s.site != site || now - s.period_began >= period_s) {
        if (s.site == site && s.count > burst) left_out = s.count - burst;
        s = {site, now, 0};
    }
    return {++s.count <= burst, left_out};
}

/// One write, so that lines of different threads do not mix.
void write_line(const char* text, size_t bytes) noexcept {
    while (bytes > 0) {
        const ssize_t n = ::write(out_fd.load(std::memory_order_relaxed), text, bytes);
        if (n <= 0) return;  // there is nowhere left to complain
        text += n;
        bytes -= static_cast<size_t>(n);
    }
}

size_t put_prefix(char* line, LogLevel level, const timespec& now) noexcept {
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    const size_t n = strftime(line, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    const int m =
        std::snprintf(line + n, 32, ".%03ldZ %-5s ", now.tv_nsec / 1'000'000, level_names[static_cast<size_t>(level)]);
    return n + static_cast<size_t>(m);
}

}  // namespace

void set_log_level(LogLevel least) noexcept { least_level.store(least, std::memory_order_relaxed); }
void set_log_fd(int fd) noexcept { out_fd.store(fd, std::memory_order_relaxed); }
bool log_enabled(LogLevel level) noexcept { return level >= least_level.load(std::memory_order_relaxed); }

void log_line(LogLevel level, const void* site, fmt::string_view format, fmt::format_args args) noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    const auto [allowed, left_out] = allow(site, now.tv_sec);
    if (!allowed) return;
    char line[line_bytes_max];
    size_t n = put_prefix(line, level, now);
    const size_t begin = n;
    const size_t room = sizeof line - 48;  // for the note and the newline
    try {
        n += std::min(fmt::vformat_to_n(line + n, room - n, format, args).size, room - n);
    } catch (...) {  // a broken format or a throwing formatter: the bare text is better than nothing
        n += std::min(format.size(), room - n);
        std::copy_n(format.data(), n - begin, line + begin);
    }
    // A value of a peer may hold a newline or an escape sequence for somebody's terminal.
    for (size_t i = begin; i < n; ++i) {
        if (static_cast<unsigned char>(line[i]) < 0x20 || line[i] == 0x7f) line[i] = ' ';
    }
    if (left_out > 0) n += static_cast<size_t>(std::snprintf(line + n, 47, " (%u more like it left out)", left_out));
    line[n++] = '\n';
    write_line(line, n);
}

}  // namespace loom::observe
