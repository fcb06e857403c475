#include "sim_proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "loom/admin/api.h"
#include "tls_end.h"

namespace loom::sim {
namespace {

proxy::ProviderPlan provider_plan(observe::Metrics& metrics, std::string name, uint32_t idle_max, bool tls) {
    proxy::ProviderPlan plan;
    plan.label_ix = metrics.provider(name);
    plan.instances[0].endpoint.name = name;
    plan.instances[0].endpoint.host = name + ".sim";
    plan.instances[0].endpoint.port = SimProxy::provider_port;
    plan.instances[0].endpoint.idle_max = idle_max;
    plan.instances[0].endpoint.tls = tls;
    if (tls) plan.instances[0].endpoint.terms.trust = TlsIdentity::get().trust;
    plan.type = llm::find_provider_type("openai");
    plan.instances[0].base_path = "/v1";
    plan.instances[0].static_lines = "host: provider.sim\r\n";
    plan.timeouts = {.connect_ms = 5'000,
                     .response_header_ms = 10'000,
                     .first_token_ms = 10'000,
                     .inter_event_ms = 10'000,
                     .total_ms = 60'000};
    plan.name = std::move(name);
    return plan;
}

/// Without what is of the real process (its memory, its processor time): two runs of a seed get the same page.
proxy::LocalHandler of_this_world(proxy::LocalHandler api) {
    return [api = std::move(api)](const proxy::LocalRequest& request) {
        proxy::LocalAnswer answer = api(request);
        const size_t at = answer.body.find("# HELP process_");
        if (at != answer.body.npos) answer.body.resize(at);
        return answer;
    };
}

}  // namespace

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

SimProxy::SimProxy(Network& network, const SimProxyOptions& options, observe::Metrics& metrics,
                   observe::ShardAccessLog* log)
    : options_(options),
      random_(network.random()),
      metrics_(metrics),
      shard_(0, {.buffer_count = options.buffer_count, .buffer_bytes = options.buffer_bytes}),
      names_(random_, network.faults()) {
    auto ring = std::make_unique<NetworkRing>(shard_.buffers(), network);
    ring_ = ring.get();
    shard_.open_on(std::move(ring), options.incremental_buffers);
    services_ =
        std::make_unique<proxy::Services>(shard_, names_, metrics_.shard(0), observe::ShardLogs{.access = log}, 1);
    services_->random = route::Random(1);  // two runs of a seed choose alike
    services_->set_plan(make_plan());
    proxy::ListenerPlan listener{.name = "sim"};
    if (options.tls_clients) {
        auto context = net::TlsContext::server({.certificates = {TlsIdentity::get().host}});
        LOOM_ASSERT(context);
        listener.tls = std::move(*context);
    }
    listener_ = std::make_unique<proxy::ProxyListener>(*services_, std::move(listener), NetworkRing::listener_fd);
    services_->on_room([this] { listener_->make_room(); });
    listener_->start();
    open_admin();
}

void SimProxy::open_admin() {
    admin_services_ = std::make_unique<proxy::Services>(shard_, names_, metrics_.admin(), observe::ShardLogs{}, 1);
    admin_services_->set_plan(make_plan());
    admin::ApiOptions api{.health_path = "/healthz", .metrics = &metrics_};
    api.facts = [this] { return observe::ProcessFacts{.now_us = ring_->now_ns() / 1000}; };
    api.ready = [this] { return !draining_; };
    api.plan = [this] { return admin_services_->shared_plan(); };
    admin_listener_ = std::make_unique<proxy::ProxyListener>(
        *admin_services_, proxy::ListenerPlan{.name = "admin", .local = of_this_world(admin::make_api(std::move(api)))},
        NetworkRing::admin_listener_fd);
    admin_services_->on_room([this] { admin_listener_->make_room(); });
    admin_listener_->start();
}

std::shared_ptr<const proxy::Plan> SimProxy::make_plan() {
    auto plan = std::make_shared<proxy::Plan>();
    generation_ += 1;
    plan->generation = generation_;
    const auto idle_max = static_cast<uint32_t>(random_.between(0, 4));
    plan->providers.push_back(
        provider_plan(metrics_, random_.chance(700) ? "one" : "two", idle_max, options_.tls_upstreams));
    plan->providers.push_back(provider_plan(metrics_, "echo", 0, false));
    plan->providers.back().kind = proxy::ProviderKind::echo;
    plan->providers.back().type = llm::find_provider_type("echo");
    plan->providers.back().delay_ms = random_.below(3) * 10;
    plan->providers.back().token_interval_ms = random_.below(2) * 3;
    route::CatalogueOptions catalogue;
    catalogue.providers.push_back({.name = plan->providers[0].name,
                                   .label_ix = plan->providers[0].label_ix,
                                   .models = std::vector<std::string>{"m"}});
    catalogue.providers.push_back(
        {.name = "echo", .label_ix = plan->providers[1].label_ix, .models = std::vector<std::string>{"echo"}});
    if (options_.fails_over) add_failover(*plan, catalogue);
    plan->catalogue = *route::Catalogue::build(catalogue);
    plan->routes.push_back({.name = "ai", .auth = proxy::AuthType::none});
    plan->routes.push_back({.name = "plain", .ai = false, .auth = proxy::AuthType::none});
    plan->routes.back().upstream = plan->providers[0].instances[0].endpoint;
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
    if (options_.keepalive_ms > 0) plan->routes[0].keepalive_ms = options_.keepalive_ms;
    if (random_.chance(200)) plan->flush_interval_ms = random_.between(1, 20);
    if (options_.limits_clients) add_limits(*plan);
    return plan;
}

/// Of all, of each route, and of the one consumer that clients without keys are. Whoever goes, however, must give back
/// what was taken: plans come and go, the rows stay.
void SimProxy::add_limits(proxy::Plan& plan) {
    constexpr uint64_t wide = tenant::WindowTerms::limit_max;
    auto limits = std::make_shared<proxy::RateLimitPlan>();
    const auto make = [&](LimitScope scope, const std::string& name) {
        tenant::Limit& limit = limits->limits.emplace_back();
        limit.scope = scope;
        limit.name = name;
        limit.terms = {.requests = tenant::WindowTerms::of(wide, 1'000),
                       .tokens = tenant::WindowTerms::of(wide, 60'000),
                       .requests_window_ms = 1'000,
                       .concurrent_max = 1'000'000};
        limit.requests = limits_.window(name + ":requests", limit.terms.requests, 0);
        limit.tokens = limits_.window(name + ":tokens", limit.terms.tokens, 0);
        limit.level = limits_.level(name);
        if (std::ranges::find(limit_levels_, limit.level) == limit_levels_.end()) limit_levels_.push_back(limit.level);
        return &limit;
    };
    limits->global = make(LimitScope::global, "all");
    limits->consumers = {make(LimitScope::consumer, "anonymous")};
    limits->teams = {nullptr};
    limits->habits = {limits_.habit("anonymous")};
    for (const proxy::RoutePlan& route : plan.routes) limits->routes.push_back(make(LimitScope::route, route.name));
    limits->models["m"].limit = make(LimitScope::model, "m");
    plan.rate_limits = std::move(limits);
}

/// With a breaker that opens soon, and a plan's own mind about the rest.
void SimProxy::add_failover(proxy::Plan& plan, route::CatalogueOptions& catalogue) {
    plan.providers.push_back(provider_plan(metrics_, "spare", 2, options_.tls_upstreams));
    plan.providers.back().instances[0].endpoint.host = "web.sim";  // a name that the certificate has
    for (const size_t ix : {size_t{0}, size_t{2}})
        plan.providers[ix].state = targets_.row(plan.providers[ix].name, true);
    catalogue.providers[0].state = plan.providers[0].state;
    catalogue.providers.push_back({.name = "spare",
                                   .label_ix = plan.providers[2].label_ix,
                                   .models = std::vector<std::string>{"m"},
                                   .state = plan.providers[2].state});
    static constexpr route::Strategy strategies[] = {route::Strategy::priority, route::Strategy::round_robin,
                                                     route::Strategy::least_connections, route::Strategy::latency};
    catalogue.strategy = strategies[random_.below(4)];
    if (random_.chance(300)) catalogue.fallback = "spare";
    catalogue.model_state = [this](const route::ProviderOptions& provider, std::string_view model) {
        return targets_.row(provider.name + "/" + std::string(model), true);
    };
    plan.tells_routing = true;
    plan.choice.breaker = {.failure_threshold = static_cast<uint32_t>(random_.below(4)),
                           .success_threshold = static_cast<uint32_t>(random_.between(1, 2)),
                           .timeout_ms = random_.between(1, 5'000),
                           .restore_ms = random_.below(2'000)};
    plan.failover = {.enabled = true,
                     .retry_sent = random_.chance(700),
                     .max_retries = static_cast<uint32_t>(random_.below(4)),
                     .budget_share = static_cast<uint32_t>(random_.below(1'000)),
                     .timeout_ms = random_.chance(300) ? random_.between(6'000, 9'000) : 0,
                     .retry_codes = {429, 500, 502, 503, 504},
                     .backoff = {.first_ms = random_.below(100)}};
    if (options_.holds) {
        plan.failover.hold_tokens = static_cast<uint32_t>(random_.between(1, 300));
        plan.failover.hold_ms = random_.chance(500) ? random_.between(1, 2'000) : 0;
    }
    if (!options_.hedges) return;
    proxy::HedgePlan hedge{.after_ms = random_.between(1, 400),
                           .budget_share = static_cast<uint32_t>(random_.between(100, 1'000)),
                           .in_flight_max = static_cast<uint32_t>(random_.between(1, 8))};
    if (random_.chance(200)) {
        hedge.after_ms = 0;
        hedge.percentile = static_cast<uint32_t>(random_.between(10, 95));
    }
    plan.hedge = std::make_shared<proxy::HedgePlan>(hedge);
}

void SimProxy::turn(uint64_t actors_next_ns) {
    if (names_.busy()) actors_next_ns = 0;
    if (names_.step()) ring_->ring_mailbox();
    ring_->let_time_pass_until(actors_next_ns <= ring_->now_ns() ? 0 : actors_next_ns);
    shard_.tick();
}

void SimProxy::reload() {
    shard_.mailbox().post([this] {
        if (services_ != nullptr) services_->set_plan(make_plan());
    });
    ring_->ring_mailbox();
}

void SimProxy::drain() {
    draining_ = true;
    listener_->stop();
    services_->begin_drain();
}

std::string SimProxy::close() {
    turn(0);
    int64_t under_way = 0;
    for (const proxy::ProviderPlan& provider : services_->plan().providers)
        if (provider.state != nullptr) under_way += std::abs(provider.state->in_flight.load());
    listener_.reset();
    services_.reset();
    admin_listener_.reset();
    admin_services_.reset();
    turn(0);
    ring_->let_time_pass_until(NetworkRing::never_ns);
    shard_.close();
    std::string left;
    const auto note = [&left](uint64_t count, const char* what) {
        if (count > 0) left += fmt::format("{} {} did not come home. ", count, what);
    };
    note(ring_->open_count(), "sockets");
    note(shard_.buffers().leased_count(), "buffers");
    note(shard_.blocks().live_count(), "blocks");
    note(static_cast<uint64_t>(under_way), "attempts of providers");
    for (const auto& level : limit_levels_) note(level->concurrent.load(), "places of a client's limit");
    return left;
}

}  // namespace loom::sim
