#include "loom/base/rsa_key.h"

#include <gtest/gtest.h>

#include "loom/base/secret.h"
#include "test_key.h"

namespace loom {
namespace {

TEST(RsaKey, SignsWhatItsPublicHalfVerifies) {
    const test::TestKey pair = test::make_rsa_key(2048);
    const auto key = RsaKey::parse(pair.private_pem);
    ASSERT_TRUE(key) << key.error().what;
    const auto signature = key->sign_rs256("header.claims");
    ASSERT_TRUE(signature);
    EXPECT_EQ(signature->size(), 256u);
    EXPECT_TRUE(test::verifies_rs256(pair.public_pem, "header.claims", *signature));
    EXPECT_FALSE(test::verifies_rs256(pair.public_pem, "header.claimS", *signature));
    EXPECT_EQ(*key->sign_rs256("header.claims"), *signature) << "PKCS #1 v1.5 draws nothing at random";
}

TEST(RsaKey, WhatIsNoSuchKeyIsRefused) {
    const auto what = [](std::string_view pem) {
        const auto key = RsaKey::parse(pem);
        return std::string(key ? "" : key.error().what);
    };
    EXPECT_EQ(what(""), "not a private key in PEM, or an encrypted one");
    EXPECT_EQ(what("secret"), "not a private key in PEM, or an encrypted one");
    EXPECT_EQ(what(test::make_ec_key()), "a private key that is not RSA");
    EXPECT_EQ(what(test::make_rsa_key(1024).private_pem), "an RSA key below 2048 bits");
    const test::TestKey pair = test::make_rsa_key(2048);
    EXPECT_EQ(what(pair.public_pem), "not a private key in PEM, or an encrypted one");
    for (size_t size = 0; size + 64 < pair.private_pem.size(); size += 61)
        EXPECT_FALSE(what(std::string_view(pair.private_pem).substr(0, size)).empty()) << size;
}

TEST(Secret, MovesAndLeavesNothing) {
    Secret first(std::string("short"));
    Secret second(std::move(first));
    EXPECT_EQ(second.view(), "short");
    EXPECT_TRUE(first.empty());
    Secret third;
    third.text().assign(100, 'x');
    third = std::move(second);
    EXPECT_EQ(third.view(), "short");
    EXPECT_TRUE(second.empty());
}

}  // namespace
}  // namespace loom
