#include "loom/observe/metrics.h"

#include <gtest/gtest.h>
#include <time.h>
#include <unistd.h>

#include <cmath>
#include <thread>

#include "process_stat.h"
#include "prometheus_parser.h"

namespace loom::observe {
namespace {

constexpr uint64_t minute_us = 60'000'000;

Exposed exposed(Metrics& metrics, const ProcessFacts& facts = {.now_us = minute_us}) {
    const std::string text = metrics.expose(facts);
    Exposed out = parse_exposition(text);
    EXPECT_EQ(out.mistakes, std::vector<std::string>{}) << text;
    return out;
}

TEST(Exposition, IsWellFormedBeforeAnythingHappened) {
    Metrics metrics(2, "0.1.0");
    const Exposed e = exposed(metrics);
    EXPECT_EQ(e.at("loom_build_info{version=\"0.1.0\"}"), 1);
    EXPECT_EQ(e.at("loom_shards"), 2);
    EXPECT_EQ(e.at("loom_connections_open"), 0);
    EXPECT_EQ(e.at("loom_overhead_seconds_count{stage=\"total\"}"), 0);
}

TEST(Exposition, TellsOfAccessTokensWhereThereAreAny) {
    Metrics metrics(1);
    EXPECT_EQ(metrics.expose({}).find("access_token"), std::string::npos);
    const Exposed e =
        exposed(metrics, {.access_tokens = {{.provider = "v", .renewals = 3, .failures = 1, .expires_s = 7}}});
    EXPECT_EQ(e.at("loom_access_token_renewals_total{provider=\"v\",result=\"success\"}"), 3);
    EXPECT_EQ(e.at("loom_access_token_renewals_total{provider=\"v\",result=\"error\"}"), 1);
    EXPECT_EQ(e.at("loom_access_token_expiry_timestamp_seconds{provider=\"v\"}"), 7);
}

TEST(Exposition, TellsOfTheSharedStoreWhereThereIsOne) {
    Metrics metrics(1);
    EXPECT_EQ(metrics.expose({}).find("shared_store"), std::string::npos);
    const Exposed e = exposed(metrics, {.shared_store = SharedStoreFacts{.up = true,
                                                                         .answers = 9,
                                                                         .refusals = 2,
                                                                         .failures = 3,
                                                                         .connections = 4,
                                                                         .rows_shipped = 5,
                                                                         .rows_fetched = 6,
                                                                         .looms = 7}});
    EXPECT_EQ(e.at("loom_shared_store_up"), 1);
    EXPECT_EQ(e.at("loom_shared_store_round_trips_total"), 9);
    EXPECT_EQ(e.at("loom_shared_store_refusals_total"), 2);
    EXPECT_EQ(e.at("loom_shared_store_failures_total"), 3);
    EXPECT_EQ(e.at("loom_shared_store_connections_total"), 4);
    EXPECT_EQ(e.at("loom_shared_store_rows_total{direction=\"shipped\"}"), 5);
    EXPECT_EQ(e.at("loom_shared_store_rows_total{direction=\"fetched\"}"), 6);
    EXPECT_EQ(e.at("loom_shared_store_looms"), 7);
}

TEST(Exposition, HasTheDocumentsNamesAndTypes) {
    Metrics metrics(1);
    const Exposed e = exposed(metrics);
    const std::map<std::string, std::string> promised = {{"loom_ai_requests_total", "counter"},
                                                         {"loom_ai_request_duration_seconds", "histogram"},
                                                         {"loom_ai_duration_seconds", "histogram"},
                                                         {"loom_ai_tokens_total", "counter"},
                                                         {"loom_ai_time_to_first_token_seconds", "histogram"},
                                                         {"loom_ai_provider_latency_seconds", "summary"},
                                                         {"loom_http_requests_total", "counter"},
                                                         {"loom_overhead_seconds", "histogram"},
                                                         {"loom_connections_open", "gauge"},
                                                         {"loom_streams_open", "gauge"},
                                                         {"loom_upstream_pool", "gauge"},
                                                         {"loom_upstream_connections_total", "counter"},
                                                         {"loom_buffers_leased", "gauge"},
                                                         {"loom_ring_cq_overflows_total", "counter"},
                                                         {"loom_access_log_dropped_total", "counter"},
                                                         {"process_resident_memory_bytes", "gauge"},
                                                         {"process_start_time_seconds", "gauge"}};
    for (const auto& [name, type] : promised) {
        ASSERT_TRUE(e.types.contains(name)) << name;
        EXPECT_EQ(e.types.at(name), type) << name;
    }
}

TEST(Exposition, TellsWhenCertificatesEndAndHowOftenTheyWereRenewed) {
    Metrics metrics(1);
    const std::string renewals = "loom_tls_certificate_renewals_total";
    const std::string expiry = "loom_tls_certificate_expiry_timestamp_seconds";
    const Exposed none = exposed(metrics);
    EXPECT_EQ(none.at(renewals + "{result=\"success\"}"), 0);
    EXPECT_FALSE(none.types.contains(expiry));
    const Exposed some = exposed(metrics, {.now_us = minute_us,
                                           .tls_renewals = 3,
                                           .tls_renewal_failures = 2,
                                           .certificates = {{"listener.https", "/etc/a \"b\".crt", 1'795'000'000},
                                                            {"provider.openai", "/etc/own.crt", -1}}});
    EXPECT_EQ(some.types.at(renewals), "counter");
    EXPECT_EQ(some.at(renewals + "{result=\"success\"}"), 3);
    EXPECT_EQ(some.at(renewals + "{result=\"error\"}"), 2);
    EXPECT_EQ(some.types.at(expiry), "gauge");
    EXPECT_EQ(some.at(expiry + "{owner=\"listener.https\",certificate=\"/etc/a \"b\".crt\"}"), 1'795'000'000);
    EXPECT_EQ(some.at(expiry + "{owner=\"provider.openai\",certificate=\"/etc/own.crt\"}"), -1);
}

TEST(Exposition, TellsOfFailoversAndHowProvidersDo) {
    Metrics metrics(2);
    const uint16_t openai = metrics.provider("openai"), azure = metrics.provider("azure");
    metrics.shard(0).failover(openai, azure, FailoverReason::rate_limit);
    metrics.shard(1).failover(openai, azure, FailoverReason::rate_limit);
    metrics.shard(1).failover(azure, openai, FailoverReason::untranslatable);
    metrics.shard(1).retries_sent.add(3);
    const Exposed e = exposed(metrics, {.now_us = minute_us,
                                        .providers = {{.provider = "openai", .healthy = false, .breaker = 2},
                                                      {.provider = "azure", .breaker = 1, .open_models = 4}}});
    EXPECT_EQ(e.at(R"(loom_ai_failovers_total{from="openai",to="azure",reason="rate_limit"})"), 2);
    EXPECT_EQ(e.at(R"(loom_ai_failovers_total{from="azure",to="openai",reason="untranslatable"})"), 1);
    EXPECT_EQ(e.at(R"(loom_ai_retries_total{kind="sent"})"), 3);
    EXPECT_EQ(e.at(R"(loom_ai_retries_total{kind="refused"})"), 0);
    EXPECT_EQ(e.at(R"(loom_ai_provider_health{provider="openai"})"), 0);
    EXPECT_EQ(e.at(R"(loom_ai_provider_health{provider="azure"})"), 1);
    EXPECT_EQ(e.at(R"(loom_ai_provider_breaker_state{provider="openai"})"), 2);
    EXPECT_EQ(e.at(R"(loom_ai_provider_models_open{provider="azure"})"), 4);
}

TEST(Exposition, WhomNobodyWatchesIsNotUnwell) {
    Metrics metrics(1);
    const Exposed e = exposed(metrics, {.now_us = minute_us, .providers = {{.provider = "openai", .known = false}}});
    EXPECT_EQ(e.at(R"(loom_ai_provider_health{provider="openai"})"), 1);
    EXPECT_FALSE(e.types.contains("loom_ai_provider_breaker_state"));
}

TEST(Exposition, TellsWhatStickinessIsWorth) {
    Metrics metrics(2);
    const uint16_t openai = metrics.provider("openai");
    EXPECT_EQ(exposed(metrics).types.at("loom_ai_sticky_requests_total"), "counter");
    metrics.shard(0).sticky(openai, Stickiness::kept, {.input = 100, .cached = 90});
    metrics.shard(1).sticky(openai, Stickiness::kept, {.input = 50, .cached = 30});
    metrics.shard(1).sticky(openai, Stickiness::moved, {.input = 7});
    const Exposed e = exposed(metrics);
    EXPECT_EQ(e.at(R"(loom_ai_sticky_requests_total{provider="openai",outcome="kept"})"), 2);
    EXPECT_EQ(e.at(R"(loom_ai_sticky_requests_total{provider="openai",outcome="moved"})"), 1);
    EXPECT_EQ(e.at(R"(loom_ai_sticky_tokens_total{provider="openai",outcome="kept",type="input"})"), 150);
    EXPECT_EQ(e.at(R"(loom_ai_sticky_tokens_total{provider="openai",outcome="kept",type="cached"})"), 120);
    EXPECT_EQ(e.at(R"(loom_ai_sticky_tokens_total{provider="openai",outcome="moved",type="cached"})"), 0);
    const ProviderTotals totals = metrics.provider_totals(openai);
    EXPECT_EQ(totals.sticky[0].requests, 2u);
    EXPECT_EQ(totals.sticky[0].tokens_cached, 120u);
    EXPECT_EQ(totals.sticky[1].tokens_input, 7u);
}

TEST(Exposition, TellsOfExperimentsArms) {
    Metrics metrics(2);
    EXPECT_FALSE(exposed(metrics).types.contains("loom_ai_experiment_requests_total"));
    const uint16_t control = metrics.arm("canary", "control"), arm = metrics.arm("canary", "new");
    EXPECT_EQ(metrics.arm("canary", "new"), arm) << "over a reload";
    EXPECT_NE(control, arm);
    metrics.shard(0).arm_done(arm, Outcome::success, 20'000, {.input = 5, .output = 7});
    metrics.shard(1).arm_done(arm, Outcome::error, 20'000, {});
    const Exposed e = exposed(metrics);
    EXPECT_EQ(e.at(R"(loom_ai_experiment_requests_total{experiment="canary",arm="new",status="success"})"), 1);
    EXPECT_EQ(e.at(R"(loom_ai_experiment_requests_total{experiment="canary",arm="new",status="error"})"), 1);
    EXPECT_EQ(e.at(R"(loom_ai_experiment_requests_total{experiment="canary",arm="control",status="success"})"), 0);
    EXPECT_EQ(e.at(R"(loom_ai_experiment_tokens_total{experiment="canary",arm="new",type="output"})"), 7);
    EXPECT_EQ(e.at(R"(loom_ai_experiment_duration_seconds_count{experiment="canary",arm="new"})"), 2);
    for (int n = 0; n < 100; ++n) EXPECT_LT(metrics.arm("many", std::to_string(n)), arm_slots_max);
    EXPECT_EQ(metrics.arm("many", "one more"), other_slot);
}

TEST(Exposition, TellsWhatTeamsAndTenantsTake) {
    Metrics metrics(2);
    EXPECT_FALSE(exposed(metrics).types.contains("loom_ai_team_tokens_total"));
    EXPECT_FALSE(exposed(metrics).types.contains("loom_ai_tenant_cost_total"));
    const OwnerSlots mine{.team = metrics.team("search"), .tenant = metrics.tenant("acme")};
    const OwnerSlots teamless{.tenant = mine.tenant};
    EXPECT_EQ(metrics.team("search"), mine.team) << "over a reload";
    metrics.shard(0).owner_tokens(mine, {.input = 5, .output = 7, .cached = 2, .reasoning = 3});
    metrics.shard(1).owner_tokens(mine, {.input = 5});
    metrics.shard(1).owner_tokens(teamless, {.input = 100});
    metrics.shard(1).owner_tokens({}, {.input = 1'000});
    metrics.shard(0).owner_cost(mine, 1'500'000'000'000);
    metrics.shard(1).owner_cost(mine, 1);
    metrics.shard(1).owner_cost({}, 1);
    const Exposed e = exposed(metrics);
    EXPECT_EQ(e.types.at("loom_ai_team_tokens_total"), "counter");
    EXPECT_EQ(e.at(R"(loom_ai_team_tokens_total{team="search",type="input"})"), 10);
    EXPECT_EQ(e.at(R"(loom_ai_team_tokens_total{team="search",type="output"})"), 7);
    EXPECT_EQ(e.at(R"(loom_ai_team_tokens_total{team="search",type="cached"})"), 2);
    EXPECT_EQ(e.at(R"(loom_ai_team_tokens_total{team="search",type="reasoning"})"), 3);
    EXPECT_DOUBLE_EQ(e.at(R"(loom_ai_team_cost_total{team="search"})"), 1.500000000001);
    EXPECT_EQ(e.at(R"(loom_ai_tenant_tokens_total{tenant="acme",type="input"})"), 110);
    EXPECT_FALSE(e.samples.contains(R"(loom_ai_team_tokens_total{team="other",type="input"})"));
}

TEST(Exposition, TeamsBeyondTheBoundAreOthers) {
    Metrics metrics(1);
    for (int n = 0; n + 1 < owner_slots_max; ++n) EXPECT_NE(metrics.team("team-" + std::to_string(n)), other_slot);
    EXPECT_EQ(metrics.team("one more"), other_slot);
    EXPECT_EQ(metrics.team(std::string(owner_name_bytes_max + 1, 'x')), other_slot);
    EXPECT_EQ(metrics.team("team-0"), 1) << "who was there stays";
    EXPECT_NE(metrics.tenant("one more"), other_slot) << "tenants have slots of their own";
    metrics.shard(0).owner_tokens({.team = other_slot}, {.input = 9});
    EXPECT_EQ(exposed(metrics).at(R"(loom_ai_team_tokens_total{team="other",type="input"})"), 9);
    const std::string text = metrics.expose({.now_us = minute_us});
    EXPECT_LT(text.size(), Metrics::exposition_bytes_max(1, 1, 0, owner_slots_max));
}

TEST(Totals, AddUpTheShards) {
    Metrics metrics(2);
    const uint16_t openai = metrics.provider("openai"), azure = metrics.provider("azure");
    for (uint32_t shard = 0; shard < 2; ++shard) {
        metrics.shard(shard).request_done(openai, other_slot, Outcome::success, 10);
        metrics.shard(shard).request_done(openai, metrics.model("gpt-4o"), Outcome::error, 10);
        metrics.shard(shard).tokens(openai, {.input = 5, .output = 7, .cached = 1});
        metrics.shard(shard).provider_latency(openai, shard == 0 ? 1'000 : 3'000);
        metrics.shard(shard).retry(openai);
    }
    metrics.shard(1).failover(openai, azure, FailoverReason::tls);
    const ProviderTotals totals = metrics.provider_totals(openai);
    EXPECT_EQ(totals.successes, 2u);
    EXPECT_EQ(totals.errors, 2u);
    EXPECT_EQ(totals.retries, 2u);
    EXPECT_EQ(totals.tokens_input, 10u);
    EXPECT_EQ(totals.tokens_output, 14u);
    EXPECT_EQ(totals.tokens_cached, 2u);
    EXPECT_EQ(totals.answers, 2u);
    EXPECT_DOUBLE_EQ(totals.latency_mean_us, 2'000);
    EXPECT_NEAR(totals.latency_p99_us, 3'000, 200);
    EXPECT_EQ(totals.failovers_from, 1u);
    EXPECT_EQ(metrics.provider_totals(azure).failovers_to, 1u);
}

TEST(Exposition, AddsUpTheShards) {
    Metrics metrics(2);
    const uint16_t openai = metrics.provider("openai"), gpt = metrics.model("gpt-4");
    for (uint32_t shard = 0; shard < 2; ++shard) {
        ShardMetrics& m = metrics.shard(shard);
        m.request_done(openai, gpt, Outcome::success, 20'000);
        m.request_done(openai, gpt, Outcome::error, 400'000'000);
        m.tokens(openai, {.input = 10, .output = 5, .cached = 4, .reasoning = 2});
        m.first_token(openai, 250'000);
        m.http_request(200);
        m.http_request(499);
        m.connections_open.add(3);
        m.connections_open.sub();
        m.pool_idle(openai).add(4);
        m.connect(openai, ConnectResult::reused);
        m.overhead(Stage::total, 4'000);
        m.body_in_bytes.add(300);
    }
    metrics.shard(1).retry(openai);
    const Exposed e = exposed(metrics, {.now_us = minute_us, .access_log = {.dropped = 7}});
    EXPECT_EQ(e.at("loom_ai_requests_total{provider=\"openai\",model=\"gpt-4\",status=\"success\"}"), 2);
    EXPECT_EQ(e.at("loom_ai_requests_total{provider=\"openai\",model=\"gpt-4\",status=\"error\"}"), 2);
    EXPECT_EQ(e.at("loom_ai_request_duration_seconds_bucket{provider=\"openai\",model=\"gpt-4\",le=\"0.025\"}"), 2);
    EXPECT_EQ(e.at("loom_ai_request_duration_seconds_bucket{provider=\"openai\",model=\"gpt-4\",le=\"300\"}"), 2);
    EXPECT_EQ(e.at("loom_ai_request_duration_seconds_count{provider=\"openai\",model=\"gpt-4\"}"), 4);
    EXPECT_DOUBLE_EQ(e.at("loom_ai_request_duration_seconds_sum{provider=\"openai\",model=\"gpt-4\"}"), 800.04);
    EXPECT_EQ(e.at("loom_ai_duration_seconds_count{provider=\"openai\"}"), 4);
    EXPECT_EQ(e.at("loom_ai_tokens_total{provider=\"openai\",type=\"input\"}"), 20);
    EXPECT_EQ(e.at("loom_ai_tokens_total{provider=\"openai\",type=\"output\"}"), 10);
    EXPECT_EQ(e.at("loom_ai_tokens_total{provider=\"openai\",type=\"cached\"}"), 8);
    EXPECT_EQ(e.at("loom_ai_tokens_total{provider=\"openai\",type=\"reasoning\"}"), 4);
    EXPECT_EQ(e.at("loom_ai_time_to_first_token_seconds_bucket{provider=\"openai\",le=\"0.25\"}"), 2)
        << "a bound is inclusive";
    EXPECT_EQ(e.at("loom_http_requests_total{code=\"200\"}"), 2);
    EXPECT_EQ(e.at("loom_http_requests_total{code=\"499\"}"), 2);
    EXPECT_EQ(e.at("loom_connections_open"), 4);
    EXPECT_EQ(e.at("loom_upstream_pool{provider=\"openai\",state=\"idle\"}"), 8);
    EXPECT_EQ(e.at("loom_upstream_connections_total{provider=\"openai\",result=\"reused\"}"), 2);
    EXPECT_EQ(e.at("loom_upstream_retries_total{provider=\"openai\"}"), 1);
    EXPECT_EQ(e.at("loom_overhead_seconds_bucket{stage=\"total\",le=\"5e-06\"}"), 2);
    EXPECT_EQ(e.at("loom_http_body_bytes_total{direction=\"in\"}"), 600);
    EXPECT_EQ(e.at("loom_access_log_dropped_total"), 7);
}

TEST(Exposition, ShowsDeclaredPairsFromTheStart) {
    Metrics metrics(1);
    const uint16_t p = metrics.provider("openai");
    metrics.declare(p, metrics.model("gpt-4"));
    (void)metrics.model("undeclared");
    const Exposed e = exposed(metrics);
    EXPECT_EQ(e.at("loom_ai_requests_total{provider=\"openai\",model=\"gpt-4\",status=\"success\"}"), 0);
    EXPECT_FALSE(e.has("loom_ai_requests_total{provider=\"openai\",model=\"undeclared\",status=\"success\"}"));
}

TEST(Exposition, EscapesLabels) {
    Metrics metrics(1);
    const uint16_t p = metrics.provider("p"), m = metrics.model("a\\b\"c\nd{}, e=ü");
    metrics.shard(0).request_done(p, m, Outcome::success, 1);
    EXPECT_EQ(
        exposed(metrics).at("loom_ai_requests_total{provider=\"p\",model=\"a\\b\"c\nd{}, e=ü\",status=\"success\"}"),
        1);
}

TEST(Exposition, TellsQuantilesOfTheRecentPast) {
    Metrics metrics(1);
    const uint16_t p = metrics.provider("p");
    ShardMetrics& shard = metrics.shard(0);
    const std::string p99 = "loom_ai_provider_latency_seconds{provider=\"p\",quantile=\"0.99\"}";
    EXPECT_TRUE(std::isnan(exposed(metrics).at(p99)));
    for (int i = 0; i < 100; ++i) shard.provider_latency(p, 1'000'000);
    EXPECT_NEAR(exposed(metrics).at(p99), 1.0, 1.0 / 16);
    (void)exposed(metrics, {.now_us = 7 * minute_us});
    for (int i = 0; i < 100; ++i) shard.provider_latency(p, 10'000);
    const Exposed later = exposed(metrics, {.now_us = 13 * minute_us});
    EXPECT_NEAR(later.at(p99), 0.01, 0.01 / 16) << "the slow ones are more than a window old";
    EXPECT_EQ(later.at("loom_ai_provider_latency_seconds_count{provider=\"p\"}"), 200);
    EXPECT_NEAR(later.at("loom_ai_provider_latency_seconds_sum{provider=\"p\"}"), 101, 1e-9);
    shard.provider_latency(p, 100'000);
    EXPECT_NEAR(exposed(metrics, {.now_us = 40 * minute_us}).at(p99), 0.1, 0.1 / 16) << "since the last reading";
    EXPECT_TRUE(std::isnan(exposed(metrics, {.now_us = 50 * minute_us}).at(p99))) << "nothing was asked";
}

/// The sum over shards, in the currency's unit; of an attempt that was replaced too, where no request has ended.
TEST(Exposition, CostsAreExact) {
    Metrics metrics(3);
    const uint16_t openai = metrics.provider("openai"), azure = metrics.provider("azure");
    const uint16_t gpt = metrics.model("gpt-4o");
    metrics.declare(openai, gpt);
    const std::string series = "loom_ai_cost_total{provider=\"openai\",model=\"gpt-4o\"} ";
    EXPECT_NE(metrics.expose({}).find(series + "0\n"), std::string::npos);
    for (uint32_t shard = 0; shard < 3; ++shard)
        for (int i = 0; i < 1'000; ++i) metrics.shard(shard).cost(openai, gpt, 100'000'000'001);
    metrics.shard(0).cost(azure, other_slot, 1);
    const std::string text = metrics.expose({});
    EXPECT_NE(text.find(series + "300.000000003\n"), std::string::npos);
    EXPECT_NE(text.find("loom_ai_cost_total{provider=\"azure\",model=\"other\"} 0.000000000001\n"), std::string::npos);
}

TEST(Exposition, SpeaksDocument000OnlyWhenAsked) {
    Metrics metrics(1);
    const uint16_t p = metrics.provider("openai");
    metrics.shard(0).tokens(p, {.input = 3, .output = 4});
    const std::string prompt = "loom_ai_tokens_total{provider=\"openai\",type=\"prompt\"}";
    const std::string completion = "loom_ai_tokens_total{provider=\"openai\",type=\"completion\"}";
    EXPECT_FALSE(exposed(metrics).has(prompt));
    metrics.set_compat(true);
    EXPECT_EQ(exposed(metrics).at(prompt), 3);
    EXPECT_EQ(exposed(metrics).at(completion), 4);
}

TEST(Slots, AreKeptByNameOverReloads) {
    Metrics metrics(1);
    const uint16_t a = metrics.provider("a"), b = metrics.provider("b");
    EXPECT_NE(a, other_slot);
    EXPECT_NE(a, b);
    metrics.shard(0).tokens(b, {.input = 5});
    // The next configuration has another order, and one provider less.
    EXPECT_EQ(metrics.provider("c"), b + 1);
    EXPECT_EQ(metrics.provider("b"), b);
    EXPECT_EQ(exposed(metrics).at("loom_ai_tokens_total{provider=\"b\",type=\"input\"}"), 5);
}

TEST(Slots, BeyondTheBoundAreOther) {
    Metrics metrics(1);
    for (int i = 1; i < model_slots_max; ++i) EXPECT_EQ(metrics.model("m" + std::to_string(i)), i);
    EXPECT_EQ(metrics.model("one-too-many"), other_slot);
    EXPECT_EQ(metrics.model("m200"), 200) << "those that have one keep it";
    for (int i = 1; i < provider_slots_max; ++i) (void)metrics.provider("p" + std::to_string(i));
    EXPECT_EQ(metrics.provider("one-too-many"), other_slot);
    metrics.shard(0).request_done(other_slot, other_slot, Outcome::success, 1);
    metrics.shard(0).request_done(provider_slots_max - 1, model_slots_max - 1, Outcome::success, 1);
    const Exposed e = exposed(metrics);
    EXPECT_EQ(e.at("loom_ai_requests_total{provider=\"other\",model=\"other\",status=\"success\"}"), 1);
    EXPECT_EQ(e.at("loom_ai_requests_total{provider=\"p63\",model=\"m200\",status=\"success\"}"), 1);
}

TEST(Codes, OutOfRangeAreOther) {
    Metrics metrics(1);
    metrics.shard(0).http_request(600);
    metrics.shard(0).http_request(65535);
    metrics.shard(0).http_request(599);
    const Exposed e = exposed(metrics);
    EXPECT_EQ(e.at("loom_http_requests_total{code=\"other\"}"), 2);
    EXPECT_EQ(e.at("loom_http_requests_total{code=\"599\"}"), 1);
}

TEST(Outcome, IsAnErrorFrom400On) {
    EXPECT_EQ(outcome_of(200), Outcome::success);
    EXPECT_EQ(outcome_of(399), Outcome::success);
    EXPECT_EQ(outcome_of(400), Outcome::error);
    EXPECT_EQ(outcome_of(499), Outcome::error);
}

TEST(Shards, CountWhileAnotherThreadReads) {
    Metrics metrics(2);
    const uint16_t p = metrics.provider("p"), m = metrics.model("m");
    std::atomic<bool> stop{false};
    const auto write = [&](uint32_t shard) {
        for (int i = 0; i < 20'000; ++i) metrics.shard(shard).request_done(p, m, Outcome::success, 1000);
    };
    std::thread one([&] { write(0); }), two([&] { write(1); });
    std::thread namer([&] {
        for (int i = 0; !stop; ++i) (void)metrics.model(std::to_string(i % 300));
    });
    for (int i = 0; i < 20; ++i) (void)exposed(metrics);
    one.join();
    two.join();
    stop = true;
    namer.join();
    EXPECT_EQ(exposed(metrics).at("loom_ai_requests_total{provider=\"p\",model=\"m\",status=\"success\"}"), 40'000);
}

TEST(Shards, TakeMemoryOnlyWhereTheyCount) {
    const uint64_t before = read_process_stat().resident_bytes;
    Metrics metrics(16);
    for (uint32_t i = 0; i < 16; ++i) metrics.shard(i).request_done(1, 1, Outcome::success, 1);
    EXPECT_LT(read_process_stat().resident_bytes - before, 16u * 128 * 1024)
        << "dense tables of " << sizeof(ShardMetrics);
}

TEST(ProcessStat, KnowsThisProcess) {
    const ProcessStat stat = read_process_stat();
    EXPECT_GT(stat.resident_bytes, 1u << 20);
    EXPECT_GE(stat.virtual_bytes, stat.resident_bytes);
    EXPECT_GE(stat.open_fds, 3u);
    EXPECT_GE(stat.max_fds, stat.open_fds);
    EXPECT_LE(stat.start_time_seconds, static_cast<double>(::time(nullptr)) + 1);
    EXPECT_GT(stat.start_time_seconds, static_cast<double>(::time(nullptr)) - 600);
}

}  // namespace
}  // namespace loom::observe
