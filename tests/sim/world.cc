#include "world.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <utility>

namespace loom::sim {
namespace {

constexpr uint64_t turns_max = 4'000'000;
constexpr uint64_t exchange_bytes = 64 * 1024;   // of memory, beside what the plan bounds
constexpr uint64_t body_bytes_max = 128 * 1024;  // the largest collected body of a case, in its block
constexpr size_t complaints_max = 8;
constexpr uint64_t tls_bytes = 256 * 1024;  // of one session's output and the library's pieces in blocks
constexpr size_t wall_jumps_max = 20;
constexpr uint64_t wall_jump_us_max = 2 * 86'400'000'000;

}  // namespace

WorldOptions draw_world(uint64_t seed) {
    Random random(seed * 0x2545f4914f6cdd1d + 1);
    WorldOptions o;
    o.seed = seed;
    o.client_count = random.between(1, 12);
    o.cases_per_client = random.between(5, 60);
    o.ahead_max = random.chance(300) ? random.between(1, 5) : 0;
    o.proxy.buffer_count = static_cast<uint16_t>(1u << random.between(1, 6));
    o.proxy.buffer_bytes = 1u << random.between(10, 14);
    o.proxy.incremental_buffers = random.chance(500);
    if (random.chance(200)) o.proxy.connections_max = static_cast<uint32_t>(random.between(1, o.client_count));
    if (random.chance(300)) o.proxy.stream_buffer_bytes = 16 * 1024;
    if (random.chance(300)) o.reload = 5;
    if (random.chance(300)) o.upstream_closes = 300;
    if (random.chance(150)) o.drain_after_turns = random.between(1, 3'000);

    o.faults.late = random.chance(300) ? 600 : static_cast<uint32_t>(random.below(200));
    o.faults.cut = random.chance(300) ? 800 : static_cast<uint32_t>(random.below(100));
    if (random.chance(300)) {
        o.faults.pipe_bytes_min = 200;
        o.faults.pipe_bytes_max = 3'000;
    }
    if (random.chance(300)) o.faults.no_buffers = 100;
    if (random.chance(200)) o.faults.accept_error = 100;
    if (random.chance(250)) o.temper.bad_fate = 250;
    o.temper.too_long = o.temper.bad_fate > 0 && random.chance(200);
    if (random.chance(250)) o.temper.leaves = 200;
    if (random.chance(150)) o.temper.slow = 150;
    if (random.chance(200)) o.faults.reset = static_cast<uint32_t>(random.between(1, 30));
    if (random.chance(200)) o.faults.send_error = static_cast<uint32_t>(random.between(1, 30));
    if (random.chance(150)) o.faults.connect_error = 150;
    if (random.chance(100)) o.faults.socket_error = 150;
    if (random.chance(100)) o.faults.dns_error = 150;
    o.temper.stream = static_cast<uint32_t>(random.below(1001));
    if (random.chance(300)) o.wall_jumps = 20;
    o.scraped = random.chance(150);
    if (random.chance(60)) {  // handshakes are dear: few connections, on either side or both
        const uint64_t sides = random.between(1, 3);
        o.proxy.tls_clients = (sides & 1) != 0;
        o.proxy.tls_upstreams = (sides & 2) != 0;
        o.client_count = std::min<size_t>(o.client_count, 4);
        o.cases_per_client = std::min<size_t>(o.cases_per_client, 15);
    }
    o.proxy.fails_over = random.chance(300);
    if (random.chance(300)) o.faults.deaf = 300;
    o.proxy.holds = o.proxy.fails_over && random.chance(500);
    o.proxy.hedges = o.proxy.fails_over && random.chance(600);
    o.proxy.limits_clients = random.chance(300);
    return o;
}

std::string describe(const WorldOptions& o) {
    const Faults& f = o.faults;
    return fmt::format(
        "seed {}: {} clients of {} cases, {} ahead; {} buffers of {}{}; connections {}, stream buffer {}, reload {}, "
        "upstream closes {}, drain after {}; late {} cut {} multishot {} deaf {} cancel {} no buffers {} reset {} send "
        "{} "
        "accept "
        "{} connect {} socket {} dns {} pipes {}-{}; bad fates {}, leaves {}, slow {}; wall jumps {}{}{}{}{}{}{}{}",
        o.seed, o.client_count, o.cases_per_client, o.ahead_max, o.proxy.buffer_count, o.proxy.buffer_bytes,
        o.proxy.incremental_buffers ? " incremental" : "", o.proxy.connections_max, o.proxy.stream_buffer_bytes,
        o.reload, o.upstream_closes, static_cast<int64_t>(o.drain_after_turns), f.late, f.cut, f.end_multishot, f.deaf,
        f.cancel_races, f.no_buffers, f.reset, f.send_error, f.accept_error, f.connect_error, f.socket_error,
        f.dns_error, f.pipe_bytes_min, f.pipe_bytes_max, o.temper.bad_fate, o.temper.leaves, o.temper.slow,
        o.wall_jumps, o.scraped ? ", scraped" : "", o.proxy.tls_clients ? ", TLS of clients" : "",
        o.proxy.tls_upstreams ? ", TLS to upstreams" : "", o.proxy.fails_over ? ", failover" : "",
        o.proxy.holds ? ", held starts" : "", o.proxy.hedges ? ", hedges" : "",
        o.proxy.limits_clients ? ", limits of clients" : "");
}

World::World(const WorldOptions& options)
    : options_(options),
      random_(options.seed),
      network_(random_, options_.faults),
      provider_(*this, random_, options.upstream_closes),
      web_(*this, random_, options.upstream_closes),
      scraper_(*this, network_) {
    // A first attempt, three retries at the most and the fallback, each on a stale connection and a fresh one.
    if (options.proxy.fails_over) provider_.arrivals_max = 2 * (1 + 3 + 1);
    if (options.proxy.hedges) provider_.arrivals_max += 2;
    network_.tls_clients = options.proxy.tls_clients;
    network_.tls_hosts = options.proxy.tls_upstreams;
    if (options.log) {
        log_fd_ = ::memfd_create("sim-log", MFD_CLOEXEC);
        auto log = observe::AccessLog::open({.lines = {.path = fmt::format("/proc/self/fd/{}", log_fd_)}});
        LOOM_ASSERT(log_fd_ >= 0 && log);
        log_ = std::move(*log);
    }
    network_.listen(SimProxy::provider_port, provider_);
    network_.listen(SimProxy::web_port, web_);
    proxy_ = std::make_unique<SimProxy>(network_, options.proxy, metrics_, log_ != nullptr ? log_->shard(0) : nullptr);
}

World::~World() {
    if (log_fd_ >= 0) ::close(log_fd_);
}

void World::draw_cases() {
    for (size_t i = 0; i < options_.client_count; ++i) {
        std::vector<Case*> mine;
        for (size_t k = 0; k < options_.cases_per_client; ++k) {
            cases_.push_back(std::make_unique<Case>(draw_case(random_, options_.temper, cases_.size())));
            mine.push_back(cases_.back().get());
        }
        // Who asks ahead and reads one answer slowly is slow for all that come behind it.
        const bool slow = options_.ahead_max > 0 && std::ranges::any_of(mine, &Case::slow_client);
        for (Case* const c : mine) c->slow_client |= slow;
        clients_.push_back(
            std::make_unique<Client>(static_cast<CaseBook&>(*this), network_, std::move(mine), options_.ahead_max));
    }
}

void World::script(std::vector<std::vector<Case>> clients) {
    for (auto& client : clients) {
        std::vector<Case*> mine;
        for (Case& one : client) {
            one.number = cases_.size();
            cases_.push_back(std::make_unique<Case>(std::move(one)));
            mine.push_back(cases_.back().get());
        }
        clients_.push_back(
            std::make_unique<Client>(static_cast<CaseBook&>(*this), network_, std::move(mine), options_.ahead_max));
    }
}

Case* World::find(std::string_view id) {
    size_t number = 0;
    if (!id.starts_with("case-")) return nullptr;
    std::from_chars(id.data() + 5, id.data() + id.size(), number);
    return number < cases_.size() ? cases_[number].get() : nullptr;
}

void World::complain(const std::string& what) {
    if (result_.complaints.size() < complaints_max) result_.complaints.push_back(what);
}

JudgeContext World::context() const noexcept {
    return {.draining = proxy_->draining(),
            .links_fail = options_.faults.breaks_links(),
            .spoiled = options_.temper.too_long,
            .fails_over = options_.proxy.fails_over,
            .closes_idle = options_.upstream_closes > 0 || options_.faults.deaf > 0};
}

uint64_t World::step_actors() {
    const uint64_t now_ns = proxy_->ring().now_ns();
    uint64_t next_ns = NetworkRing::never_ns;
    const JudgeContext now = context();
    for (const auto& client : clients_)
        if (random_.chance(900))
            next_ns = std::min(next_ns, client->step(now_ns, now));
        else
            next_ns = now_ns;
    next_ns = std::min({next_ns, provider_.step(now_ns), web_.step(now_ns)});
    if (options_.scraped) next_ns = std::min(next_ns, scraper_.step(now_ns, proxy_->admin_open()));
    return next_ns;
}

void World::turn() {
    proxy_->turn(step_actors());
    result_.turn_count += 1;
    if (random_.chance(options_.reload)) proxy_->reload();
    WallClock& wall = proxy_->ring().wall();
    if (!random_.chance(options_.wall_jumps) || wall.jump_count() == wall_jumps_max) return;
    const auto us =
        static_cast<int64_t>(random_.below(2) == 0 ? random_.below(5'000'000) : random_.below(wall_jump_us_max));
    wall.jump(proxy_->ring().now_ns(), random_.chance(500) ? us : -us);
}

bool World::everyone_done() const {
    return std::ranges::all_of(clients_, [](const auto& client) { return client->done(); });
}

/// No wait is for ever: neither one that nothing can end, nor one that outlasts all timeouts.
void World::check_waits() {
    if (options_.proxy.connections_max < options_.client_count) return;  // then it is for others to leave
    const uint64_t now_ns = proxy_->ring().now_ns();
    for (const auto& client : clients_) {
        const uint64_t since_ns = client->waits_since_ns();
        if (since_ns == 0 || now_ns - since_ns < SimProxy::longest_wait_ns || client->current() == nullptr) continue;
        if (client->current()->writing.ms > 0 || client->current()->reading.ms > 0) continue;
        complain(client->current()->id() + ": its client waits for ever");
        client->leave();
    }
}

/// What the configuration bounds, for each exchange that may be live; and no buffer of the ring's waits for a reader.
void World::check_memory() {
    if (proxy_->ring().quiet() && proxy_->shard().buffers().leased_count() > 0)
        complain(fmt::format("{} buffers are held while nothing moves", proxy_->shard().buffers().leased_count()));
    proxy::Services& services = proxy_->services();
    const proxy::Limits& limits = services.plan().limits;
    // A buffer's block is up to twice its bytes, and the old and the new are there while it grows.
    const uint64_t each = 2 * (uint64_t{limits.stream_buffer_bytes} + limits.burst_bytes + limits.head_bytes) +
                          body_bytes_max + exchange_bytes +
                          (options_.proxy.tls_clients || options_.proxy.tls_upstreams ? 2 * tls_bytes : 0);
    const uint64_t bound = std::max(services.client_count(), services.exchange_count) * each + 256 * 1024;
    if (proxy_->shard().blocks().live_bytes() > bound)
        complain(fmt::format("{} bytes of memory for {} clients and {} exchanges",
                             proxy_->shard().blocks().live_bytes(), services.client_count(), services.exchange_count));
}

WorldResult World::run() {
    if (clients_.empty()) draw_cases();
    while (!everyone_done() && result_.turn_count < turns_max && result_.complaints.size() < complaints_max) {
        turn();
        if (result_.turn_count == options_.drain_after_turns) proxy_->drain();
        if (result_.turn_count % 64 == 0) check_waits();
        check_memory();
    }
    if (result_.turn_count >= turns_max) complain("a run without an end");
    finish();
    return std::move(result_);
}

/// The clients have gone; what is left comes home, as at the end of a process.
void World::finish() {
    for (const auto& client : clients_) client->leave();
    const bool home = proxy_->bring_home([this] { turn(); });
    result_.completion_count = proxy_->ring().completion_count();
    if (!home) {
        complain(fmt::format("{} clients and {} exchanges did not come home", proxy_->services().client_count(),
                             proxy_->services().exchange_count));
        for (const std::string& what : result_.complaints) fmt::print(stderr, "{}\n", what);
        std::abort();  // nothing of it can be taken down in order
    }
    const std::string left = proxy_->close();
    if (!left.empty()) complain(left);
    check_counts();
}

void World::check_counts() {
    const observe::ShardMetrics& metrics = metrics_.shard(0);
    const auto zero = [this](int64_t level, const char* what) {
        if (level != 0) complain(fmt::format("the gauge of {} ended at {}", what, level));
    };
    zero(metrics.connections_open.value(), "connections");
    zero(metrics.streams_open.value(), "streams");
    zero(metrics.exchanges_live.value(), "exchanges");
    for (uint16_t slot = 0; slot < 5; ++slot) {
        zero(metrics.provider_series(slot).pool_idle.value(), "idle upstream connections");
        zero(metrics.provider_series(slot).pool_busy.value(), "busy upstream connections");
    }
    uint64_t counted = 0;
    for (uint16_t code = 0; code < 600; ++code) counted += metrics.code_count(code);
    result_.exchange_count = counted;
    result_.hedge_count = metrics.hedges_won.value() + metrics.hedges_lost.value() + metrics.hedges_failed.value() +
                          metrics.hedges_abandoned.value();
    if (log_ == nullptr) return;
    log_.reset();  // writes what is left
    std::string text;
    text.resize(static_cast<size_t>(::lseek(log_fd_, 0, SEEK_END)));
    if (::pread(log_fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) complain("a log unread");
    const auto lines = static_cast<uint64_t>(std::ranges::count(text, '\n'));
    if (lines != counted) complain(fmt::format("{} lines in the log, {} requests counted", lines, counted));
    check_log(text);
}

/// A line's time is the wall's when its exchange began, and what it says of durations is of no clock that can be set.
void World::check_log_time(const Case& c, std::string_view line) {
    constexpr std::string_view time_key = "\"time\":\"";
    constexpr std::string_view total_key = "\"total_us\":";
    const uint64_t now_ns = proxy_->ring().now_ns();
    const uint64_t until_ns = c.settled_ns != 0 ? c.settled_ns : now_ns;
    std::tm fields{};
    const size_t time_at = line.find(time_key);
    if (time_at == line.npos) return complain("a line of the log without a time: " + std::string(line));
    const std::string text(line.substr(time_at + time_key.size(), 40));
    const char* const rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &fields);
    const auto first_us = static_cast<uint64_t>(::timegm(&fields)) * 1'000'000;
    if (rest == nullptr || !wall_showed(first_us, first_us + 999'999, c.asked_ns, until_ns))
        complain(c.id() + ": a line of the log at no time that the clock has shown: " + std::string(line));
    uint64_t total_us = UINT64_MAX;
    const size_t total_at = line.find(total_key);
    if (total_at != line.npos)
        std::from_chars(line.data() + total_at + total_key.size(), line.data() + line.size(), total_us);
    if (total_us > (now_ns - c.asked_ns) / 1000)
        complain(c.id() + ": it took longer than the run: " + std::string(line));
}

/// Each exchange that was answered stands in the log once, with the status that its client saw; no exchange twice. A
/// head that was refused has a line and no id.
void World::check_log(const std::string& log) {
    constexpr std::string_view id_key = "\"request_id\":\"";
    constexpr std::string_view status_key = "\"status\":";
    std::vector<uint8_t> seen(cases_.size());
    uint64_t refused_count = 0;
    std::string_view rest(log);
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        const size_t id_at = line.find(id_key);
        const size_t status_at = line.find(status_key);
        if (id_at == line.npos && status_at != line.npos) {
            refused_count += 1;
            continue;
        }
        const Case* const c = id_at == line.npos ? nullptr : find(line.substr(id_at + id_key.size()));
        if (c == nullptr || status_at == line.npos) {
            complain("a line of the log that is of no case: " + std::string(line));
            continue;
        }
        check_log_time(*c, line);
        int status = 0;
        std::from_chars(line.data() + status_at + status_key.size(), line.data() + line.size(), status);
        seen[c->number] += 1;
        result_.fingerprint =
            result_.fingerprint * 1'099'511'628'211 + c->number * 1'000 + static_cast<uint64_t>(status);
        if (seen[c->number] > 1) complain(c->id() + ": two lines in the log");
        if (c->seen_status != 0 && status != c->seen_status && status != 499)
            complain(fmt::format("{}: the client saw status {}, the log has {}", c->id(), c->seen_status, status));
    }
    const uint64_t counted = metrics_.shard(0).connections_refused.value();  // handshakes, too, which have no line
    if (options_.proxy.tls_clients ? refused_count > counted : refused_count != counted)
        complain(fmt::format("{} heads were refused, and {} of them are in the log", counted, refused_count));
    for (const auto& c : cases_)
        if (c->seen_status != 0 && c->ask != Ask::bad_head && c->seen_status != 408 && seen[c->number] == 0)
            complain(fmt::format("{}: answered with {}, and not in the log", c->id(), c->seen_status));
}

}  // namespace loom::sim
