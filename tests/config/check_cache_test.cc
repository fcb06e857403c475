// What is said of keys of the caches, where they could do nothing or not what is meant.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"
#include "plan/cache.h"

namespace loom::app {
namespace {

const std::string base =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.a.type = openai\n"
    "provider.a.api_key = k\n";

config::Loaded loaded(const std::string& text) {
    auto result = config::load_text(base + text);
    add_checks(result);
    return result;
}

/// Behind the four lines that a provider needs.
std::string told(const std::string& text) { return config::all_of(loaded(text).diagnostics); }

TEST(CheckCache, WhatIsOffIsSaidInVain) {
    EXPECT_EQ(told("cache.exact.ttl = 5m\n"),
              "loom.conf:5:19: warning: cache.exact.ttl: nothing is kept: cache.exact.enabled is off\n");
    EXPECT_EQ(told("semantic_cache.ttl = 5m\ncache.exact.enabled = on\n"),
              "loom.conf:5:22: warning: semantic_cache.ttl: nothing is looked for: semantic_cache.enabled is off\n");
    EXPECT_EQ(told("semantic_cache.enabled = on\ncache.exact.ttl = 5m\nsemantic_cache.ttl = 5m\n"), "");
}

TEST(CheckCache, WhatIsMeantMayBeAnother) {
    EXPECT_EQ(told("semantic_cache.enabled = on\nsemantic_cache.similarity_threshold = 20%\n"),
              "loom.conf:6:39: warning: semantic_cache.similarity_threshold: so low that texts on different matters "
              "pass it: the comparison of their words alone is left\n");
    EXPECT_EQ(told("semantic_cache.enabled = on\nsemantic_cache.max_size = 4MiB\n"),
              "loom.conf:6:27: warning: semantic_cache.max_size: answers larger than an eighth of it are not kept, and "
              "cache.exact.max_entry allows such\n");
}

/// Nearly the same works with the exact one, whether that is switched on or not; so its shadow alone cannot be had.
TEST(CheckCache, AShadowDoesNotSwitchOnWhatGivesAnswers) {
    const std::string refused =
        "semantic_cache.shadow: it would give nobody anything, and yet switch cache.exact on, which is off: set "
        "cache.exact.enabled = on, or semantic_cache.enabled = off\n";
    EXPECT_EQ(told("semantic_cache.enabled = on\nsemantic_cache.shadow = on\n"), "loom.conf:6:25: " + refused);
    EXPECT_EQ(told("semantic_cache.enabled = on\nsemantic_cache.shadow = on\ncache.exact.enabled = off\n"),
              "loom.conf:6:25: " + refused);
    EXPECT_EQ(told("semantic_cache.enabled = on\nsemantic_cache.shadow = on\ncache.exact.enabled = on\n"), "");
}

TEST(CheckCache, ASnapshotNeedsAPlace_AndIsToldWhoCanReadIt) {
    const std::string on = "cache.exact.enabled = on\ncache.snapshot = on\n";
    EXPECT_EQ(told("cache.snapshot_interval = 1m\n"),
              "loom.conf:5:27: warning: cache.snapshot_interval: nothing is written: cache.snapshot is off\n");
    EXPECT_EQ(told(on),
              "loom.conf:6:18: cache.snapshot: there is no place to keep it: set state.directory = /var/lib/loom\n");
    EXPECT_EQ(told(on + "state.directory = /s\n"),
              "loom.conf:6:18: warning: cache.snapshot: prompts and answers lie unencrypted in state.directory; set "
              "state.encryption_key where others may read its disk, or a copy of it\n");
    EXPECT_EQ(told(on + "state.directory = /s\nstate.encryption_key = " + std::string(64, 'a') + "\n"), "");
    EXPECT_EQ(told("cache.snapshot = on\nstate.directory = /s\n"),
              "loom.conf:5:18: warning: cache.snapshot: nothing is kept that could outlive a restart: "
              "cache.exact.enabled is off\n");
    EXPECT_NE(told(on + "state.directory = /s\ncache.snapshot_interval = 10ms\n").find("snapshot_interval: "),
              std::string::npos);
}

TEST(CheckCache, WhatAnotherKeyOverridesIsSaid) {
    EXPECT_EQ(told("semantic_cache.enabled = on\ncache.exact.enabled = off\n"),
              "loom.conf:6:23: warning: cache.exact.enabled: off, and yet who asks the same gets the answer that is "
              "kept: semantic_cache.enabled = on works with it\n");
    EXPECT_EQ(
        told("semantic_cache.enabled = on\ncache.exact.ttl = 1m\nsemantic_cache.ttl = 2m\n"),
        "loom.conf:7:22: warning: semantic_cache.ttl: longer than cache.exact.ttl: the same request, too, is given "
        "its answer for this long\n");
    EXPECT_NE(told("semantic_cache.enabled = on\ncache.exact.ttl = 1m\n").find("warning: semantic_cache.ttl: longer"),
              std::string::npos)
        << "it is an hour where nobody says so";
}

TEST(CheckCache, WhatIsWrongIsRefused) {
    EXPECT_EQ(told("semantic_cache.similarity_threshold = 1.2\n"),
              "loom.conf:5:39: semantic_cache.similarity_threshold: expected a share such as 0.95 or 95%, got '1.2'\n");
}

TEST(CheckCache, AnEmbedderThatCannotBeAskedIsRefused) {
    const std::string on = "semantic_cache.enabled = on\n";
    const std::string provider = "semantic_cache.embedding.provider = ";
    const std::string model = "semantic_cache.embedding.model = text-embedding-3-small\n";
    EXPECT_EQ(told(on + provider + "nobody\n" + model),
              "loom.conf:6:37: semantic_cache.embedding.provider: no provider 'nobody' is defined\n");
    EXPECT_NE(told(on + provider + "openai\n" + "provider.openai.type = openai\nprovider.openai.api_key = k\n")
                  .find("semantic_cache.embedding.model: is missing"),
              std::string::npos);
    const std::string claude = "provider.claude.type = anthropic\nprovider.claude.api_key = k\n";
    EXPECT_EQ(told(on + provider + "claude\n" + model + claude),
              "loom.conf:6:37: semantic_cache.embedding.provider: 'claude' has type anthropic, in whose protocol "
              "text-embedding-3-small makes no vectors\n");
    const std::string bedrock =
        "provider.aws.type = bedrock\nprovider.aws.api_key = k\nprovider.aws.location = us-east-1\n";
    EXPECT_NE(told(on + provider + "aws\nsemantic_cache.embedding.model = anthropic.claude-3\n" + bedrock)
                  .find("makes no vectors"),
              std::string::npos);
    EXPECT_EQ(told(on + provider + "aws\nsemantic_cache.embedding.model = our-embedder\n" + bedrock +
                   "model_mapping.our-embedder.aws = amazon.titan-embed-text-v2:0\n"),
              "");
    EXPECT_NE(told(on + provider + "aws\nsemantic_cache.embedding.model = our-embedder\n" + bedrock +
                   "model_mapping.our-embedder.aws = anthropic.claude-3\n")
                  .find("anthropic.claude-3 makes no vectors"),
              std::string::npos);
    EXPECT_NE(told(on + provider + "demo\n" + model + "provider.demo.type = echo\n").find("embedded provider"),
              std::string::npos);
    EXPECT_EQ(told(on + model),
              "loom.conf:6:34: semantic_cache.embedding.model: is a provider's, and semantic_cache.embedding.provider "
              "is local: name the provider, or a folder in semantic_cache.embedding.model_path\n");
    const std::string openai = "provider.openai.type = openai\nprovider.openai.api_key = k\n";
    EXPECT_EQ(told(on + provider + "openai\n" + model + openai), "");
    EXPECT_NE(told(on + provider + "openai\n" + model + openai + "semantic_cache.embedding.dimensions = 3\n")
                  .find("fewer than 8"),
              std::string::npos);
    EXPECT_NE(told(on + provider + "openai\n" + model + openai + "semantic_cache.embedding.model_path = /m\n")
                  .find("leave one of them out"),
              std::string::npos);
    EXPECT_NE(told(on + "semantic_cache.embedding.timeout = 1s\n").find("nobody is asked"), std::string::npos);
}

/// With its own size, time and threshold; the exact one beside it has its own, whether it is switched on or not.
TEST(CheckCache, ThePlanHasWhatTheConfSays) {
    EXPECT_EQ(cache_plan(*loaded("").config), nullptr);
    EXPECT_EQ(cache_plan(*loaded("cache.exact.enabled = on\n").config)->semantic, nullptr);
    const auto plan = cache_plan(*loaded("semantic_cache.enabled = on\nsemantic_cache.max_size = 1GB\n"
                                         "semantic_cache.ttl = 2h\nsemantic_cache.similarity_threshold = 92%\n")
                                      .config);
    ASSERT_NE(plan, nullptr);
    EXPECT_EQ(plan->bytes_max, uint64_t{64} << 20);
    EXPECT_EQ(*plan->semantic,
              (proxy::SemanticPlan{
                  .bytes_max = 1'000'000'000, .ttl_ms = 7'200'000, .similarity_min = 0.92f, .only_counts = false}));
    EXPECT_EQ(cache_plan(*loaded("semantic_cache.enabled = on\n").config)->semantic->similarity_min, 0.95f);
}

}  // namespace
}  // namespace loom::app
