// Tokens that were verified are known again, until they expire, in a table that does not grow.
#include "loom/tenant/token_cache.h"

#include <gtest/gtest.h>

#include "loom/tenant/discovery.h"

namespace loom::tenant {
namespace {

TokenIdentityPtr identity(const std::string& name, int64_t expires_s, size_t role_bytes = 8) {
    auto made = std::make_shared<TokenIdentity>();
    auto consumer = std::make_unique<Consumer>();
    consumer->name = name;
    made->own = std::move(consumer);
    made->consumer = made->own.get();
    made->roles = {std::string(role_bytes, 'r')};
    made->expires_unix_s = expires_s;
    return made;
}

TEST(TokenCaches, KnowATokenUntilItExpires) {
    TokenCache cache;
    const Sha256 token = sha256("token");
    EXPECT_EQ(cache.find(token, 0), nullptr);
    cache.put(token, identity("alice", 100));
    ASSERT_NE(cache.find(token, 99), nullptr);
    EXPECT_EQ((*cache.find(token, 99))->consumer->name, "alice");
    EXPECT_EQ(cache.find(sha256("tokem"), 99), nullptr);
    EXPECT_EQ(cache.find(token, 100), nullptr);
    EXPECT_EQ(cache.size(), 0u);
    cache.put(token, identity("alice", 100));
    cache.put(token, identity("bob", 200));
    EXPECT_EQ(cache.size(), 1u);
    EXPECT_EQ((*cache.find(token, 150))->consumer->name, "bob");
    cache.clear();
    EXPECT_EQ(cache.find(token, 0), nullptr);
}

TEST(TokenCaches, AreBounded) {
    TokenCache cache;
    const Sha256 often = sha256("often");
    cache.put(often, identity("often", 100));
    for (size_t i = 0; i < 5 * TokenCache::token_count_max; ++i) {
        cache.put(sha256(std::to_string(i)), identity("n", 100));
        ASSERT_NE(cache.find(often, 0), nullptr) << "the one that is asked for stays";
    }
    EXPECT_LE(cache.size(), TokenCache::token_count_max);
    const Sha256 large = sha256("large");
    cache.put(large, identity("large", 100, TokenCache::identity_bytes_max));
    EXPECT_EQ(cache.find(large, 0), nullptr) << "it is verified each time";
}

TEST(Discovery, TellsWhereTheKeysAre) {
    EXPECT_EQ(discovery_url("https://id.example"), "https://id.example/.well-known/openid-configuration");
    EXPECT_EQ(discovery_url("https://id.example/r/"), "https://id.example/r/.well-known/openid-configuration");
    const auto read = [](std::string_view text) { return read_discovery(text, "https://id.example"); };
    EXPECT_EQ(*read(R"({"issuer":"https://id.example","jwks_uri":"https://id.example/keys","x":[1]})"),
              "https://id.example/keys");
    for (const char* const bad :
         {"", "[]", "{}", R"({"issuer":"https://id.example"})", R"({"issuer":"https://id.example","jwks_uri":7})",
          R"({"issuer":"https://id.example/","jwks_uri":"https://id.example/keys"})",
          R"({"issuer":"https://evil.example","jwks_uri":"https://id.example/keys"})",
          R"({"jwks_uri":"https://id.example/keys"})",
          R"({"issuer":"https://id.example","jwks_uri":"https://a/","jwks_uri":"https://b/"})"})
        EXPECT_FALSE(read(bad)) << bad;
    EXPECT_FALSE(read(std::string(discovery_bytes_max + 1, ' ')));
}

}  // namespace
}  // namespace loom::tenant
