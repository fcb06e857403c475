// Answers that read much: on threads of their own, so that the admin's own thread, which serves many, waits for none.
//
// Reports are made one after the other. A stream has a thread while it lasts, and is as fast as its client reads; one
// whose client has stalled ends with it (timeout.client_write).
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "loom/proxy/local_stream.h"

namespace loom::admin {

class ReportDesk {
  public:
    using Report = std::function<proxy::LocalAnswer()>;
    using Stream = std::function<void(proxy::LocalStream& to)>;

    ReportDesk() = default;
    ReportDesk(const ReportDesk&) = delete;
    ~ReportDesk() { stop(); }

    /// What `report` answers, later; 503 where waiting_max wait already, or nothing is made any more.
    [[nodiscard]] proxy::LocalAnswer later(Report report);
    /// What `stream` writes: it ends or fails what it is given, or answers in its place. 503 where streams_max are
    /// under way.
    [[nodiscard]] proxy::LocalAnswer stream(std::string content_type, Stream stream);
    /// Nothing is made any more: what waits is not answered, streams find that nobody reads them. Returns when all
    /// have ended.
    void stop() noexcept;

    static constexpr size_t waiting_max = 64;
    static constexpr size_t streams_max = 4;
    /// Of streams, beside what they read; a report's names are bounded by their number.
    static constexpr uint64_t memory_bytes =
        streams_max * (proxy::LocalStream::queue_bytes_max + (uint64_t{512} << 10)) + (uint64_t{16} << 20);

  private:
    struct Waiting {
        Report report;
        std::shared_ptr<proxy::LocalStream> to;
    };
    struct Running {
        std::thread thread;
        std::shared_ptr<proxy::LocalStream> to;
        bool is_over = false;
    };
    void make_reports();
    void forget_ended(std::unique_lock<std::mutex>& lock);

    std::mutex mutex_;
    std::condition_variable asked_;
    std::deque<Waiting> waiting_;
    std::thread reporter_;  // begun by the first report
    std::list<Running> running_;
    bool stopping_ = false;
};

}  // namespace loom::admin
