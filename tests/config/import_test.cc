// What the documents' YAML becomes, key by key.
#include "loom/config/import.h"

#include <gtest/gtest.h>

#include "fake_source.h"

namespace loom::config {
namespace {

const std::string head = "# Made from loom.yaml by `loom import`.\n\n";

/// The flat lines behind the head; or what is wrong, a line each.
std::string imported(const std::string& yaml) {
    const auto result = import_yaml(yaml, "loom.yaml", loom_schema());
    if (has_error(result.diagnostics)) return all_of(result.diagnostics);
    EXPECT_TRUE(result.conf.starts_with(head)) << result.conf;
    return result.conf.substr(head.size());
}
std::string warnings(const std::string& yaml) {
    return all_of(import_yaml(yaml, "loom.yaml", loom_schema()).diagnostics);
}

TEST(Import, TheGatewaysPrefixIsDroppedButForItsSwitch) {
    EXPECT_EQ(
        imported("ai_gateway:\n  enabled: true\n  streaming: {enabled: false}\nstreaming: {flush_interval: 50ms}\n"),
        "ai_gateway.enabled = true\nstreaming.enabled = false\nstreaming.flush_interval = 50ms\n");
}

TEST(Import, ItemsAreKeyedByNameIdOrConsumer) {
    EXPECT_EQ(imported("listeners: [{name: http, address: ':8080'}]\n"
                       "routes: [{id: ai, path: '/v1/*', ai_gateway: true}]\n"
                       "token_accounting: {limits: [{consumer: app, daily_limit: 5}]}\n"),
              "listener.http.address = :8080\nroute.ai.path = /v1/*\nroute.ai.ai_gateway = true\n"
              "token_accounting.limit.app.daily_limit = 5\n");
}

TEST(Import, APluralOfNamedItemsBecomesSingular) {
    EXPECT_EQ(
        imported(
            "providers:\n  azure:\n    deployments: {gpt-4: mine}\n    headers: {X-A: '${B}'}\n    models: [a, b]\n"),
        "provider.azure.deployment.gpt-4 = mine\nprovider.azure.header.X-A = ${B}\nprovider.azure.models = a, b\n");
    EXPECT_EQ(imported("routing: {model_routes: {gpt-3.5-turbo: openai, default: a}}\n"),
              "routing.model_route.gpt-3.5-turbo = openai\nrouting.model_route.default = a\n");
}

TEST(Import, RoutingProvidersAreAListAndWhatIsSaidOfEach) {
    EXPECT_EQ(imported("routing: {providers: [{name: a, priority: 1}, {name: b, cost_per_1k_input: 0.5}, c]}\n"),
              "routing.providers = a, b, c\nprovider.a.priority = 1\nprovider.b.cost.input_per_1k = 0.5\n");
    EXPECT_EQ(imported("routing: {providers: [a, b]}\n"), "routing.providers = a, b\n");
}

TEST(Import, OtherSpellingsBecomeCanonical) {
    EXPECT_EQ(imported("failover: {enabled: true, max_retries: 2}\n"),
              "routing.failover.enabled = true\nrouting.failover.max_retries = 2\n");
    EXPECT_EQ(imported("routing: {fallback: true}\n"), "routing.failover.enabled = true\n");
    EXPECT_EQ(imported("routing: {fallback: {provider: local}}\n"), "routing.fallback.provider = local\n");
    EXPECT_EQ(imported("routes: [{id: r, middleware: {auth: {type: api_key}}}]\n"), "route.r.auth.type = api_key\n");
    EXPECT_EQ(imported("providers: [{name: a, endpoint: 'http://h/v1'}]\n"), "provider.a.base_url = http://h/v1\n");
}

TEST(Import, OneKeyInTwoSpellingsMustAgree) {
    const std::string twice =
        "providers: [{name: a, timeout: {total: 1s}}]\nfailover: {timeout: 1s}\n"
        "routing: {failover: {timeout: ";
    EXPECT_EQ(imported(twice + "1000ms}}\n"), "provider.a.timeout.total = 1s\nrouting.failover.timeout = 1s\n");
    EXPECT_EQ(
        imported(twice + "2s}}\n"),
        "loom.yaml:3:31: routing.failover.timeout: has another value at loom.yaml:2:21, as failover.timeout; keep "
        "one of them\n");
}

TEST(Import, LimitsOfConsumersAreOfATierFirst) {
    const std::string limits = "rate_limit: {consumers: {gold: {token_rate: 5}}}\n";
    EXPECT_EQ(imported(limits), "rate_limit.tier.gold.token_rate = 5\n");
    EXPECT_EQ(imported(limits + "consumers: [{name: gold, team: t}]\n"),
              "rate_limit.consumer.gold.token_rate = 5\nconsumer.gold.team = t\n");
    EXPECT_EQ(imported(limits + "consumers: [{name: gold, tier: gold}]\n"),
              "rate_limit.tier.gold.token_rate = 5\nconsumer.gold.tier = gold\n");
    EXPECT_EQ(imported("rate_limit: {consumers: [{name: gold, token_rate: 5}]}\n"),
              "rate_limit.tier.gold.token_rate = 5\n");
}

TEST(Import, RepeatableKeysTakeALineEach) {
    EXPECT_EQ(imported("consumers: [{name: a, api_key: ['${A}', '${B}']}]\n"),
              "consumer.a.api_key = ${A}\nconsumer.a.api_key = ${B}\n");
}

TEST(Import, AnchorsAliasesAndMergeKeys) {
    EXPECT_EQ(imported("providers:\n  - &base\n    name: a\n    type: local\n    models: &m [x, y]\n"
                       "  - {<<: *base, name: b, type: echo}\n"),
              "provider.a.type = local\nprovider.a.models = x, y\nprovider.b.type = echo\nprovider.b.models = x, y\n");
}

TEST(Import, BooleansInEverySpellingOfYaml) {
    EXPECT_EQ(imported("metrics: {compat: True}\nloop: {pin: OFF}\n"), "metrics.compat = true\nloop.pin = off\n");
    EXPECT_EQ(imported("metrics: {compat: 'True'}\n"),
              "loom.yaml:1:19: metrics.compat: expected on or off, got 'True'\n");
}

TEST(Import, WhatHasNoValueIsSaidToBeLeftOut) {
    EXPECT_EQ(warnings("health: {path: }\nadmin: {listen: ~}\ncors: {origins: []}\n"),
              "loom.yaml:1:10: warning: health.path: has no value, so it is not set\n"
              "loom.yaml:2:9: warning: admin.listen: has no value, so it is not set\n");
    EXPECT_EQ(imported("health: {path: ''}\ncors: {origins: []}\n"), "health.path =\ncors.origins =\n");
}

TEST(Import, ASecretInTheFileIsKeptAndNamed) {
    const std::string yaml = "providers: [{name: a, api_key: sk-123}]\nadmin: {token: '${T}'}\n";
    EXPECT_EQ(imported(yaml), "provider.a.api_key = sk-123\nadmin.token = ${T}\n");
    EXPECT_EQ(
        warnings(yaml),
        "loom.yaml:1:32: warning: provider.a.api_key: stands in the file for all to read, and is kept so; ${NAME} "
        "takes it from the environment, ${file:/run/secrets/NAME} from a file\n");
}

TEST(Import, ADollarThatIsNoReferenceStaysOne) {
    EXPECT_EQ(imported("health: {path: 'a$b$$c${d e}${F}$'}\n"), "health.path = a$b$$$c$${d e}${F}$\n");
    EXPECT_EQ(
        warnings("health: {path: /$HOME}\n"),
        "loom.yaml:1:16: warning: health.path: '$HOME' is kept as it stands; the environment is read by ${NAME}\n");
}

/// Elsewhere `$${NAME}` is how to write `${NAME}` itself. Here the first dollar stays and the variable is read.
TEST(Import, AReferenceBehindADollarIsWarnedOf) {
    const std::string yaml = "health: {path: '/$${HOME}'}\n";
    EXPECT_EQ(imported(yaml), "health.path = /$$${HOME}\n");
    EXPECT_EQ(warnings(yaml),
              "loom.yaml:1:16: warning: health.path: '$$' stays a dollar before what ${NAME} reads from the "
              "environment; if it was to keep '${NAME}' as it stands, write $${NAME} in the flat file\n");
    EXPECT_EQ(warnings("health: {path: '${A}$/${B}'}\n"), "") << "a dollar that stands alone";
}

/// libyaml counts lines by them too: a comment ends there, and what follows is no part of it.
TEST(Import, CommentsEndAtEveryLineBreakThatYamlKnows) {
    for (const std::string end : {"\n", "\r\n", "\r", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"}) {
        EXPECT_EQ(imported("# one" + end + "loop: {pin: on} # two" + end + end + "tcp: {nodelay: off} # three" + end),
                  "# one\nloop.pin = on  # two\n\ntcp.nodelay = off  # three\n");
    }
}

TEST(Import, ValuesAreQuotedAsTheFlatGrammarNeeds) {
    EXPECT_EQ(imported("health: {path: ' a #b'}\n"), "health.path = \" a #b\"\n");
    EXPECT_EQ(imported("health: {path: 'a#b \"c\"'}\n"), "health.path = \"a#b \\\"c\\\"\"\n");
    EXPECT_EQ(imported("health:\n  path: |-\n    a\n    b\\\n"), "health.path = \"a\\nb\\\\\"\n");
    EXPECT_EQ(imported("cors: {origins: ['a, b']}\n"), "cors.origins = \"a, b\"\n");
    EXPECT_EQ(imported("cors: {origins: ['a, \"b', c, '']}\n"), "cors.origins = \"a, \\\"b\", c, \"\"\n");
}

TEST(Import, CommentsAndBlankLinesStandWhereTheyStood) {
    EXPECT_EQ(imported("# top\n\nhealth: # of health\n  path: /h  # for balancers\n\n\n# last but one\n"
                       "cors:\n  origins:\n    # these\n    - a # first\n    - \"b#c # d\"\n# last\n"),
              "# top\n\n# of health\nhealth.path = /h  # for balancers\n\n# last but one\n# these\n# a: first\n"
              "cors.origins = a, \"b#c # d\"\n# last\n");
}

TEST(Import, AByteOrderMarkAndCrLfAreTaken) {
    EXPECT_EQ(imported("\xef\xbb\xbfhealth:\r\n  path: /h # c\r\n"), "health.path = /h  # c\n");
}

TEST(Import, ChoicesOfLaterVersionsAreCarriedOver) {
    EXPECT_EQ(imported("routing: {strategy: round_robin}\nroutes: [{id: a, passthrough: [files, realtime]}]\n"),
              "routing.strategy = round_robin\nroute.a.passthrough = files, realtime\n");
}

}  // namespace
}  // namespace loom::config
