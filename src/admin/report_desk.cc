#include "loom/admin/report_desk.h"

#include <pthread.h>
#include <signal.h>

#include <optional>
#include <system_error>
#include <utility>

#include "answers.h"
#include "loom/llm/error.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using proxy::LocalStream;

/// Signals are the main thread's. Nothing where the system has no more threads.
template <class Work>
std::optional<std::thread> begin_thread(const char* name, Work work) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::optional<std::thread> thread;
    try {
        thread.emplace([name, work = std::move(work)] {
            pthread_setname_np(pthread_self(), name);
            work();
        });
    } catch (const std::system_error&) {
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
}

constexpr std::string_view no_thread = "the system gives no thread for it now; try again in a moment";

LocalAnswer busy(std::string_view what) { return refuse(503, what, llm::error_type::server, "overloaded"); }

}  // namespace

LocalAnswer ReportDesk::later(Report report) {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= waiting_max)
        return busy("too many reports are asked for at once; try again in a moment");
    if (!reporter_.joinable()) {
        auto begun = begin_thread("loom-reports", [this] { make_reports(); });
        if (!begun) return busy(no_thread);
        reporter_ = std::move(*begun);
    }
    auto to = std::make_shared<LocalStream>();
    waiting_.push_back({.report = std::move(report), .to = to});
    asked_.notify_one();
    return {.content_type = {}, .body = {}, .stream = std::move(to)};
}

void ReportDesk::make_reports() {
    std::unique_lock lock(mutex_);
    for (;;) {
        asked_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        const Waiting next = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        if (next.to->is_wanted()) next.to->answer(next.report());
        lock.lock();
    }
}

LocalAnswer ReportDesk::stream(std::string content_type, Stream stream) {
    std::unique_lock lock(mutex_);
    forget_ended(lock);
    if (stopping_ || running_.size() >= streams_max)
        return busy("so many exports are under way already; try again when one of them has ended");
    auto to = std::make_shared<LocalStream>();
    Running& running = running_.emplace_back();
    running.to = to;
    auto begun = begin_thread("loom-export", [this, to, &running, stream = std::move(stream)] {
        stream(*to);
        const std::lock_guard ended(mutex_);
        running.is_over = true;
    });
    if (!begun) {
        running_.pop_back();
        return busy(no_thread);
    }
    running.thread = std::move(*begun);
    return {.content_type = std::move(content_type), .body = {}, .stream = std::move(to)};
}

/// Those that say so hold the lock no more, or are about to let it go.
void ReportDesk::forget_ended(std::unique_lock<std::mutex>& lock) {
    std::list<Running> ended;
    for (auto one = running_.begin(); one != running_.end();) {
        const auto next = std::next(one);
        if (one->is_over) ended.splice(ended.end(), running_, one);
        one = next;
    }
    lock.unlock();
    for (Running& one : ended) one.thread.join();
    lock.lock();
}

void ReportDesk::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        for (const Running& one : running_) one.to->leave();
        waiting_.clear();
    }
    asked_.notify_one();
    if (reporter_.joinable()) reporter_.join();
    for (Running& one : running_)  // nobody begins another
        if (one.thread.joinable()) one.thread.join();
    running_.clear();
}

}  // namespace loom::admin
