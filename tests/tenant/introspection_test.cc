// What an issuer answers about a token: who is taken, and every answer that is none (RFC 7662, 2.2).
#include "loom/tenant/introspection.h"

#include <gtest/gtest.h>

#include "loom/tenant/token_cache.h"

namespace loom::tenant {
namespace {

constexpr int64_t now_s = 1'750'000'000;

JwtOptions options() { return {.leeway_s = 0, .needs_expiry = false, .roles = {"scope"}}; }

struct Told {
    Result<JwtIdentity> bearer;
    JwtFault fault;
};
Told read(std::string_view document, const JwtOptions& options = tenant::options()) {
    IntrospectionReader reader;
    auto bearer = reader.read(document, options, now_s);
    return {std::move(bearer), reader.fault()};
}

TEST(Introspection, TellsWhoBearsAToken) {
    const Told told = read(R"({"active":true,"sub":"alice","scope":"read write","exp":1750000100,"iat":1749999999,)"
                           R"("client_id":"c","username":"al","token_type":"Bearer","more":{"any":[1]}})");
    ASSERT_TRUE(told.bearer) << told.bearer.error().what;
    EXPECT_EQ(told.bearer->consumer, "alice");
    EXPECT_EQ(told.bearer->roles, (std::vector<std::string>{"read", "write"}));
    EXPECT_EQ(told.bearer->expires_unix_s, 1750000100);
    EXPECT_EQ(read(R"({"active":true,"sub":"a"})").bearer->expires_unix_s, 0) << "it does not say";
    EXPECT_TRUE(read(R"({"active":true,"sub":"a","token_type":"bearer"})").bearer);
}

TEST(Introspection, AnInactiveTokenIsAGuess) {
    for (const char* const text : {R"({"active":false})", R"({"active":false,"sub":"alice","exp":1750000100})"}) {
        const Told told = read(text);
        ASSERT_FALSE(told.bearer);
        EXPECT_EQ(told.bearer.error().code, Errc::unauthenticated);
        EXPECT_EQ(told.bearer.error().side, Side::downstream);
        EXPECT_EQ(told.fault, JwtFault::signature);
    }
}

TEST(Introspection, WhatIsNotForHereIsRefusedAndNoGuess) {
    JwtOptions strict = options();
    strict.issuers = {"https://id.example"};
    strict.audiences = {"loom"};
    const std::string good = R"({"active":true,"sub":"a","iss":"https://id.example","aud":["x","loom"])";
    ASSERT_TRUE(read(good + "}", strict).bearer);
    const std::vector<std::string> bad = {
        R"({"active":true,"sub":"a","aud":"loom"})",
        R"({"active":true,"sub":"a","iss":"https://id.example/","aud":"loom"})",
        R"({"active":true,"sub":"a","iss":"https://id.example"})",
        R"({"active":true,"sub":"a","iss":"https://id.example","aud":"other"})",
        good + R"(,"exp":1750000000})",
        good + R"(,"exp":1})",
        good + R"(,"exp":"1750009999"})",
        good + R"(,"exp":-1})",
        good + R"(,"nbf":1750000001})",
        good + R"(,"token_type":"DPoP"})",
        good + R"(,"token_type":7})",
        good + R"(,"cnf":{"x5t#S256":"abc"}})",
        good + R"(,"token_use":"refresh_token"})",
        R"({"active":true,"iss":"https://id.example","aud":"loom"})",
        R"({"active":true,"sub":"","iss":"https://id.example","aud":"loom"})",
        R"({"active":true,"sub":7,"iss":"https://id.example","aud":"loom"})",
        R"({"active":true,"sub":"a\u0000b","iss":"https://id.example","aud":"loom"})",
        good + R"(,"scope":7})",
    };
    for (const std::string& text : bad) {
        const Told told = read(text, strict);
        EXPECT_FALSE(told.bearer) << text;
        EXPECT_EQ(told.fault, JwtFault::claims) << text;
        if (!told.bearer) EXPECT_EQ(told.bearer.error().side, Side::downstream) << text;
    }
    EXPECT_FALSE(read(R"({"active":true,"sub":"a","aud":"loom"})").bearer) << "an audience that nobody has named";
}

TEST(Introspection, GarbageIsNoAnswer) {
    const std::string good = R"({"active":true,"sub":"alice","exp":1750000100})";
    ASSERT_TRUE(read(good).bearer);
    std::vector<std::string> bad = {"",
                                    "null",
                                    "[]",
                                    "true",
                                    "{}",
                                    R"({"active":"true","sub":"a"})",
                                    R"({"active":1,"sub":"a"})",
                                    R"({"active":null})",
                                    R"({"active":false,"active":true,"sub":"a"})",
                                    R"({"active":true,"sub":"a","sub":"b"})",
                                    R"({"active":true,"sub":"a","x":{"y":1,"y":2}})",
                                    "\xef\xbb\xbf{\"active\":tru",
                                    "{\"active\":true,\"sub\":\"\xff\"}",
                                    "<html>",
                                    good + good};
    for (size_t cut = 0; cut < good.size(); ++cut) bad.push_back(good.substr(0, cut));
    bad.push_back(R"({"active":true,"sub":"a","deep":)" + std::string(50, '[') + std::string(50, ']') + "}");
    for (const std::string& text : bad) {
        const Told told = read(text);
        ASSERT_FALSE(told.bearer) << text;
        EXPECT_EQ(told.bearer.error().side, Side::upstream) << text;
        EXPECT_EQ(told.bearer.error().code, Errc::bad_message) << text;
    }
}

TEST(Introspection, AReaderHasNoMemory) {
    IntrospectionReader reader;
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(reader.read(R"({"active":true,"sub":"alice"})", options(), now_s));
        EXPECT_FALSE(reader.read(R"({"active":false})", options(), now_s));
        EXPECT_FALSE(reader.read("{", options(), now_s));
        EXPECT_EQ(reader.fault(), JwtFault::form);
    }
}

TEST(Introspection, WhatCanBeNoTokenIsNotAskedAbout) {
    for (const char* const token : {"a", "abc-._~+/=", "2YotnFZFEjr1zCsicMWpAA"}) EXPECT_TRUE(is_opaque_token(token));
    for (const std::string& none :
         std::vector<std::string>{"", "a b", "a&b", "a%20", "a\r\n", "\x80", std::string(1, 0),
                                  std::string(opaque_token_bytes_max + 1, 'a')})
        EXPECT_FALSE(is_opaque_token(none)) << none;
    for (int c = 0; c < 256; ++c) {
        const bool fits = std::isalnum(c) != 0 ||
                          (c != 0 && std::string_view("-._~+/=").find(static_cast<char>(c)) != std::string_view::npos);
        EXPECT_EQ(is_opaque_token(std::string(1, static_cast<char>(c))), fits && c < 128) << c;
    }
}

TEST(Introspection, TheFormHoldsOneTokenAndNoMore) {
    std::string form;
    append_introspection_form("a+b/c=&client_id=x", form);
    EXPECT_EQ(form, "token=a%2Bb%2Fc%3D%26client_id%3Dx&token_type_hint=access_token");
    std::string encoded;
    append_form_encoded("a b:\xc3\xa9~", encoded);
    EXPECT_EQ(encoded, "a%20b%3A%C3%A9%7E");
}

/// Kept for a while, though the token is good for longer, and never beyond its end.
TEST(Introspection, AnIdentityIsKeptNoLongerThanEitherSays) {
    const auto over = [](int64_t expires_s, int64_t keep_s) {
        TokenIdentity one;
        one.expires_unix_s = expires_s;
        one.keep_until_unix_s = keep_s;
        return one.is_over_unix_s();
    };
    EXPECT_EQ(over(100, 60), 60);
    EXPECT_EQ(over(50, 60), 50);
    EXPECT_EQ(over(0, 60), 60);
    EXPECT_EQ(over(50, 0), 50);
    EXPECT_EQ(over(0, 0), 0) << "what says neither is not kept";
}

}  // namespace
}  // namespace loom::tenant
