// The thread behind a log of lines: gathers the shards' rings, writes, and outlives every trouble of its file.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "line_ring.h"
#include "loom/observe/line_log.h"

namespace loom::observe {

class LineLog::Writer {
  public:
    Writer(Options options, int fd);
    ~Writer();

    /// A descriptor to append to. `stdout` and `stderr` are the process' own, and are never closed.
    [[nodiscard]] static Result<int> open_path(const std::string& path) noexcept;

    void reopen() noexcept;
    void flush() noexcept;
    [[nodiscard]] ShardLines& shard(uint32_t index) noexcept { return *shards_[index]; }
    [[nodiscard]] uint64_t written() const noexcept { return lines_written_.value(); }
    [[nodiscard]] uint64_t dropped() const noexcept;
    [[nodiscard]] uint64_t write_errors() const noexcept { return write_errors_.value(); }

  private:
    enum class Wrote : uint8_t { all, blocked, failed };

    void run() noexcept;
    void sleep() noexcept;
    void wake() noexcept;
    void reopen_now() noexcept;
    /// One pass over the shards; true when every ring was emptied.
    bool drain() noexcept;
    bool drain_shard(uint32_t index) noexcept;
    Wrote write_all(ShardLines::Ring& ring, std::string_view lines) noexcept;
    Wrote wait_writable() noexcept;
    Wrote failed() noexcept;
    void pause_after_error() noexcept;
    void finish() noexcept;
    void look_at_fd() noexcept;
    void skip_cut_line() noexcept;

    const Options options_;
    std::vector<std::unique_ptr<ShardLines>> shards_;
    int fd_;
    size_t write_bytes_max_ = 0;  // for a pipe, what is written without blocking once poll() says so
    bool mid_line_ = false;       // a short write cut a line of current_: nobody else's bytes may come before its rest
    uint32_t current_ = 0;        // the shard whose turn it is
    uint64_t retry_at_us_ = 0;    // after an error, not before this

    std::atomic<uint32_t> wake_{0};
    std::atomic<bool> reopen_{false};
    std::atomic<bool> stop_{false};
    std::atomic<uint64_t> flush_asked_{0};
    std::atomic<uint64_t> flush_done_{0};
    Counter lines_written_, lines_cut_, write_errors_;
    std::thread thread_;  // last: it runs on all of the above
};

}  // namespace loom::observe
