#include "world.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace loom::sim {
namespace {

constexpr uint64_t ns_per_ms = 1'000'000;
constexpr uint16_t provider_port = 8001;
constexpr uint16_t web_port = 8002;
constexpr uint64_t longest_wait_ns = 300'000 * ns_per_ms;  // beyond every timeout of the plan together
constexpr uint64_t turns_max = 4'000'000;
constexpr uint64_t connection_bytes = 160 * 1024;  // of memory, beside what the plan bounds
constexpr size_t complaints_max = 8;

proxy::ProviderPlan provider_plan(observe::Metrics& metrics, std::string name, uint32_t idle_max) {
    proxy::ProviderPlan plan;
    plan.label_ix = metrics.provider(name);
    plan.endpoint.name = name;
    plan.endpoint.host = name + ".sim";
    plan.endpoint.port = provider_port;
    plan.endpoint.idle_max = idle_max;
    plan.base_path = "/v1";
    plan.static_lines = "host: provider.sim\r\n";
    plan.timeouts = {.connect_ms = 5'000,
                     .response_header_ms = 10'000,
                     .first_token_ms = 10'000,
                     .inter_event_ms = 10'000,
                     .total_ms = 60'000};
    plan.name = std::move(name);
    return plan;
}

}  // namespace

WorldOptions draw_world(uint64_t seed) {
    Random random(seed * 0x2545f4914f6cdd1d + 1);
    WorldOptions o;
    o.seed = seed;
    o.client_count = random.between(1, 12);
    o.cases_per_client = random.between(5, 60);
    o.ahead_max = random.chance(300) ? random.between(1, 5) : 0;
    o.buffer_count = static_cast<uint16_t>(1u << random.between(1, 6));
    o.buffer_bytes = 1u << random.between(10, 14);
    o.incremental_buffers = random.chance(500);
    if (random.chance(200)) o.connections_max = static_cast<uint32_t>(random.between(1, o.client_count));
    if (random.chance(300)) o.stream_buffer_bytes = 16 * 1024;
    if (random.chance(300)) o.reload = 5;
    if (random.chance(300)) o.upstream_closes = 300;
    if (random.chance(150)) o.drain_after_turns = random.between(1, 3'000);

    o.faults.late = random.chance(300) ? 600 : static_cast<uint32_t>(random.below(200));
    o.faults.cut = random.chance(300) ? 800 : static_cast<uint32_t>(random.below(100));
    if (random.chance(300)) {
        o.faults.pipe_bytes_min = 1;
        o.faults.pipe_bytes_max = 3'000;
    }
    if (random.chance(300)) o.faults.no_buffers = 100;
    if (random.chance(200)) o.faults.accept_error = 100;
    if (random.chance(250)) o.temper.bad_fate = 250;
    if (random.chance(250)) o.temper.leaves = 200;
    if (random.chance(150)) o.temper.slow = 150;
    if (random.chance(200)) o.faults.reset = static_cast<uint32_t>(random.between(1, 30));
    if (random.chance(200)) o.faults.send_error = static_cast<uint32_t>(random.between(1, 30));
    if (random.chance(150)) o.faults.connect_error = 150;
    if (random.chance(100)) o.faults.socket_error = 150;
    if (random.chance(100)) o.faults.dns_error = 150;
    o.temper.stream = static_cast<uint32_t>(random.below(1001));
    return o;
}

std::string describe(const WorldOptions& o) {
    const Faults& f = o.faults;
    return fmt::format(
        "seed {}: {} clients of {} cases, {} ahead; {} buffers of {}{}; connections {}, stream buffer {}, reload {}, "
        "upstream closes {}, drain after {}; late {} cut {} multishot {} cancel {} no buffers {} reset {} send {} "
        "accept "
        "{} connect {} socket {} dns {} pipes {}-{}; bad fates {}, leaves {}, slow {}",
        o.seed, o.client_count, o.cases_per_client, o.ahead_max, o.buffer_count, o.buffer_bytes,
        o.incremental_buffers ? " incremental" : "", o.connections_max, o.stream_buffer_bytes, o.reload,
        o.upstream_closes, static_cast<int64_t>(o.drain_after_turns), f.late, f.cut, f.end_multishot, f.cancel_races,
        f.no_buffers, f.reset, f.send_error, f.accept_error, f.connect_error, f.socket_error, f.dns_error,
        f.pipe_bytes_min, f.pipe_bytes_max, o.temper.bad_fate, o.temper.leaves, o.temper.slow);
}

void SimNames::resolve(std::string host, uint16_t port, Done done) {
    LOOM_ASSERT(host.ends_with(".sim"));
    questions_.push_back({port, std::move(done)});
}

bool SimNames::step() {
    if (questions_.empty() || random_.chance(500)) return false;
    auto questions = std::exchange(questions_, {});
    for (Question& question : questions) {
        if (random_.chance(faults_.dns_error)) {
            question.done(fail(Errc::unreachable, Side::upstream, "no such host name", 0, Retry::safe),
                          std::chrono::seconds(2));
            continue;
        }
        std::vector<net::Address> addresses;
        for (uint8_t last = 1; last <= 2; ++last) {
            const uint8_t ip[] = {198, 51, 100, last};
            addresses.push_back(net::Address::from_ip(ip, question.port));
        }
        question.done(std::move(addresses), std::chrono::seconds(random_.between(0, 30)));
    }
    return true;
}

World::World(const WorldOptions& options)
    : options_(options),
      random_(options.seed),
      network_(random_, options_.faults),
      shard_(0, {.buffer_count = options.buffer_count, .buffer_bytes = options.buffer_bytes}),
      names_(random_, options_.faults),
      provider_(*this, random_, options.upstream_closes),
      web_(*this, random_, options.upstream_closes) {
    auto ring = std::make_unique<NetworkRing>(shard_.buffers(), network_);
    ring_ = ring.get();
    shard_.open_on(std::move(ring), options.incremental_buffers);
    if (options.log) {
        log_fd_ = ::memfd_create("sim-log", MFD_CLOEXEC);
        auto log = observe::AccessLog::open({.path = fmt::format("/proc/self/fd/{}", log_fd_)});
        LOOM_ASSERT(log_fd_ >= 0 && log);
        log_ = std::move(*log);
    }
    network_.listen(provider_port, provider_);
    network_.listen(web_port, web_);
    services_ = std::make_unique<proxy::Services>(shard_, names_, metrics_.shard(0),
                                                  log_ != nullptr ? log_->shard(0) : nullptr, 1);
    services_->set_plan(make_plan());
    listener_ = std::make_unique<proxy::ProxyListener>(*services_, proxy::ListenerPlan{.name = "sim"},
                                                       NetworkRing::listener_fd);
    services_->on_room([this] { listener_->make_room(); });
    listener_->start();
}

World::~World() {
    if (log_fd_ >= 0) ::close(log_fd_);
}

std::shared_ptr<const proxy::Plan> World::make_plan() {
    auto plan = std::make_shared<proxy::Plan>();
    generation_ += 1;
    plan->generation = generation_;
    const auto idle_max = static_cast<uint32_t>(random_.between(0, 4));
    plan->providers.push_back(provider_plan(metrics_, random_.chance(700) ? "one" : "two", idle_max));
    plan->providers.push_back(provider_plan(metrics_, "echo", 0));
    plan->providers.back().kind = proxy::ProviderKind::echo;
    plan->providers.back().delay_ms = random_.below(3) * 10;
    plan->providers.back().token_interval_ms = random_.below(2) * 3;
    route::CatalogueOptions catalogue;
    catalogue.providers.push_back({.name = plan->providers[0].name,
                                   .label_ix = plan->providers[0].label_ix,
                                   .models = std::vector<std::string>{"m"}});
    catalogue.providers.push_back(
        {.name = "echo", .label_ix = plan->providers[1].label_ix, .models = std::vector<std::string>{"echo"}});
    plan->catalogue = *route::Catalogue::build(catalogue);
    plan->routes.push_back({.name = "ai", .auth = proxy::AuthType::none});
    plan->routes.push_back({.name = "plain", .ai = false, .auth = proxy::AuthType::none});
    plan->routes.back().upstream = plan->providers[0].endpoint;
    plan->routes.back().upstream.name = "web";
    plan->routes.back().upstream.host = "web.sim";
    plan->routes.back().upstream.port = web_port;
    plan->routes.back().upstream_static_lines = "host: web.sim\r\n";
    LOOM_ASSERT(plan->route_table.add("/v1/*", 0) && plan->route_table.add("/plain/*", 1));
    plan->limits.connections = options_.connections_max;
    plan->limits.stream_buffer_bytes = options_.stream_buffer_bytes;
    plan->limits.burst_bytes = options_.buffer_bytes * (net::Stream::burst_receives_max + 1);
    plan->limits.body_bytes = 1u << 20;
    plan->timeouts = plan->providers[0].timeouts;
    plan->client = {.head_ms = 10'000, .body_ms = 10'000, .idle_ms = 20'000, .write_ms = 10'000, .drain_ms = 30'000};
    if (random_.chance(200)) plan->routes[0].keepalive_ms = random_.between(50, 400);
    if (random_.chance(200)) plan->flush_interval_ms = random_.between(1, 20);
    return plan;
}

void World::draw_cases() {
    for (size_t i = 0; i < options_.client_count; ++i) {
        std::vector<Case*> mine;
        for (size_t k = 0; k < options_.cases_per_client; ++k) {
            cases_.push_back(std::make_unique<Case>(draw_case(random_, options_.temper, cases_.size())));
            mine.push_back(cases_.back().get());
        }
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
    return {.draining = draining_,
            .links_fail = options_.faults.breaks_links(),
            .closes_idle = options_.upstream_closes > 0};
}

uint64_t World::step_actors() {
    const uint64_t now_ns = ring_->now_ns();
    uint64_t next_ns = NetworkRing::never_ns;
    const JudgeContext now = context();
    for (const auto& client : clients_)
        if (random_.chance(900))
            next_ns = std::min(next_ns, client->step(now_ns, now));
        else
            next_ns = now_ns;
    next_ns = std::min({next_ns, provider_.step(now_ns), web_.step(now_ns)});
    if (names_.busy()) next_ns = now_ns;
    if (names_.step()) ring_->ring_mailbox();
    return next_ns;
}

void World::turn() {
    const uint64_t next_ns = step_actors();
    ring_->let_time_pass_until(next_ns <= ring_->now_ns() ? 0 : next_ns);
    shard_.tick();
    result_.turn_count += 1;
    if (random_.chance(options_.reload)) reload();
}

void World::reload() {
    shard_.mailbox().post([this] {
        if (services_ != nullptr) services_->set_plan(make_plan());
    });
    ring_->ring_mailbox();
}

void World::drain() {
    draining_ = true;
    listener_->stop();
    services_->begin_drain();
}

bool World::everyone_done() const {
    return std::ranges::all_of(clients_, [](const auto& client) { return client->done(); });
}

/// No wait is for ever: neither one that nothing can end, nor one that outlasts all timeouts.
void World::check_waits() {
    const uint64_t now_ns = ring_->now_ns();
    for (const auto& client : clients_) {
        const uint64_t since_ns = client->waits_since_ns();
        if (since_ns == 0 || now_ns - since_ns < longest_wait_ns || client->current() == nullptr) continue;
        if (client->current()->writing.ms > 0 || client->current()->reading.ms > 0) continue;
        complain(client->current()->id() + ": its client waits for ever");
        client->leave();
    }
}

/// What the configuration bounds, for each exchange that may be live.
void World::check_memory() {
    const proxy::Limits& limits = services_->plan().limits;
    // A buffer grows by doubling, and both the old and the new are there while it does.
    const uint64_t each = 3 * (uint64_t{limits.stream_buffer_bytes} + limits.burst_bytes) + 3 * limits.head_bytes +
                          connection_bytes + 256 * 1024;
    const uint64_t bound = (services_->client_count() + services_->exchange_count + 8) * each;
    if (shard_.blocks().live_bytes() > bound)
        complain(fmt::format("{} bytes of memory for {} clients and {} exchanges", shard_.blocks().live_bytes(),
                             services_->client_count(), services_->exchange_count));
}

WorldResult World::run() {
    if (clients_.empty()) draw_cases();
    while (!everyone_done() && result_.turn_count < turns_max && result_.complaints.size() < complaints_max) {
        turn();
        if (result_.turn_count == options_.drain_after_turns) drain();
        if (result_.turn_count % 64 == 0) check_waits();
        if (result_.turn_count % 16 == 0) check_memory();
    }
    if (result_.turn_count >= turns_max) complain("a run without an end");
    finish();
    return std::move(result_);
}

/// The clients have gone; what is left comes home, as at the end of a process.
void World::finish() {
    for (const auto& client : clients_) client->leave();
    if (!draining_) drain();
    const uint64_t until_ns = ring_->now_ns() + longest_wait_ns;
    while (!services_->drained() && ring_->now_ns() < until_ns) turn();
    services_->close_all();
    const auto home = [this] { return listener_->stopped() && services_->idle(); };
    while (!home() && ring_->now_ns() < 2 * longest_wait_ns + until_ns) turn();
    result_.completion_count = ring_->completion_count();
    if (!home()) {
        complain(fmt::format("{} clients and {} exchanges did not come home", services_->client_count(),
                             services_->exchange_count));
        for (const std::string& what : result_.complaints) fmt::print(stderr, "{}\n", what);
        std::abort();  // nothing of it can be taken down in order
    }
    turn();
    listener_.reset();
    services_.reset();
    turn();
    ring_->let_time_pass_until(NetworkRing::never_ns);
    shard_.close();
    if (ring_->open_count() != 0) complain(fmt::format("{} sockets left open", ring_->open_count()));
    if (shard_.buffers().leased_count() != 0) complain("buffers that were not given back");
    if (shard_.blocks().live_count() != 0) complain("blocks that were not given back");
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
    if (log_ == nullptr) return;
    log_.reset();  // writes what is left
    std::string text;
    text.resize(static_cast<size_t>(::lseek(log_fd_, 0, SEEK_END)));
    if (::pread(log_fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) complain("a log unread");
    const auto lines = static_cast<uint64_t>(std::ranges::count(text, '\n'));
    if (lines + metrics.connections_refused.value() != counted)
        complain(fmt::format("{} lines in the log, {} heads refused, {} requests counted", lines,
                             metrics.connections_refused.value(), counted));
    check_log(text);
}

/// Each exchange that was answered stands in the log once, with the status that its client saw; no exchange twice.
void World::check_log(const std::string& log) {
    constexpr std::string_view id_key = "\"request_id\":\"";
    constexpr std::string_view status_key = "\"status\":";
    std::vector<uint8_t> seen(cases_.size());
    std::string_view rest(log);
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        const size_t id_at = line.find(id_key);
        const size_t status_at = line.find(status_key);
        const Case* const c = id_at == line.npos ? nullptr : find(line.substr(id_at + id_key.size()));
        if (c == nullptr || status_at == line.npos) {
            complain("a line of the log that is of no case: " + std::string(line));
            continue;
        }
        int status = 0;
        std::from_chars(line.data() + status_at + status_key.size(), line.data() + line.size(), status);
        seen[c->number] += 1;
        result_.fingerprint =
            result_.fingerprint * 1'099'511'628'211 + c->number * 1'000 + static_cast<uint64_t>(status);
        if (seen[c->number] > 1) complain(c->id() + ": two lines in the log");
        if (c->seen_status != 0 && status != c->seen_status && status != 499)
            complain(fmt::format("{}: the client saw status {}, the log has {}", c->id(), c->seen_status, status));
    }
    for (const auto& c : cases_)
        if (c->seen_status != 0 && c->ask != Ask::bad_head && c->seen_status != 408 && seen[c->number] == 0)
            complain(fmt::format("{}: answered with {}, and not in the log", c->id(), c->seen_status));
}

}  // namespace loom::sim
