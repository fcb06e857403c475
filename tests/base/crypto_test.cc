#include "loom/base/crypto.h"

#include <gtest/gtest.h>

#include <set>

namespace loom {
namespace {

TEST(Sha1, VectorsOfTheStandard) {
    EXPECT_EQ(hex_encode(sha1("")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    EXPECT_EQ(hex_encode(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Sha256, GivesTheDigestsOfTheStandard) {
    EXPECT_EQ(hex_encode(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex_encode(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex_encode(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(hex_encode(sha256(std::string(1'000'000, 'a'))),
              "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, OfPiecesIsThatOfTheWhole) {
    const std::string text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for (size_t cut = 0; cut <= text.size(); ++cut) {
        Sha256Stream digest;
        digest.add(std::string_view(text).substr(0, cut));
        digest.add("");
        digest.add(std::string_view(text).substr(cut));
        EXPECT_EQ(digest.finish(), sha256(text)) << cut;
    }
    const std::array<char, 64> hex = hex_of(sha256("abc"));
    EXPECT_EQ(std::string_view(hex.data(), hex.size()), hex_encode(sha256("abc")));
}

TEST(Hmac, GivesTheDigestsOfRfc4231) {
    EXPECT_EQ(hex_encode(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(
        hex_encode(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(EqualConstantTime, ComparesWholeContents) {
    EXPECT_TRUE(equal_constant_time("secret", "secret"));
    EXPECT_TRUE(equal_constant_time("", ""));
    EXPECT_FALSE(equal_constant_time("secret", "Secret"));
    EXPECT_FALSE(equal_constant_time("secret", "secreT"));
    EXPECT_FALSE(equal_constant_time("secret", "secret "));
}

TEST(EqualConstantTime, SeesADifferenceInEachByteOfADigest) {
    const Sha256 a = sha256("a");
    EXPECT_TRUE(equal_constant_time(a, sha256("a")));
    for (size_t i = 0; i < a.size(); ++i) {
        Sha256 b = a;
        b[i] ^= 1;
        EXPECT_FALSE(equal_constant_time(a, b)) << i;
    }
}

TEST(Hex, GoesThereAndBackInEitherCase) {
    std::array<uint8_t, 4> out;
    EXPECT_TRUE(hex_decode("00fFaB10", out));
    EXPECT_EQ(out, (std::array<uint8_t, 4>{0x00, 0xff, 0xab, 0x10}));
    EXPECT_EQ(hex_encode(out), "00ffab10");
}

TEST(Hex, RefusesOtherLengthsAndDigits) {
    std::array<uint8_t, 2> out;
    for (const char* bad : {"", "00f", "00fff", "00fg", "0x00", " 0ff", "00f\n"})
        EXPECT_FALSE(hex_decode(bad, out)) << bad;
}

TEST(SecureWipe, ZeroesTheWholeCapacity) {
    std::string secret(40, 's');
    const char* memory = secret.data();
    const size_t capacity = secret.capacity();
    secret.resize(3);
    secure_wipe(secret);
    EXPECT_TRUE(secret.empty());
    ASSERT_EQ(secret.data(), memory);
    ASSERT_EQ(secret.capacity(), capacity);
    secret.resize(1);  // what follows is still the wiped memory
    secret.clear();
#ifndef __SANITIZE_ADDRESS__
    for (size_t i = 0; i < 40; ++i) EXPECT_EQ(memory[i], 0) << i;
#endif
}

TEST(Random, DoesNotRepeat) {
    std::set<uint64_t> seen;
    for (int i = 0; i < 1000; ++i) seen.insert(random_u64());
    EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace loom
