#include "loom/net/resolver.h"

#include <ares.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "dns_answer.h"
#include "loom/base/assert.h"

static_assert(ARES_VERSION >= 0x011000, "ares_getaddrinfo with TTLs came with c-ares 1.16");

namespace loom::net {
namespace {

using Clock = std::chrono::steady_clock;
using Addresses = std::vector<Address>;
using std::chrono::seconds;

constexpr size_t host_bytes_max = 255;  // RFC 1035, 2.3.4

/// An answer with its name, in the cache or on its way.
constexpr size_t answer_bytes_max = DnsAnswer::addresses_max * sizeof(Address) + host_bytes_max + 256;

bool is_localhost(std::string_view host) {
    return host == "localhost" || host == "localhost." || host.ends_with(".localhost");
}

/// Lower case, since DNS does not tell cases apart and the cache must not either.
void lower(std::string& host) {
    for (char& c : host) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    }
}

}  // namespace

class Resolver::Impl {
  public:
    explicit Impl(Options options) : options_(std::move(options)) {}
    ~Impl();
    Result<void> open();
    void ask(std::string host, uint16_t port, Done done);
    void stop() noexcept;
    Counts counts() const noexcept;

  private:
    struct Question {
        std::string host;
        uint16_t port;
        Done done;
        Clock::time_point deadline;
    };
    struct Answer {
        Result<Addresses> addresses;
        seconds ttl{};
        Clock::time_point expires;
    };
    /// One name on its way.
    struct Lookup {
        struct Half {
            Lookup* lookup;
            DnsAnswer::Family* family;
        };
        Lookup(Impl* owner, std::string name) : impl(owner), host(std::move(name)) {}
        Impl* impl;
        std::string host;
        std::vector<Question> waiters;
        DnsAnswer answer;
        Half v4{this, &answer.v4};
        Half v6{this, &answer.v6};
        int pending = 2;
        Clock::time_point grace_end = Clock::time_point::max();
    };

    // What follows runs on the resolver's thread.
    void run();
    bool take_inbox();
    void begin(Question question);
    void start_lookup(Question question);
    static void on_half(void* half, int status, int timeouts, ares_addrinfo* info) noexcept;
    void take_half(Lookup::Half& half, int status, const ares_addrinfo* info);
    void settle(Lookup& lookup);
    void expire(Clock::time_point now);
    void wait();
    int wait_ms(Clock::time_point now);
    void process(const std::vector<pollfd>& ready);
    void remember(const std::string& host, const Answer& answer);
    void make_room(Clock::time_point now);
    void deliver(Question question, const Answer& answer);
    void deliver_error(Question question, int ares_status);
    Answer answer_of(const Lookup& lookup) const;
    Answer local_answer(Addresses addresses) const { return {std::move(addresses), options_.ttl_max, {}}; }
    static void on_socket(void* impl, int fd, int readable, int writable) noexcept;
    void wake() noexcept;

    const Options options_;
    ares_channel channel_ = nullptr;
    int wake_fd_ = -1;
    std::thread thread_;

    std::mutex mutex_;  // guards the next two
    std::vector<Question> inbox_;
    bool stopping_ = false;

    std::atomic<size_t> open_questions_ = 0;
    std::atomic<uint64_t> questions_ = 0, lookups_count_ = 0, cache_hits_ = 0, failures_ = 0;

    std::unordered_map<std::string, std::unique_ptr<Lookup>> lookups_;
    std::unordered_map<std::string, Answer> cache_;
    std::vector<pollfd> sockets_;  // c-ares's own; wake_fd_ is not among them
};

// ---- any thread ----

Resolver::Impl::~Impl() {
    stop();
    if (channel_ != nullptr) ares_destroy(channel_);
    if (wake_fd_ >= 0) ::close(wake_fd_);
}

Result<void> Resolver::Impl::open() {
    ares_options ares{};
    ares.timeout = static_cast<int>(options_.try_timeout.count());
    ares.tries = 3;
    ares.sock_state_cb = on_socket;
    ares.sock_state_cb_data = this;
    const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS ||
        ares_init_options(&channel_, &ares, mask) != ARES_SUCCESS) {
        return fail(Errc::exhausted, Side::internal, "c-ares does not start");
    }
    if (!options_.servers.empty() && ares_set_servers_ports_csv(channel_, options_.servers.c_str()) != ARES_SUCCESS) {
        return fail(Errc::bad_conf, Side::internal, "the DNS servers are not a list of IP addresses with ports");
    }
    wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd_ < 0) return fail(Errc::exhausted, Side::internal, "eventfd", errno);

    sigset_t all, before;  // signals belong to the main thread; a new thread inherits the mask
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread_.native_handle(), "loom-resolver");
    return {};
}

void Resolver::Impl::ask(std::string host, uint16_t port, Done done) {
    questions_.fetch_add(1, std::memory_order_relaxed);
    Question question{std::move(host), port, std::move(done), Clock::now() + options_.timeout};
    // Counted before the look at the bound, so that two askers at the brim cannot both pass.
    if (open_questions_.fetch_add(1) >= options_.questions_max) {
        open_questions_.fetch_sub(1);
        failures_.fetch_add(1, std::memory_order_relaxed);
        question.done(fail(Errc::exhausted, Side::internal, "too many open DNS questions", 0, Retry::safe), seconds(1));
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        if (!stopping_) {
            inbox_.push_back(std::move(question));
            wake();
            return;
        }
    }
    deliver_error(std::move(question), ARES_ECANCELLED);
}

void Resolver::Impl::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        if (wake_fd_ >= 0) wake();
    }
    LOOM_ASSERT(thread_.get_id() !=
                std::this_thread::get_id());  // a Done that stops the resolver would wait for itself
    if (thread_.joinable()) thread_.join();
}

void Resolver::Impl::wake() noexcept {
    const uint64_t one = 1;
    (void)!::write(wake_fd_, &one, sizeof one);  // EAGAIN: it is awake already
}

Resolver::Counts Resolver::Impl::counts() const noexcept {
    return {questions_.load(), lookups_count_.load(), cache_hits_.load(), failures_.load()};
}

// ---- the resolver's thread ----

void Resolver::Impl::run() {
    while (take_inbox()) {
        expire(Clock::now());
        wait();
    }
    // Each half of every look-up ends with ARES_EDESTRUCTION, which cancels those who wait for it.
    ares_destroy(std::exchange(channel_, nullptr));
    LOOM_ASSERT(lookups_.empty());
}

/// False: it is time to stop, and what was in the inbox has been answered.
bool Resolver::Impl::take_inbox() {
    std::vector<Question> questions;
    bool stopping;
    {
        const std::lock_guard lock(mutex_);
        questions.swap(inbox_);
        stopping = stopping_;
    }
    for (Question& question : questions) {
        if (stopping) {
            deliver_error(std::move(question), ARES_ECANCELLED);
        } else {
            begin(std::move(question));
        }
    }
    return !stopping;
}

void Resolver::Impl::begin(Question question) {
    if (const auto ip = Address::parse_ip(question.host)) return deliver(std::move(question), local_answer({*ip}));
    lower(question.host);
    const bool nul = question.host.find('\0') != std::string::npos;
    if (question.host.empty() || nul || question.host.size() > host_bytes_max) {
        return deliver_error(std::move(question), ARES_EBADNAME);
    }
    if (is_localhost(question.host)) {  // RFC 6761: never asked of a server
        return deliver(std::move(question), local_answer({*Address::parse_ip("127.0.0.1"), *Address::parse_ip("::1")}));
    }
    const auto cached = cache_.find(question.host);
    if (cached != cache_.end() && cached->second.expires > Clock::now()) {
        cache_hits_.fetch_add(1, std::memory_order_relaxed);
        return deliver(std::move(question), cached->second);
    }
    const auto running = lookups_.find(question.host);
    if (running == lookups_.end()) return start_lookup(std::move(question));
    running->second->waiters.push_back(std::move(question));
}

void Resolver::Impl::start_lookup(Question question) {
    lookups_count_.fetch_add(1, std::memory_order_relaxed);
    const std::string host = question.host;
    const auto at = lookups_.emplace(host, std::make_unique<Lookup>(this, host)).first;
    Lookup& lookup = *at->second;
    lookup.waiters.push_back(std::move(question));
    ares_addrinfo_hints hints{};
    hints.ai_flags = ARES_AI_NOSORT;  // sorting opens a socket for each address, and the order is ours anyway
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_family = AF_INET;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, on_half, &lookup.v4);
    // Answered at once (/etc/hosts, a bad name), the first half leaves `lookup` alive: it waits for the second.
    hints.ai_family = AF_INET6;
    ares_getaddrinfo(channel_, host.c_str(), nullptr, &hints, on_half, &lookup.v6);
}

void Resolver::Impl::on_half(void* half, int status, int, ares_addrinfo* info) noexcept {
    auto& mine = *static_cast<Lookup::Half*>(half);
    mine.lookup->impl->take_half(mine, status, info);
    if (info != nullptr) ares_freeaddrinfo(info);
}

void Resolver::Impl::take_half(Lookup::Half& half, int status, const ares_addrinfo* info) {
    Lookup& lookup = *half.lookup;
    lookup.answer.take(*half.family, status, info);
    LOOM_ASSERT(lookup.pending > 0);
    lookup.pending -= 1;
    if (lookup.pending > 0) {
        if (!half.family->addresses.empty()) lookup.grace_end = Clock::now() + options_.family_grace;
        return;
    }
    const auto owned = std::move(lookups_.find(lookup.host)->second);
    lookups_.erase(lookup.host);  // before the answers: a Done may ask again
    settle(lookup);
}

/// Answers all who wait with what has come so far, and keeps it.
void Resolver::Impl::settle(Lookup& lookup) {
    const Answer answer = answer_of(lookup);
    remember(lookup.host, answer);
    lookup.grace_end = Clock::time_point::max();
    auto waiters = std::exchange(lookup.waiters, {});
    for (Question& question : waiters) deliver(std::move(question), answer);
}

Resolver::Impl::Answer Resolver::Impl::answer_of(const Lookup& lookup) const {
    auto addresses = lookup.answer.addresses();
    const seconds ttl = addresses ? lookup.answer.ttl(options_.ttl_min, options_.ttl_max) : options_.negative_ttl;
    return {std::move(addresses), ttl, Clock::now() + ttl};
}

void Resolver::Impl::remember(const std::string& host, const Answer& answer) {
    if (!answer.addresses && answer.addresses.error().side == Side::internal)
        return;  // ours, not a fact about the name
    if (cache_.size() >= options_.cache_entries_max) make_room(Clock::now());
    cache_.insert_or_assign(host, answer);
}

void Resolver::Impl::make_room(Clock::time_point now) {
    std::erase_if(cache_, [now](const auto& entry) { return entry.second.expires <= now; });
    // Still full of live names: any may go, it costs one look-up.
    if (!cache_.empty() && cache_.size() >= options_.cache_entries_max) cache_.erase(cache_.begin());
}

void Resolver::Impl::deliver(Question question, const Answer& answer) {
    open_questions_.fetch_sub(1);
    if (!answer.addresses) failures_.fetch_add(1, std::memory_order_relaxed);
    auto addresses = answer.addresses;
    if (addresses) {
        for (Address& address : *addresses) address.set_port(question.port);
    }
    // What is left of its time, for an answer out of the cache.
    const auto left = std::chrono::ceil<seconds>(answer.expires - Clock::now());
    const bool kept = answer.expires != Clock::time_point{};
    question.done(std::move(addresses), kept ? std::clamp(left, seconds(0), answer.ttl) : answer.ttl);
}

void Resolver::Impl::deliver_error(Question question, int ares_status) {
    deliver(std::move(question), {std::unexpected(dns_error(ares_status)), options_.negative_ttl, {}});
}

/// Answers questions whose time is over. Their look-up goes on: its answer will be kept for those who ask again.
void Resolver::Impl::expire(Clock::time_point now) {
    std::vector<Question> late;
    std::vector<Lookup*> enough;
    for (auto& [host, lookup] : lookups_) {
        auto& waiters = lookup->waiters;
        const bool some = lookup->answer.has_addresses();
        const auto first_late = std::partition(waiters.begin(), waiters.end(),
                                               [now](const Question& question) { return question.deadline > now; });
        if (some && (first_late != waiters.end() || lookup->grace_end <= now)) {
            enough.push_back(lookup.get());
            continue;
        }
        std::move(first_late, waiters.end(), std::back_inserter(late));
        waiters.erase(first_late, waiters.end());
    }
    for (Lookup* lookup : enough) settle(*lookup);
    for (Question& question : late) deliver_error(std::move(question), ARES_ETIMEOUT);
}

/// Until the next deadline of c-ares or of a question; -1: for as long as it takes.
int Resolver::Impl::wait_ms(Clock::time_point now) {
    auto next = Clock::time_point::max();
    for (const auto& [host, lookup] : lookups_) {
        next = std::min(next, lookup->grace_end);
        for (const Question& question : lookup->waiters) next = std::min(next, question.deadline);
    }
    timeval tv;
    if (const timeval* ares = ares_timeout(channel_, nullptr, &tv)) {
        next = std::min(next, now + seconds(ares->tv_sec) + std::chrono::microseconds(ares->tv_usec));
    }
    if (next == Clock::time_point::max()) return -1;
    return static_cast<int>(std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(next - now).count()));
}

void Resolver::Impl::wait() {
    std::vector<pollfd> ready = sockets_;
    ready.push_back({wake_fd_, POLLIN, 0});
    ::poll(ready.data(), ready.size(), wait_ms(Clock::now()));
    if (ready.back().revents != 0) {
        uint64_t count;
        (void)!::read(wake_fd_, &count, sizeof count);
    }
    ready.pop_back();
    process(ready);
}

void Resolver::Impl::process(const std::vector<pollfd>& ready) {
    for (const pollfd& socket : ready) {
        if (socket.revents == 0) continue;
        const bool readable = (socket.revents & (POLLIN | POLLERR | POLLHUP)) != 0;
        ares_process_fd(channel_, readable ? socket.fd : ARES_SOCKET_BAD,
                        (socket.revents & POLLOUT) != 0 ? socket.fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(channel_, ARES_SOCKET_BAD,
                    ARES_SOCKET_BAD);  // its own timeouts
}

void Resolver::Impl::on_socket(void* impl, int fd, int readable, int writable) noexcept {
    auto& sockets = static_cast<Impl*>(impl)->sockets_;
    std::erase_if(sockets, [fd](const pollfd& socket) { return socket.fd == fd; });
    const auto events = static_cast<short>((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
    if (events != 0) sockets.push_back({fd, events, 0});
}

// ---- the outside ----

Resolver::Resolver(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Resolver::~Resolver() { stop(); }

Result<std::unique_ptr<Resolver>> Resolver::start(Options options) {
    auto impl = std::make_unique<Impl>(std::move(options));
    LOOM_TRY(impl->open());
    return std::unique_ptr<Resolver>(new Resolver(std::move(impl)));
}

void Resolver::resolve(std::string host, uint16_t port, Done done) {
    impl_->ask(std::move(host), port, std::move(done));
}

void Resolver::stop() noexcept { impl_->stop(); }
Resolver::Counts Resolver::counts() const noexcept { return impl_->counts(); }

size_t Resolver::memory_bytes_max(const Options& options) noexcept {
    return (options.cache_entries_max + options.questions_max) * answer_bytes_max;
}

}  // namespace loom::net
