#include "loom/observe/line_log.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>

#include "line_writer.h"

namespace loom::observe {
namespace {

constexpr uint64_t retry_pause_us =
    1'000'000;  // after ENOSPC, EPIPE, EIO: the disk may be cleared, the reader come back
constexpr uint64_t last_words_us = 1'000'000;  // what a shutdown waits for the file
constexpr size_t file_write_bytes_max = 256 * 1024;
constexpr int poll_ms = 100;

/// By memchr, which looks at many bytes at once; the compiler's std::count asks each.
uint64_t line_ends(std::string_view text) noexcept {
    uint64_t count = 0;
    for (size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) ++count;
    return count;
}

uint64_t now_us() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1'000'000 + static_cast<uint64_t>(t.tv_nsec) / 1000;
}

/// A reader of our pipe that goes away is an error of write(), not the end of the process.
void block_sigpipe() noexcept {
    sigset_t set;
    sigfillset(&set);  // and every other signal is for the main thread
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

LineLog::Writer::Writer(Options options, int fd) : options_(std::move(options)), fd_(fd) {
    for (uint32_t i = 0; i < options_.shard_count; ++i)
        shards_.emplace_back(new ShardLines(options_.ring_bytes, wake_));
    look_at_fd();
    thread_ = std::thread([this] { run(); });
}

LineLog::Writer::~Writer() {
    stop_.store(true, std::memory_order_release);
    wake();
    thread_.join();
    if (fd_ > STDERR_FILENO) ::close(fd_);
}

Result<int> LineLog::Writer::open_path(const std::string& path) noexcept {
    if (path == "stdout") return STDOUT_FILENO;
    if (path == "stderr") return STDERR_FILENO;
    const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd < 0) return fail(Errc::io, Side::internal, "the log cannot be opened", errno);
    return fd;
}

void LineLog::Writer::look_at_fd() noexcept {
    struct stat status{};
    const bool regular = ::fstat(fd_, &status) == 0 && S_ISREG(status.st_mode);
    // A standard stream is shared with whoever started us, so it is never made non-blocking; small writes after a poll
    // do not block on a pipe.
    write_bytes_max_ = regular ? file_write_bytes_max : PIPE_BUF;
}

void LineLog::Writer::wake() noexcept {
    wake_.store(1, std::memory_order_release);
    ::syscall(SYS_futex, &wake_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void LineLog::Writer::sleep() noexcept {
    const uint64_t ms = options_.flush_interval_ms;
    const timespec interval{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000) * 1'000'000};
    ::syscall(SYS_futex, &wake_, FUTEX_WAIT_PRIVATE, 0, &interval, nullptr, 0);
    wake_.store(0, std::memory_order_relaxed);
}

void LineLog::Writer::run() noexcept {
    block_sigpipe();
    pthread_setname_np(pthread_self(), options_.thread_name);
    while (!stop_.load(std::memory_order_acquire)) {
        sleep();
        const uint64_t asked = flush_asked_.load(std::memory_order_acquire);
        if (reopen_.exchange(false, std::memory_order_acquire)) reopen_now();
        if (drain())
            flush_done_.store(asked, std::memory_order_release);
        else if (now_us() < retry_at_us_)
            pause_after_error();
    }
    finish();
}

/// Full rings ring at every record; without this the thread would spin on a full disk.
void LineLog::Writer::pause_after_error() noexcept {
    flush_done_.store(flush_asked_.load(std::memory_order_acquire), std::memory_order_release);  // given up
    std::this_thread::sleep_for(std::chrono::milliseconds(poll_ms));
}

void LineLog::Writer::finish() noexcept {
    retry_at_us_ = 0;
    const uint64_t deadline = now_us() + last_words_us;
    while (!drain() && retry_at_us_ == 0 && now_us() < deadline) continue;
}

bool LineLog::Writer::drain() noexcept {
    if (now_us() < retry_at_us_) return false;
    for (size_t i = 0; i < shards_.size(); ++i) {
        if (!drain_shard(current_)) return false;
        current_ = (current_ + 1) % static_cast<uint32_t>(shards_.size());
    }
    return true;
}

/// What one shard has up to the end of its ring, and then from its start: no more, so that a busy shard lets the others
/// in.
bool LineLog::Writer::drain_shard(uint32_t index) noexcept {
    ShardLines::Ring& ring = *shards_[index]->ring_;
    for (int part = 0; part < 2; ++part) {
        const std::string_view lines = ring.readable();
        if (lines.empty()) return true;
        if (write_all(ring, lines) != Wrote::all) return false;
    }
    return true;
}

LineLog::Writer::Wrote LineLog::Writer::write_all(ShardLines::Ring& ring, std::string_view lines) noexcept {
    while (!lines.empty()) {
        if (const Wrote ready = wait_writable(); ready != Wrote::all) return ready;
        const ssize_t n = ::write(fd_, lines.data(), std::min(lines.size(), write_bytes_max_));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return Wrote::blocked;
        if (n <= 0) return failed();
        const std::string_view done = lines.substr(0, static_cast<size_t>(n));
        lines_written_.add(line_ends(done));
        mid_line_ = done.back() != '\n';
        lines.remove_prefix(done.size());
        ring.consume(done.size());
    }
    return Wrote::all;
}

LineLog::Writer::Wrote LineLog::Writer::wait_writable() noexcept {
    if (write_bytes_max_ == file_write_bytes_max) return Wrote::all;  // a file is always ready
    pollfd p{fd_, POLLOUT, 0};
    const int n = ::poll(&p, 1, poll_ms);
    if (n < 0 && errno != EINTR) return failed();
    return n > 0 ? Wrote::all : Wrote::blocked;  // POLLERR too: write() tells the reason
}

LineLog::Writer::Wrote LineLog::Writer::failed() noexcept {
    write_errors_.add();
    retry_at_us_ = now_us() + retry_pause_us;
    return Wrote::failed;
}

void LineLog::Writer::reopen_now() noexcept {
    const Result<int> fresh = open_path(options_.path);
    if (!fresh) {
        write_errors_.add();  // and goes on with the old file
        return;
    }
    const int old = std::exchange(fd_, *fresh);
    if (old > STDERR_FILENO) ::close(old);
    look_at_fd();
    retry_at_us_ = 0;
    if (mid_line_) skip_cut_line();
}

/// The head of this line is in the file that was moved away; its tail alone would be no JSON.
void LineLog::Writer::skip_cut_line() noexcept {
    ShardLines::Ring& ring = *shards_[current_]->ring_;
    const std::string_view rest = ring.readable();
    const size_t newline = rest.find('\n');
    ring.consume(newline == rest.npos ? rest.size() : newline + 1);
    lines_cut_.add();
    mid_line_ = false;
}

void LineLog::Writer::reopen() noexcept {
    reopen_.store(true, std::memory_order_release);
    wake();
}

void LineLog::Writer::flush() noexcept {
    const uint64_t asked = flush_asked_.fetch_add(1, std::memory_order_acq_rel) + 1;
    const uint64_t deadline = now_us() + last_words_us;
    wake();
    while (flush_done_.load(std::memory_order_acquire) < asked && now_us() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

uint64_t LineLog::Writer::dropped() const noexcept {
    uint64_t n = lines_cut_.value();
    for (const auto& shard : shards_) n += shard->ring_->dropped.value();
    return n;
}

Result<std::unique_ptr<LineLog>> LineLog::open(Options options) {
    if (options.path == "off") return std::unique_ptr<LineLog>(new LineLog(nullptr));
    if (options.shard_count == 0 || options.flush_interval_ms == 0)
        return fail(Errc::bad_conf, Side::internal, "a log needs a shard and an interval");
    if (!std::has_single_bit(options.ring_bytes) || options.ring_bytes < 64 * 1024)
        return fail(Errc::bad_conf, Side::internal, "a log's ring must be a power of two, at least 64 KiB");
    const int fd = LOOM_TRY(Writer::open_path(options.path));
    return std::unique_ptr<LineLog>(new LineLog(std::make_unique<Writer>(std::move(options), fd)));
}

LineLog::LineLog(std::unique_ptr<Writer> writer) : writer_(std::move(writer)) {}
LineLog::~LineLog() = default;

ShardLines* LineLog::shard(uint32_t index) noexcept { return writer_ ? &writer_->shard(index) : nullptr; }
void LineLog::reopen() noexcept {
    if (writer_) writer_->reopen();
}
void LineLog::flush() noexcept {
    if (writer_) writer_->flush();
}
uint64_t LineLog::written() const noexcept { return writer_ ? writer_->written() : 0; }
uint64_t LineLog::dropped() const noexcept { return writer_ ? writer_->dropped() : 0; }
uint64_t LineLog::write_errors() const noexcept { return writer_ ? writer_->write_errors() : 0; }

void SecondText::refresh(uint64_t second) noexcept {
    second_ = second;
    const time_t seconds = static_cast<time_t>(second);
    tm parts{};
    ::gmtime_r(&seconds, &parts);
    ::strftime(text_, sizeof text_, "%Y-%m-%dT%H:%M:%S", &parts);
}

}  // namespace loom::observe
