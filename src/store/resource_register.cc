#include "loom/store/resource_register.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "loom/base/assert.h"
#include "loom/base/clock.h"
#include "resource_table.h"

namespace loom::store {
namespace {

using std::chrono::seconds;

constexpr seconds sweep_interval{60};
constexpr int64_t notice_interval_s = 60;  // the same words again
constexpr size_t together_max = 256;       // questions of one transaction
// SQLite's page cache and statements, and a row of a table in memory with its places in the indexes.
constexpr uint64_t connection_bytes = 6u << 20;
constexpr uint64_t row_bytes = 1024;

int64_t now_s() noexcept { return static_cast<int64_t>(wall_us() / 1'000'000); }

constexpr Error stopped{.code = Errc::cancelled, .side = Side::internal, .what = "the register of ids has stopped"};
constexpr Error crowded{.code = Errc::exhausted,
                        .side = Side::internal,
                        .what = "too many requests wait for the register of ids (state.directory); try again"};
constexpr Error broken{.code = Errc::io,
                       .side = Side::internal,
                       .what = "the register of ids cannot be read or written (state.directory); the log says why"};
constexpr Error too_long{
    .code = Errc::too_large, .side = Side::upstream, .what = "the upstream gave an id that is longer than can be kept"};

bool fits(const ResourceKey& key) noexcept { return key.id.size() <= ResourceRegister::text_bytes_max; }

bool fits(const ResourceQuestion& question) noexcept {
    constexpr size_t most = ResourceRegister::text_bytes_max;
    const auto whole = [](const Resource& one) {
        return fits(one.key) && one.account.size() <= most && one.model.size() <= most;
    };
    return question.tenant.size() <= most && std::ranges::all_of(question.made, whole);
}

}  // namespace

class ResourceRegister::Impl {
  public:
    Impl(ResourceTable table, Options options) : table_(std::move(table)), options_(std::move(options)) {}

    void start() {
        // Signals are the main thread's.
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        thread_ = std::thread([this] { run(); });
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
    }

    void ask(ResourceQuestion question, Done done) {
        if (!fits(question)) return done(std::unexpected(too_long));
        const Error* refused = nullptr;
        {
            const std::lock_guard lock(mutex_);
            if (stopping_)
                refused = &stopped;
            else if (waiting_.size() + at_hand_ >= options_.questions_max)
                refused = &crowded;
            else
                waiting_.push_back({std::move(question), std::move(done)});
        }
        if (refused != nullptr) return done(std::unexpected(*refused));
        asked_.notify_one();
    }

    void stop() noexcept {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        asked_.notify_one();
        const std::lock_guard lock(join_mutex_);
        if (thread_.joinable()) thread_.join();
    }

  private:
    struct Asked {
        ResourceQuestion question;
        Done done;
    };

    void run() {
        pthread_setname_np(pthread_self(), "loom-register");
        for (;;) {
            std::vector<Asked> due = wait();
            if (due.empty() && is_stopping()) return;
            for (size_t at = 0; at < due.size(); at += together_max)
                answer(std::span(due).subspan(at, std::min(together_max, due.size() - at)));
            {
                const std::lock_guard lock(mutex_);
                at_hand_ = 0;
            }
            sweep();
        }
    }

    std::vector<Asked> wait() {
        std::unique_lock lock(mutex_);
        asked_.wait_for(lock, sweep_interval, [this] { return stopping_ || !waiting_.empty(); });
        at_hand_ = waiting_.size();
        return std::exchange(waiting_, {});
    }

    bool is_stopping() {
        const std::lock_guard lock(mutex_);
        return stopping_;
    }

    void answer(std::span<Asked> due) {
        std::vector<const ResourceQuestion*> questions;
        for (const Asked& one : due) questions.push_back(&one.question);
        const uint64_t evicted_before = table_.evicted_count();
        auto answers = table_.answer(questions, now_s());
        if (!answers) notice(fmt::format("the register of ids: {}", answers.error().text));
        if (table_.evicted_count() > evicted_before)
            notice(
                "the register of ids is full (state.resources.count_max): the oldest of whoever has the most are "
                "forgotten");
        for (size_t i = 0; i < due.size(); ++i) {
            if (answers)
                due[i].done(std::move((*answers)[i]));
            else
                due[i].done(std::unexpected(broken));
        }
    }

    void sweep() {
        const int64_t now = now_s();
        if (now < sweep_at_s_) return;
        const auto more = table_.expire(now);
        if (!more) notice(fmt::format("the register of ids: {}", more.error().text));
        if (!more || !*more) sweep_at_s_ = now + sweep_interval.count();
    }

    void notice(std::string text) {
        const int64_t now = now_s();
        if (!options_.on_notice || (text == noticed_ && now < noticed_s_ + notice_interval_s)) return;
        noticed_ = text;
        noticed_s_ = now;
        options_.on_notice(std::move(text));
    }

    ResourceTable table_;
    const Options options_;
    std::mutex mutex_;
    std::condition_variable asked_;
    std::vector<Asked> waiting_;
    size_t at_hand_ = 0;  // taken from waiting_ and not answered yet
    bool stopping_ = false;
    std::mutex join_mutex_;
    std::thread thread_;
    std::string noticed_;
    int64_t noticed_s_ = 0;
    int64_t sweep_at_s_ = 0;
};

std::expected<std::unique_ptr<ResourceRegister>, std::string> ResourceRegister::open(Options options) {
    if (options.directory.empty()) options.count_max = std::min(options.count_max, count_max_in_memory);
    auto table = ResourceTable::open(options.directory, {options.count_max, options.keep_s}, now_s(), options.vault);
    if (!table) return std::unexpected(std::move(table.error()));
    auto impl = std::make_unique<Impl>(std::move(*table), std::move(options));
    impl->start();
    return std::unique_ptr<ResourceRegister>(new ResourceRegister(std::move(impl)));
}

ResourceRegister::ResourceRegister(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}

ResourceRegister::~ResourceRegister() { stop(); }

void ResourceRegister::ask(ResourceQuestion question, Done done) { impl_->ask(std::move(question), std::move(done)); }

void ResourceRegister::stop() noexcept { impl_->stop(); }

uint64_t ResourceRegister::memory_bytes_max(const Options& options) noexcept {
    if (!options.directory.empty()) return connection_bytes;
    return connection_bytes + std::min(options.count_max, count_max_in_memory) * row_bytes;
}

}  // namespace loom::store
