// Active health checks: what an answer says of who gave it, and who asks.
#include "health_checks.h"

#include <gtest/gtest.h>

#include "fake_source.h"
#include "keys/keys.h"
#include "plan/builder.h"
#include "tls_files.h"

namespace loom::app {
namespace {

bool is_well(const HealthTarget& target, int status) {
    return health_fault(target, upstream::ClientAnswer{.status = status}) == nullptr;
}

bool is_well(Errc code) {
    return health_fault({}, std::unexpected(Error{.code = code, .side = Side::upstream})) == nullptr;
}

TEST(HealthFault, OfTheListOfModels) {
    const HealthTarget models{.path = "/v1/models"};
    for (const int status : {200, 204, 301, 403, 404, 405, 429}) EXPECT_TRUE(is_well(models, status)) << status;
    for (const int status : {401, 402, 500, 503}) EXPECT_FALSE(is_well(models, status)) << status;
}

TEST(HealthFault, OfAnEndpointOfTheConf) {
    const HealthTarget named{.path = "/health", .by_conf = true};
    for (const int status : {200, 429}) EXPECT_TRUE(is_well(named, status)) << status;
    for (const int status : {401, 402, 403, 404, 500}) EXPECT_FALSE(is_well(named, status)) << status;
    const HealthTarget unsigned_one{.path = "/health", .any_answer = true, .by_conf = true};
    for (const int status : {200, 401, 403, 404}) EXPECT_TRUE(is_well(unsigned_one, status)) << status;
    EXPECT_FALSE(is_well(unsigned_one, 500));
}

TEST(HealthFault, WhatCannotBeReadIsAnAnswerToo) {
    for (const Errc code : {Errc::too_large, Errc::unsupported}) EXPECT_TRUE(is_well(code));
    for (const Errc code : {Errc::timed_out, Errc::tls_failed, Errc::refused, Errc::reset, Errc::bad_message})
        EXPECT_FALSE(is_well(code));
}

TEST(HealthTargets, WhoIsAskedWithoutCredentialsIsWellWithAnyAnswer) {
    auto loaded = config::load_text(
        "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\n"
        "provider.aws.type = bedrock\nprovider.aws.location = us-east-1\nprovider.aws.access_key_id = id\n"
        "provider.aws.secret_access_key = secret\nprovider.aws.health_check.enabled = on\n"
        "provider.aws.health_check.endpoint = /ping\n"
        "provider.keyed.type = openai\nprovider.keyed.api_key = k\nprovider.keyed.health_check.enabled = on\n");
    ASSERT_TRUE(loaded.config) << config::all_of(loaded.diagnostics);
    observe::Metrics metrics(1);
    TlsFiles files;
    route::TargetTable table;
    tenant::LimitTable limits;
    const auto plan = build_plan(*loaded.config, metrics, files, table, limits, 1);
    ASSERT_TRUE(plan.has_value());
    const std::vector<HealthTarget> targets = health_targets(**plan);
    ASSERT_EQ(targets.size(), 2u);
    EXPECT_TRUE(targets[0].any_answer);
    EXPECT_EQ(targets[0].path, "/ping");
    EXPECT_FALSE(targets[1].any_answer);
    EXPECT_NE(targets[1].lines.view().find("authorization: Bearer k"), std::string_view::npos);
}

}  // namespace
}  // namespace loom::app
