// What keys say together.
#include "check/check.h"

#include <gtest/gtest.h>

#include "fake_source.h"

namespace loom::app {
namespace {

const std::string base = "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n";

std::string checks_of(const std::string& text) {
    auto loaded = config::load_text(text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}
/// Behind the three lines that every configuration needs.
std::string more(const std::string& text) { return checks_of(base + text); }

TEST(Check, TheSmallestConfiguration) { EXPECT_EQ(checks_of(base), ""); }

TEST(Check, NothingAtAll) {
    EXPECT_EQ(checks_of(""),
              "loom.conf: listener: none is defined; add: listener.http.address = 127.0.0.1:8080\n"
              "loom.conf: route: none is defined; add: route.ai.path = /v1/*\n");
}

TEST(Check, WhatIsMissingIsNotSaidWhenALineCouldNotBeRead) {
    EXPECT_EQ(checks_of("listner.http.address = :8080\nroute.ai.path = v1"),
              "loom.conf:1:1: unknown key 'listner.http.address', did you mean 'listener.http.address'?\n"
              "loom.conf:2:17: route.ai.path: expected /exact or /prefix/*\n");
}

TEST(Check, AModelNameThatCannotBeUsedIsNamedWhereItStands) {
    EXPECT_EQ(more("provider.demo.models = gpt-4o, a*b, gpt-*, **\n"),
              "loom.conf:4:24: provider.demo.models: 'a*b' is no model name; '*' may only stand at its end\n"
              "loom.conf:4:24: provider.demo.models: '**' is no model name; '*' may only stand at its end\n");
    EXPECT_EQ(more("model_mapping.a*b.demo = c\nmodel_mapping.fast.demo = c*\n"),
              "loom.conf:4:1: model_mapping.a*b: 'a*b' is no model name; '*' may only stand at its end\n"
              "loom.conf:5:27: model_mapping.fast.demo: must be one model's name\n");
    EXPECT_EQ(more("routing.model_route.a*b = demo\n"),
              "loom.conf:4:1: routing.model_route.a*b: 'a*b' is no model name; '*' may only stand at its end\n");
}

TEST(Check, ModelsThatStandIn) {
    EXPECT_EQ(more("routing.failover.enabled = on\nmodel_fallback.a.context_window = b\n"
                   "model_fallback.b.context_window = c\nrouting.fallback.context_window = c\n"),
              "");
    EXPECT_EQ(more("model_fallback.a.content_policy = b\n"),
              "loom.conf:4:35: warning: model_fallback.a.content_policy: is asked by nobody: set "
              "routing.failover.enabled = on\n");
    EXPECT_EQ(more("routing.failover.enabled = on\nmodel_fallback.a.context_window = b*\n"),
              "loom.conf:5:35: model_fallback.a.context_window: must be one model's name\n");
    EXPECT_EQ(more("routing.failover.enabled = on\nmodel_fallback.a*.context_window = b\n"),
              "loom.conf:5:36: model_fallback.a*.context_window: must be for one model\n");
    EXPECT_EQ(more("routing.failover.enabled = on\nmodel_fallback.a.context_window = b\n"
                   "routing.fallback.context_window = a\n"),
              "loom.conf:5:35: model_fallback.a.context_window: a → b → a goes round: no request would come to its "
              "end\n");
}

TEST(Check, AStartThatWaitsForNothing) {
    EXPECT_EQ(
        more("routing.failover.enabled = on\nrouting.failover.hold_tokens = 20\nrouting.failover.hold_time = 1s\n"),
        "");
    EXPECT_EQ(
        more("routing.failover.hold_tokens = 20\n"),
        "loom.conf:4:32: warning: routing.failover.hold_tokens: nothing waits: set routing.failover.enabled = on\n");
    EXPECT_EQ(more("routing.failover.enabled = on\nrouting.failover.retry_sent = off\n"
                   "routing.failover.hold_tokens = 20\n"),
              "loom.conf:6:32: warning: routing.failover.hold_tokens: nothing waits: set routing.failover.retry_sent = "
              "on, since a stream that has begun was worked on\n");
    EXPECT_EQ(more("routing.failover.enabled = on\nrouting.failover.hold_time = 1s\n"),
              "loom.conf:5:30: warning: routing.failover.hold_time: nothing waits: set routing.failover.hold_tokens, "
              "which it bounds\n");
    EXPECT_EQ(more("routing.failover.continuation = on\n"),
              "loom.conf:4:33: warning: routing.failover.continuation: nobody goes on: set routing.failover.enabled = "
              "on\n");
}

TEST(Check, LimitsThatMeanNothing) {
    EXPECT_EQ(more("provider.demo.rate_limit.burst = 10s\n"),
              "loom.conf:4:34: warning: provider.demo.rate_limit.burst: means nothing without requests_per_minute or "
              "tokens_per_minute\n");
    EXPECT_EQ(
        more("provider.demo.rate_limit.tokens_per_minute = 500\n"),
        "loom.conf:4:46: warning: provider.demo.rate_limit.tokens_per_minute: a request that sets no max_tokens is "
        "expected to take 512 and more: one a minute goes, when none of these is spent\n");
    EXPECT_EQ(more("routing.queue.max = 10\n"),
              "loom.conf:4:21: warning: routing.queue.max: nobody waits: no provider has a rate_limit\n");
    EXPECT_EQ(more("routing.queue.max = 10\nprovider.demo.rate_limit.concurrent_requests = 5\n"), "");
    EXPECT_EQ(more("routing.queue.max = 10\nprovider.demo.rate_limit.adaptive = on\n"), "");
    EXPECT_EQ(more("provider.demo.rate_limit.adaptive_min = 2\n"),
              "loom.conf:4:41: warning: provider.demo.rate_limit.adaptive_min: means nothing without "
              "provider.demo.rate_limit.adaptive = on\n");
    EXPECT_EQ(more("provider.demo.rate_limit.adaptive = on\nprovider.demo.rate_limit.adaptive_min = 9\n"
                   "provider.demo.rate_limit.concurrent_requests = 5\n"),
              "loom.conf:5:41: warning: provider.demo.rate_limit.adaptive_min: is more than concurrent_requests = 5, "
              "which it never exceeds\n");
    EXPECT_EQ(more("consumer.a.api_key = sk-0123456789abcdef\nconsumer.a.priority = 10\n"),
              "loom.conf:5:23: consumer.a.priority: expected 0 to 9, got '10'\n");
}

TEST(Check, LimitsOfClientsThatMeanNothing) {
    const std::string consumer = "consumer.a.api_key = sk-0123456789abcdef\n";
    EXPECT_EQ(more(consumer + "consumer.a.tier = pro\nrate_limit.tier.pro.request_rate = 5\n"), "");
    EXPECT_EQ(
        more("rate_limit.tier.pro.token_rate = 5000\n"),
        "loom.conf:4:34: warning: rate_limit.tier.pro.token_rate: limits nobody: no consumer is in this tier; set "
        "consumer.NAME.tier = pro\n");
    EXPECT_EQ(
        more("rate_limit.consumer.b.concurrent = 5\n"),
        "loom.conf:4:36: warning: rate_limit.consumer.b.concurrent: limits nobody: there is no such consumer; add "
        "consumer.b.api_key = …\n");
    EXPECT_EQ(more("rate_limit.global.burst = 0\n"),
              "loom.conf:4:27: rate_limit.global.burst: expected 1 to 1000000000, got '0'\n");
    EXPECT_EQ(more("rate_limit.global.burst = 5\n"),
              "loom.conf:4:27: warning: rate_limit.global.burst: means nothing without a request_rate, by which more "
              "come in\n");
    EXPECT_EQ(more("rate_limit.global.burst = 5\nrate_limit.global.request_rate = 5\n"),
              "loom.conf:4:27: warning: rate_limit.global.burst: is never felt: no more than 5 requests come in a "
              "window\n");
    EXPECT_EQ(more("rate_limit.model.gpt-4.1.token_rate = 500\n"),
              "loom.conf:4:39: warning: rate_limit.model.gpt-4.1.token_rate: a request that sets no max_tokens is "
              "expected to take 512 and more: one in a window goes, when none of these is spent\n");
    EXPECT_EQ(more("rate_limit.enabled = off\nrate_limit.global.request_rate = 5\n"),
              "loom.conf:4:22: warning: rate_limit.enabled: is off: no limit of clients counts\n");
    EXPECT_EQ(more("rate_limit.request_rate.window = 100ms\n"),
              "loom.conf:4:34: rate_limit.request_rate.window: expected 1s to 1d, got '100ms'\n");
}

TEST(Check, AnErrorTakesTheConfigurationAway) {
    auto loaded = config::load_text("");
    EXPECT_TRUE(loaded.config);
    add_checks(loaded);
    EXPECT_FALSE(loaded.config);
}

TEST(Check, Listeners) {
    EXPECT_EQ(
        more("listener.b.address = 127.0.0.1:8080\n"),
        "loom.conf:4:22: listener.b.address: '127.0.0.1:8080' is taken by listener.http.address at loom.conf:1:25\n");
    EXPECT_EQ(more("listener.b.protocol = http\n"), "loom.conf:4:1: listener.b.address: is missing\n");
    EXPECT_EQ(more("admin.listen = 127.0.0.1:8080\n"),
              "loom.conf:4:16: admin.listen: '127.0.0.1:8080' is taken by listener.http.address at loom.conf:1:25\n");
}

TEST(Check, TlsKeysThatDoNotGoTogether) {
    EXPECT_EQ(more("listener.http.protocol = https\n"),
              "loom.conf:4:26: listener.http.tls.certificate: is missing, and protocol is https\n");
    EXPECT_EQ(more("listener.http.protocol = http\nlistener.http.tls.certificate = a.crt\n"),
              "loom.conf:5:33: listener.http.tls.certificate: needs listener.http.protocol = https\n");
    EXPECT_EQ(more("listener.http.tls.client_ca = ca.pem\n"),
              "loom.conf:4:31: listener.http.tls.client_ca: needs listener.http.tls.certificate\n");
}

TEST(Check, TlsKeysOfUpstreamsThatDoNotGoTogether) {
    EXPECT_EQ(more("provider.l.type = local\nprovider.l.base_url = http://h/v1\nprovider.l.tls.min_version = 1.3\n"),
              "loom.conf:6:30: warning: provider.l.tls.min_version: means something with an https:// address only\n");
    EXPECT_EQ(more("provider.l.type = local\nprovider.l.base_url = https://h/v1\nprovider.l.tls.key = a.key\n"),
              "loom.conf:6:22: provider.l.tls.key: needs provider.l.tls.certificate\n");
    const std::string route = "route.b.path = /b\nroute.b.ai_gateway = off\n";
    EXPECT_EQ(more(route + "route.b.upstream = https://h\n"), "");
    EXPECT_EQ(more(route + "route.b.upstream = http://h\nroute.b.tls.min_version = 1.3\n"),
              "loom.conf:7:27: warning: route.b.tls.min_version: means something with an https:// address only\n");
}

TEST(Check, SeveralBaseUrlsAndKeysAreInstances) {
    const std::string local = "provider.l.type = local\nprovider.l.base_url = http://a/v1\n";
    EXPECT_EQ(more(local + "provider.l.base_url = http://b/v1\nprovider.l.api_key = k\nprovider.l.api_key = j\n"), "");
    EXPECT_EQ(more(local + "provider.l.base_url = b\n").substr(0, 51),
              "loom.conf:6:23: provider.l.base_url: expected a URL");
    EXPECT_EQ(more(local + "provider.l.base_url = http://a/v1\n"),
              "loom.conf:6:23: provider.l.base_url: is there already, at loom.conf:5:23\n");
    EXPECT_EQ(more(local + "provider.l.api_key = k\nprovider.l.api_key = k\n"),
              "loom.conf:7:22: provider.l.api_key: is there already, at loom.conf:6:22\n");
    EXPECT_EQ(more(local + "provider.l.api_key = k\nprovider.l.api_key =\n"), "") << "one of them is not set";
    std::string many = local;
    for (int i = 0; i < 65; ++i) many += "provider.l.api_key = k" + std::to_string(i) + "\n";
    EXPECT_EQ(more(many),
              "loom.conf:5:23: provider.l.base_url: each base_url with each api_key are 65 instances, and 64 can be "
              "balanced: define several providers\n");
}

TEST(Check, HealthChecksThatCannotBe) {
    const std::string local = "provider.l.type = local\nprovider.l.base_url = http://a/v1\n";
    const std::string on = "provider.l.health_check.enabled = on\n";
    EXPECT_EQ(more(local + on + "provider.l.health_check.endpoint = /v1/models\n"), "");
    EXPECT_EQ(more(local + on + "provider.l.health_check.endpoint = http://a/v1/models\n"),
              "loom.conf:7:36: provider.l.health_check.endpoint: expected a path such as /v1/models\n");
    EXPECT_EQ(more(local + "provider.l.health_check.interval = 10s\n"),
              "loom.conf:6:36: warning: provider.l.health_check.interval: nothing is checked: set "
              "provider.l.health_check.enabled = on\n");
    EXPECT_EQ(more("provider.demo.health_check.enabled = on\n"),
              "loom.conf:4:38: warning: provider.demo.health_check.enabled: means nothing to the embedded provider\n");
}

TEST(Check, BedrockNeedsAKeyOfAws) {
    const std::string bedrock = "provider.b.type = bedrock\nprovider.b.location = eu-west-1\n";
    EXPECT_EQ(more(bedrock),
              "loom.conf:4:1: provider.b.access_key_id: is missing; b needs an access key (access_key_id and "
              "secret_access_key) or a Bedrock API key (api_key)\n");
    EXPECT_EQ(more(bedrock + "provider.b.api_key = k\n"), "");
    EXPECT_EQ(more(bedrock + "provider.b.access_key_id = i\nprovider.b.secret_access_key = s\n"), "");
    EXPECT_EQ(more(bedrock + "provider.b.access_key_id = i\n"),
              "loom.conf:4:1: provider.b.secret_access_key: is missing, and access_key_id is set\n");
    EXPECT_EQ(more(bedrock + "provider.b.api_key = k\nprovider.b.session_token = t\n"),
              "loom.conf:7:28: provider.b.session_token: needs provider.b.access_key_id\n");
    const std::string keys = "provider.b.access_key_id = i\nprovider.b.secret_access_key = s\n";
    EXPECT_EQ(more(bedrock + keys + "provider.b.api_key = k\n"),
              "loom.conf:6:28: warning: provider.b.access_key_id: provider.b.api_key goes before it\n");
    EXPECT_EQ(more(bedrock + keys + "provider.b.header.Authorization = x\n"),
              "loom.conf:8:35: provider.b.header.Authorization: stands in the signature that access_key_id asks for\n");
    EXPECT_EQ(more("provider.b.type = bedrock\nprovider.b.base_url = https://h\n" + keys),
              "loom.conf:4:1: provider.b.location: is missing; bedrock needs one, such as us-east-1\n");
}

TEST(Check, ABedrockProviderWithEmptyKeysIsLeftOut) {
    const std::string bedrock = "provider.b.type = bedrock\nprovider.b.location = eu-west-1\n";
    const std::string empty = "provider.b.access_key_id =\nprovider.b.secret_access_key =\n";
    EXPECT_EQ(more(bedrock + empty),
              "loom.conf:6:27: warning: provider.b.access_key_id: is empty: the provider is left out\n");
    EXPECT_EQ(more(bedrock + empty + "provider.b.api_key = k\n"), "") << "one of the two is enough";
}

TEST(Check, VertexNeedsACredentialsFile) {
    const std::string vertex = "provider.v.type = vertex\nprovider.v.project_id = p\nprovider.v.location = global\n";
    EXPECT_EQ(more(vertex),
              "loom.conf:4:1: provider.v.credentials_file: is missing; Vertex AI is asked with access tokens, which a "
              "credentials file is good for\n");
    EXPECT_EQ(more(vertex + "provider.v.credentials_file = /a.json\n"), "");
    EXPECT_EQ(more(vertex + "provider.v.credentials_file =\n"),
              "loom.conf:7:30: warning: provider.v.credentials_file: is empty: the provider is left out\n");
    EXPECT_EQ(more(vertex + "provider.v.header.Authorization = Bearer x\n"), "");
    EXPECT_EQ(more(vertex + "provider.v.credentials_file = /a.json\nprovider.v.header.authorization = Bearer x\n"),
              "loom.conf:7:31: provider.v.credentials_file: the provider has a header.Authorization of its own: one of "
              "the two\n");
    EXPECT_EQ(more(vertex + "provider.v.credentials_file = /a.json\nprovider.v.api_key = k\n"),
              "loom.conf:8:22: warning: provider.v.api_key: is not sent: Vertex AI takes access tokens "
              "(provider.v.credentials_file)\n");
}

TEST(Check, TheAdminListenerIsNotForEveryone) {
    EXPECT_EQ(more("admin.listen = :9091\n"),
              "loom.conf:4:16: admin.listen: others than this machine can reach it; set admin.token, or listen on "
              "127.0.0.1\n");
    EXPECT_EQ(more("admin.listen = :9091\nadmin.token = t\n"), "");
    EXPECT_EQ(more("log.audit.path = stdout\n"),
              "loom.conf:4:18: log.audit.path: is where the access log goes (log.access.path): two logs would cut each "
              "other's lines\n");
    EXPECT_EQ(more("log.audit.path = stdout\nlog.access.path = off\n"), "");
    EXPECT_EQ(
        more("admin.read_token = r\n"),
        "loom.conf:4:20: admin.read_token: without admin.token anybody may read and change everything; set that as "
        "well\n");
    EXPECT_EQ(more("admin.token = t\nadmin.read_token = t\n"),
              "loom.conf:5:20: admin.read_token: is admin.token: it would change things too\n");
    EXPECT_EQ(more("admin.listen = off\n"), "");
}

TEST(Check, RoutesHaveAPathOfTheirOwn) {
    EXPECT_EQ(more("route.b.provider = demo\n"), "loom.conf:4:1: route.b.path: is missing\n");
    EXPECT_EQ(more("route.b.path = /v1/*\n"),
              "loom.conf:4:16: route.b.path: '/v1/*' is taken by route.ai.path at loom.conf:2:17\n");
    for (const auto* path : {"v1", "/v1*", "/*/v1", "/v1?x", "/a b"}) {
        EXPECT_EQ(more(std::string("route.b.path = ") + path),
                  "loom.conf:4:16: route.b.path: expected /exact or /prefix/*\n")
            << path;
    }
    EXPECT_EQ(more("route.b.path = /*\nroute.c.path = /v1/models\n"), "");
}

TEST(Check, AnOpenDoorIsNamedWithItsFix) {
    const std::string open = "listener.http.address = :8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n";
    EXPECT_EQ(
        checks_of(open),
        "loom.conf:2:1: route.ai.auth.type: anyone who reaches listener.http.address = :8080 may use this route; add "
        "consumer.NAME.api_key and route.ai.auth.type = api_key, or listen on 127.0.0.1\n");
    EXPECT_NE(checks_of(open + "consumer.c.api_key = k\nroute.ai.auth.type = none\n")
                  .find("loom.conf:5:22: route.ai.auth.type: anyone"),
              std::string::npos);
    EXPECT_EQ(checks_of(open + "consumer.c.api_key = k\n"), "");
    EXPECT_EQ(checks_of(open + "consumer.c.api_key = k\nroute.b.path = /\nroute.b.ai_gateway = off\nroute.b.upstream = "
                               "http://h:1\nroute.b.auth.type = none\n"),
              "");
}

TEST(Check, AKeyIsAskedForAndNobodyHasOne) {
    EXPECT_EQ(more("route.ai.auth.type = api_key\n"),
              "loom.conf:4:22: warning: route.ai.auth.type: no consumer is defined, so every request is refused; add: "
              "consumer.NAME.api_key = …\n");
}

TEST(Check, PlainRoutesLeadSomewhere) {
    EXPECT_EQ(more("route.b.path = /b\nroute.b.ai_gateway = off\n"),
              "loom.conf:4:1: route.b.upstream: is missing, and ai_gateway is off\n");
    EXPECT_EQ(more("route.b.path = /b\nroute.b.upstream = http://h:1\n"),
              "loom.conf:5:20: route.b.upstream: needs route.b.ai_gateway = off\n");
    EXPECT_EQ(more("route.b.path = /b\nroute.b.ai_gateway = off\nroute.b.upstream = http://h:1/x\n"),
              "loom.conf:6:20: route.b.upstream: expected http://host:port without a path\n");
    EXPECT_NE(more("route.b.path = /b\nroute.b.ai_gateway = off\nroute.b.upstream = h:1\n")
                  .find("loom.conf:6:20: route.b.upstream: expected http://host:port or https://: "),
              std::string::npos);
}

TEST(Check, ARouteToNothing) {
    EXPECT_EQ(checks_of("listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\n"),
              "loom.conf:2:1: route.ai: leads to nothing: there is no provider; add: provider.demo.type = echo\n");
    EXPECT_EQ(checks_of("listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nai_gateway.enabled = off\n"),
              "");
}

TEST(Check, AProviderWithAnEmptyKeyIsLeftOut) {
    EXPECT_EQ(more("provider.openai.type = openai\nprovider.openai.api_key = ${LOOM_UNSET_KEY:-}\n"),
              "loom.conf:5:27: warning: provider.openai.api_key: is empty: the provider is left out\n");
    const auto loaded =
        config::load_text(base + "provider.openai.type = openai\nprovider.openai.api_key =\nprovider.x.priority = 1\n");
    EXPECT_TRUE(provider_is_active(*loaded.config, "demo"));
    EXPECT_FALSE(provider_is_active(*loaded.config, "openai"));
    EXPECT_FALSE(provider_is_active(*loaded.config, "x"));
    EXPECT_FALSE(provider_is_active(*loaded.config, "nobody"));
}

TEST(Check, Providers) {
    EXPECT_EQ(more("provider.o.type = openai\n"),
              "loom.conf:4:1: warning: provider.o.api_key: is not set: requests go there without a key\n");
    EXPECT_EQ(more("provider.l.type = local\n"), "loom.conf:4:1: provider.l.base_url: is missing; local needs one\n");
    EXPECT_EQ(more("provider.l.type = local\nprovider.l.base_url = https://[::1]:8000/v1\n"), "");
    EXPECT_NE(more("provider.l.type = local\nprovider.l.base_url = ftp://x\n")
                  .find("loom.conf:5:23: provider.l.base_url: expected a URL such as "),
              std::string::npos);
    EXPECT_EQ(more("provider.l.priority = 1\n"), "loom.conf:4:1: provider.l.type: is missing\n");
    EXPECT_EQ(more("provider.demo.header.Content-Length = 5\n"),
              "loom.conf:4:39: provider.demo.header.Content-Length: this header is Loom's own to write\n");
    EXPECT_EQ(more("provider.demo.header.X-A = \"a\\nHost: b\"\n"),
              "loom.conf:4:28: provider.demo.header.X-A: holds a control byte\n");
}

TEST(Check, ReferencesToProvidersThatAreNotThere) {
    EXPECT_EQ(more("routing.providers = demo, opnai\n"),
              "loom.conf:4:21: routing.providers: no provider 'opnai' is defined\n");
    EXPECT_EQ(more("routing.model_route.default = x\n"),
              "loom.conf:4:31: routing.model_route.default: no provider 'x' is defined\n");
    EXPECT_EQ(more("model_mapping.gpt-3.5.x = y\n"),
              "loom.conf:4:27: model_mapping.gpt-3.5.x: no provider 'x' is defined\n");
    EXPECT_EQ(more("route.ai.provider = x\n"), "loom.conf:4:21: route.ai.provider: no provider 'x' is defined\n");
}

TEST(Check, AModelRoutedToWhoDoesNotKnowIt) {
    EXPECT_EQ(more("provider.demo.models = demo*\nrouting.model_route.gpt-4 = demo\n"),
              "loom.conf:5:29: warning: routing.model_route.gpt-4: demo does not list gpt-4; add it to "
              "provider.demo.models, or model_mapping.gpt-4.demo\n");
    EXPECT_EQ(more("provider.demo.models = demo*\nrouting.model_route.gpt-4 = demo\nmodel_mapping.gpt-4.demo = demo\n"),
              "");
    EXPECT_EQ(
        more("routing.strategy = model\n"),
        "loom.conf:4:20: warning: routing.strategy: there is no routing.model_route, so it works as priority does\n");
}

TEST(Check, Consumers) {
    EXPECT_EQ(more("consumer.a.api_key = k\nconsumer.b.api_key = k\n"),
              "loom.conf:5:22: consumer.b.api_key: consumer a has the same key at loom.conf:4:22\n");
    // SHA-256 of "k"
    EXPECT_EQ(more("consumer.a.api_key = k\nconsumer.b.api_key_sha256 = "
                   "8254C329A92850F6D539DD376F4816EE2764517DA5E0235514AF433164480D7A\n"),
              "loom.conf:5:29: consumer.b.api_key_sha256: consumer a has the same key at loom.conf:4:22\n");
    EXPECT_EQ(more("consumer.a.api_key_sha256 = 12\n"),
              "loom.conf:4:29: consumer.a.api_key_sha256: expected 64 hexadecimal digits\n");
    EXPECT_EQ(more("consumer.a.api_key = ${LOOM_UNSET_KEY:-}\n"), "loom.conf:4:22: consumer.a.api_key: is empty\n");
    EXPECT_EQ(
        more("consumer.a.models = x\n"),
        "loom.conf:4:1: consumer.a.api_key: is missing (or set auth.issued_keys = on, and make one over the admin "
        "listener)\n");
    EXPECT_EQ(more("consumer.a.api_key = k\nconsumer.a.routes = ai, b\n"),
              "loom.conf:5:21: consumer.a.routes: no route 'b' is defined\n");
    EXPECT_EQ(more("consumer.a.api_key = k\nconsumer.a.routes = a*\n"), "");
}

TEST(Check, TheRest) {
    EXPECT_EQ(more("loop.ring_entries = 1000\n"),
              "loom.conf:4:21: loop.ring_entries: expected a power of two, got 1000\n");
    EXPECT_EQ(more("buffer.count = 100\n"), "loom.conf:4:16: buffer.count: expected a power of two, got 100\n");
    EXPECT_EQ(more("health.path = x\n"), "loom.conf:4:15: health.path: expected a path such as /healthz\n");
    EXPECT_EQ(more("health.path =\ncors.origins =\nforwarded.trust = 10.0.0.0/8, ::1\n"), "");
    EXPECT_NE(more("forwarded.trust = 10.0.0.1/8\n").find("loom.conf:4:19: forwarded.trust: '10.0.0.1/8': "),
              std::string::npos);
    EXPECT_EQ(more("cors.origins = *\n"), "");
    EXPECT_EQ(more("cors.origins = https://a.b, http://localhost:3000\n"), "");
    EXPECT_EQ(more("cors.origins = a.b\n"),
              "loom.conf:4:16: cors.origins: 'a.b': expected * or an origin such as https://app.example.com\n");
}

}  // namespace
}  // namespace loom::app
