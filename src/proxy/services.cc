#include "loom/proxy/services.h"

#include <algorithm>
#include <bit>

#include "address_table.h"
#include "body_budget.h"
#include "cache_desk.h"
#include "client_connection.h"
#include "credentials.h"
#include "embed_desk.h"
#include "guard_desk.h"
#include "introspection_desk.h"
#include "loom/base/clock.h"
#include "loom/base/crypto.h"
#include "loom/http/head_writer.h"
#include "loom/observe/log.h"
#include "overload.h"
#include "token_desk.h"
#include "waiting_line.h"

namespace loom::proxy {
namespace {

constexpr uint64_t tls_fault_repeat_ms = 60 * 1000;  // the same line again
constexpr uint64_t flood_repeat_ms = 60 * 1000;

net::PeerAddress peer_of(io::Ring& ring, int fd) noexcept {
    net::Address address;
    const socklen_t length = ring.peer_name(fd, address.data(), net::Address::capacity());
    if (length == 0) return {};
    address.set_length(length);
    return net::PeerAddress::from(address);
}

observe::ConnectResult connect_result(Errc code) noexcept {
    switch (code) {
        case Errc::refused: return observe::ConnectResult::refused;
        case Errc::timed_out: return observe::ConnectResult::timed_out;
        case Errc::reset: return observe::ConnectResult::reset;
        case Errc::tls_failed: return observe::ConnectResult::tls_failed;
        case Errc::exhausted: return observe::ConnectResult::exhausted;
        default: return observe::ConnectResult::unreachable;
    }
}

}  // namespace

void PoolEntry::on_connected() noexcept { metrics.connect(label_ix, observe::ConnectResult::connected); }
void PoolEntry::on_stale() noexcept { metrics.connect(label_ix, observe::ConnectResult::stale); }
void PoolEntry::on_reused() noexcept { metrics.connect(label_ix, observe::ConnectResult::reused); }
void PoolEntry::on_connect_failed(Errc why) noexcept { metrics.connect(label_ix, connect_result(why)); }
void PoolEntry::on_level(int idle_delta, int busy_delta) noexcept {
    metrics.pool_idle(label_ix).add(idle_delta);
    metrics.pool_busy(label_ix).add(busy_delta);
}
void PoolEntry::on_tls_open(bool resumed, uint64_t duration_ns) noexcept {
    const auto result = resumed ? observe::TlsResult::resumed : observe::TlsResult::full;
    metrics.tls_handshake(observe::TlsSide::upstream, result, duration_ns / 1000);
}
void PoolEntry::on_tls_given_up() noexcept {
    metrics.tls_handshake(observe::TlsSide::upstream, observe::TlsResult::given_up);
}
/// Every request meets the same fault: it is said once, and again when it changes or a minute later.
void PoolEntry::on_tls_failed(std::string_view text, bool in_handshake) noexcept {
    if (in_handshake) metrics.tls_handshake(observe::TlsSide::upstream, observe::TlsResult::failed);
    const uint64_t now_ms = io::Shard::current().timers().now_ms();
    if (text == tls_fault && now_ms < tls_fault_ms + tls_fault_repeat_ms) return;
    tls_fault = text;
    tls_fault_ms = now_ms;
    observe::log_error("{}: {}", pool.options().name, text);
}

Services::Services(io::Shard& shard, net::NameService& names, observe::ShardMetrics& metrics, observe::ShardLogs logs,
                   uint32_t shard_count)
    : random(random_u64()),
      shard_(shard),
      names_(names),
      metrics_(metrics),
      logs_(logs),
      shard_count_(shard_count),
      clients_(std::make_unique<Clients>()),
      addresses_(std::make_unique<AddressTable>()),
      bodies_(std::make_unique<BodyBudget>(metrics)),
      line_(std::make_unique<WaitingLine>(shard.timers(), metrics)),
      overload_(std::make_unique<Overload>(shard.timers().now_ms())),
      tokens_(std::make_unique<TokenDesk>()),
      introspections_(std::make_unique<IntrospectionDesk>(shard, names, metrics)),
      guards_(std::make_unique<GuardDesk>(shard, names, metrics)),
      embeddings_(std::make_unique<EmbedDesk>(*this, names)),
      id_state_{random_u64(), random_u64() | 1} {
    metrics_.buffers_total.set(shard.buffers().count());
}

Services::~Services() {
    for (const auto& entry : pools_) LOOM_ASSERT(entry->pool.empty());
}

void Services::set_cache(CacheShards& shards) {
    cache_ = std::make_unique<CacheDesk>(shard_, metrics_, shards, shard_.index());
}

void Services::set_plan(std::shared_ptr<const Plan> plan) {
    auto use = std::make_unique<PlanUse>();
    use->plan = std::move(plan);
    for (const ProviderPlan& provider : use->plan->providers) {
        std::vector<PlanUse::InstanceUse>& instances = use->instances.emplace_back();
        const bool is_echo = provider.kind == ProviderKind::echo;
        for (const InstancePlan& one : provider.instances)
            instances.push_back(
                {.pool = is_echo ? nullptr : pool_for(one.endpoint, provider.label_ix), .signer = make_signer(one)});
    }
    for (const RoutePlan& route : use->plan->routes)
        use->route_pools.push_back(route.ai ? nullptr : pool_for(route.upstream, observe::other_slot));
    for (const size_t candidate_count : use->plan->catalogue.set_sizes()) use->turns.emplace_back(candidate_count);
    if (use->plan->tokenizers != nullptr && token_counter == nullptr)
        token_counter = std::make_unique<llm::TokenCounter>();
    tokens_->on_new_plan();
    introspections_->on_new_plan(*use->plan);
    embeddings_->on_new_plan(*use->plan);
    guards_->on_new_plan(*use->plan);
    if (cache_ != nullptr) cache_->on_new_plan(use->plan->cache.get());
    PlanUse* const before = std::exchange(current_, use.get());
    uses_.push_back(std::move(use));
    if (before != nullptr && before->exchanges == 0) retire(*before);
    bodies_->set_part(current_->plan->limits.bodies_bytes / shard_count_);
    const auto part_of = [this](uint32_t count) { return (count + shard_count_ - 1) / shard_count_; };
    line_->set_max(part_of(current_->plan->queue.max));
    OverloadPlan overload = current_->plan->overload;
    overload.exchanges = part_of(overload.exchanges);
    overload_->set_plan(overload);
    if (!draining_ && tell_room_) tell_room_();  // the limit may have been raised
    clients_->for_each([](ClientConnection& client) { client.on_new_plan(); });
}

PoolEntry* Services::pool_for(const upstream::EndpointOptions& options, uint16_t label_ix) {
    for (const auto& entry : pools_) {
        const upstream::EndpointOptions& have = entry->pool.options();
        const bool same = have.same_place(options) && entry->label_ix == label_ix &&
                          have.idle_max == options.idle_max && have.idle_timeout_ms == options.idle_timeout_ms &&
                          entry->plans > 0;
        if (!same) continue;
        entry->plans += 1;
        return entry.get();
    }
    auto tls = options.tls ? tls_for(options.terms) : nullptr;
    io::BufferPool* const buffers = options.tls ? &tls_buffers() : nullptr;
    pools_.push_back(std::make_unique<PoolEntry>(shard_, names_, metrics_, label_ix, options, std::move(tls), buffers));
    pools_.back()->plans = 1;
    return pools_.back().get();
}

io::BufferPool& Services::tls_buffers() {
    if (tls_buffers_ == nullptr) tls_buffers_ = std::make_unique<io::BufferPool>(tls_buffer_count, tls_buffer_bytes);
    return *tls_buffers_;
}

/// One context for all pools on the same terms: what one resumes, another with its host may.
std::shared_ptr<net::TlsContext> Services::tls_for(const upstream::TlsTerms& terms) {
    for (const auto& entry : pools_)
        if (entry->tls != nullptr && entry->pool.options().terms == terms) return entry->tls;
    net::TlsClientOptions options{.trust = terms.trust, .min_version = terms.min_version};
    if (terms.certificate != nullptr) options.certificate = *terms.certificate;
    auto context = net::TlsContext::client(options);
    LOOM_ASSERT(context);  // app has tried these terms; what is left is memory
    return std::move(*context);
}

void Services::set_jwt_keys(JwtKeySetsPtr keys) { tokens_->set_keys(std::move(keys)); }

const AccessToken* Services::access_token(uint64_t account) const noexcept {
    if (access_tokens_ == nullptr) return nullptr;
    for (const auto& token : *access_tokens_)
        if (token->account == account) return token.get();
    return nullptr;
}

void Services::leave_plan(PlanUse* use) noexcept {
    LOOM_ASSERT(use->exchanges > 0);
    use->exchanges -= 1;
    if (use->exchanges == 0 && use != current_) retire(*use);
}

void Services::retire(PlanUse& use) {
    const auto leave = [](PoolEntry* entry) {
        if (entry == nullptr) return;
        entry->plans -= 1;
        if (entry->plans == 0) entry->pool.retire();
    };
    for (const auto& instances : use.instances)
        for (const PlanUse::InstanceUse& one : instances) leave(one.pool);
    std::ranges::for_each(use.route_pools, leave);
    std::erase_if(uses_, [&use](const auto& one) { return one.get() == &use; });
    sweep_pools();
}

void Services::sweep_pools() {
    std::erase_if(pools_, [](const auto& entry) { return entry->plans == 0 && entry->pool.empty(); });
}

uint64_t Services::wall_now_us() noexcept {
    constexpr uint64_t believed_ns = 100'000'000;
    const uint64_t now_ns = shard_.now_ns();
    if (wall_base_us_ == 0 || now_ns - wall_base_ns_ >= believed_ns) {
        wall_base_us_ = shard_.ring().wall_us();
        wall_base_ns_ = now_ns;
    }
    return wall_base_us_ + (now_ns - wall_base_ns_) / 1000;
}

std::string_view Services::date() noexcept {
    const uint64_t second = wall_now_us() / 1'000'000;
    if (second != date_second_) {
        date_second_ = second;
        http::format_date(static_cast<int64_t>(second), date_text_.data());
    }
    return {date_text_.data(), date_text_.size()};
}

/// xoroshiro128+ (Blackman, Vigna), seeded by the kernel: ids must differ, they are no secrets.
std::array<char, 32> Services::new_request_id() noexcept {
    static constexpr char digits[] = "0123456789abcdef";
    std::array<char, 32> id;
    for (size_t half = 0; half < 2; ++half) {
        const uint64_t a = id_state_[0];
        uint64_t b = id_state_[1];
        uint64_t value = a + b;
        b ^= a;
        id_state_[0] = std::rotl(a, 24) ^ b ^ (b << 16);
        id_state_[1] = std::rotl(b, 37);
        for (size_t i = 0; i < 16; ++i, value >>= 4) id[half * 16 + i] = digits[value & 15];
    }
    return id;
}

void Services::add_client(ClientConnection& client) noexcept {
    clients_->push_back(client);
    if (client.is_nobody()) {
        (client.is_mirror() ? mirror_count : hedge_count) += 1;
        return;
    }
    client_count_ += 1;
    metrics_.connections_open.add();
    metrics_.connections_accepted.add();
}

void Services::remove_client(ClientConnection& client) noexcept {
    static_cast<ListLink<ClientTag>&>(client).unlink();
    if (client.is_nobody()) {
        (client.is_mirror() ? mirror_count : hedge_count) -= 1;
        return;
    }
    const ListenerPlan& listener = client.listener();
    const bool was_full = !has_room_for_client(listener);
    client_count_ -= 1;
    if (client.share() == AddressShare::counted) addresses_->give_back(client.peer());
    metrics_.connections_open.sub();
    if (was_full && has_room_for_client(listener) && !draining_ && tell_room_) tell_room_();
}

bool Services::has_room_for_client(const ListenerPlan& listener) const noexcept {
    if (listener.local) return client_count_ < admin_connections_max;
    return client_count_ < std::max<uint32_t>(1, plan().limits.connections / shard_count_);
}

std::optional<Arrival> Services::welcome(const ListenerPlan& listener, int fd) {
    const net::PeerAddress peer = peer_of(shard_.ring(), fd);
    AddressShare share = AddressShare::exceeded;
    if (peer.family == AF_UNSPEC)  // nobody is there any more, and nobody could be counted or logged
        metrics_.connections_gone.add();
    else
        share = take_share(listener, peer);
    if (share != AddressShare::exceeded) return Arrival{fd, peer, share};
    shard_.ring().close(fd);
    return std::nullopt;
}

void Services::dismiss(const Arrival& arrival) noexcept {
    if (arrival.share == AddressShare::counted) addresses_->give_back(arrival.peer);
    shard_.ring().close(arrival.fd);
}

AddressShare Services::take_share(const ListenerPlan& listener, const net::PeerAddress& peer) {
    const uint32_t limit = plan().limits.connections_per_address;
    const bool is_ip = peer.family == AF_INET || peer.family == AF_INET6;
    const auto holds_peer = [&peer](const net::Network& network) { return network.contains(peer); };
    if (limit == 0 || !is_ip || listener.local || std::ranges::any_of(plan().forwarded_trust, holds_peer))
        return AddressShare::free;
    const uint32_t part = limit / shard_count_ + (limit % shard_count_ > 0 ? 1 : 0);
    if (addresses_->take(peer, part)) return AddressShare::counted;
    metrics_.connections_over_address.add();
    tell_flood(peer, part);
    return AddressShare::exceeded;
}

/// A flood is not to flood the log as well: one address a minute is named, and all are counted.
void Services::tell_flood(const net::PeerAddress& peer, uint32_t connections) {
    const uint64_t now_ms = shard_.timers().now_ms();
    if (now_ms < flood_told_until_ms_) return;
    flood_told_until_ms_ = now_ms + flood_repeat_ms;
    observe::log_warn("{} has {} connections on shard {} and gets no more there (limit.connections_per_address)",
                      peer.to_address().ip_string(), connections, shard_.index());
}

void Services::note_turn(uint64_t turn_ns) noexcept {
    overload_->on_turn(turn_ns, shard_.timers().now_ms(),
                       {.exchanges = exchange_count - std::min(exchange_count, mirror_count + hedge_count),
                        .body_bytes = bodies_->held_bytes(),
                        .body_bytes_part = plan().limits.bodies_bytes / shard_count_});
    metrics_.overload_level.set(overload_->level());
}

bool Services::sheds(uint8_t priority) noexcept { return overload_->sheds(priority, shard_.timers().now_ms(), random); }

void Services::begin_drain() {
    if (std::exchange(draining_, true)) return;
    line_->close();
    clients_->for_each([](ClientConnection& client) { client.drain(); });
    shard_.timers().arm(drain_limit_, plan().client.drain_ms);
}

void Services::on_drain_limit(io::Timer& timer) noexcept {
    Services& services = static_cast<DrainLimit&>(timer).services;
    services.close_all();
}

void Services::close_all() noexcept {
    clients_->for_each([](ClientConnection& client) { client.force_close(); });
}

bool Services::idle() const noexcept {
    if (client_count_ > 0 || mirror_count > 0 || hedge_count > 0 || exchange_count > 0) return false;
    for (const auto& entry : pools_) {
        entry->pool.retire();
        if (!entry->pool.empty()) return false;
    }
    introspections_->close();
    embeddings_->close();
    guards_->close();
    return introspections_->idle() && embeddings_->idle() && guards_->idle();
}

}  // namespace loom::proxy
