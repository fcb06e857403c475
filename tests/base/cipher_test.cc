#include "loom/base/cipher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "loom/base/crypto.h"

namespace loom {
namespace {

std::vector<uint8_t> hex(std::string_view text) {
    std::vector<uint8_t> bytes(text.size() / 2);
    EXPECT_TRUE(hex_decode(text, bytes));
    return bytes;
}

template <size_t size>
CipherKey<size> key_of(std::string_view text) {
    CipherKey<size> key;
    EXPECT_TRUE(hex_decode(text, key.value));
    return key;
}

/// RFC 5869, A.1.
TEST(Hkdf, IsThatOfTheRfc) {
    std::vector<uint8_t> out(42);
    hkdf_sha256(std::vector<uint8_t>(22, 0x0b), hex("000102030405060708090a0b0c"),
                std::string_view("\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9", 10), out);
    EXPECT_EQ(hex_encode(out), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

/// Test case 14 of McGrew and Viega's paper on GCM.
TEST(Gcm, IsThatOfItsAuthors) {
    const Aes256Gcm gcm{CipherKey<32>()};
    std::vector<uint8_t> text(16);
    std::array<uint8_t, Aes256Gcm::tag_bytes> tag;
    gcm.seal(text, {}, {}, tag);
    EXPECT_EQ(hex_encode(text), "cea7403d4d606b6e074ec5d3baf39d18");
    EXPECT_EQ(hex_encode(tag), "d0d1c8a799996bf0265b98b5d48ab919");
}

TEST(Gcm, EveryChangedBitIsSeen) {
    const Aes256Gcm gcm(key_of<32>(std::string(64, '7')));
    const std::string plain = "whose it is and what it cost";
    // Nonce, what stands beside, tag, text: one behind the other.
    std::vector<uint8_t> all(12 + 8 + 16 + plain.size());
    for (size_t i = 0; i < 20; ++i) all[i] = static_cast<uint8_t>(i * 7);
    std::memcpy(all.data() + 36, plain.data(), plain.size());
    const auto nonce = [](const std::vector<uint8_t>& from) {
        Aes256Gcm::Nonce nonce;
        std::copy_n(from.begin(), nonce.size(), nonce.begin());
        return nonce;
    };
    gcm.seal(std::span(all).subspan(36), nonce(all), std::span(all).subspan(12, 8), std::span(all).subspan<20, 16>());
    const auto opens = [&](const std::vector<uint8_t>& from) {
        std::vector<uint8_t> out(plain.size());
        const bool good = gcm.open(std::span(from).subspan(36), nonce(from), std::span(from).subspan(12, 8),
                                   std::span(from).subspan<20, 16>(), out);
        return good && std::memcmp(out.data(), plain.data(), plain.size()) == 0;
    };
    EXPECT_TRUE(opens(all));
    for (size_t bit = 0; bit < all.size() * 8; ++bit) {
        std::vector<uint8_t> changed = all;
        changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1 << bit % 8);
        EXPECT_FALSE(opens(changed)) << bit;
    }
}

/// IEEE 1619, vector 10; its end and digest by OpenSSL.
TEST(Xts, IsThatOfTheStandard) {
    const Aes256Xts xts(
        key_of<64>("2718281828459045235360287471352662497757247093699959574966967627"
                   "3141592653589793238462643383279502884197169399375105820974944592"));
    std::vector<uint8_t> unit(512);
    for (size_t i = 0; i < unit.size(); ++i) unit[i] = static_cast<uint8_t>(i);
    const std::vector<uint8_t> plain = unit;
    xts.encrypt(unit, 0xff);
    const auto digest = sha256({reinterpret_cast<const char*>(unit.data()), unit.size()});
    EXPECT_EQ(hex_encode(std::span(unit).first(32)),
              "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b");
    EXPECT_EQ(hex_encode(digest), "e97e974fa393af794f7a4684395814cf820de60a01eaec677d87b452e316b364");
    xts.decrypt(unit, 0xff);
    EXPECT_EQ(unit, plain);
}

TEST(Xts, ABlockDependsOnItsPlaceAndOnNoOther) {
    const Aes256Xts xts(key_of<64>(std::string(128, '3')));
    std::vector<uint8_t> one(64), other(64);
    other[20] = 1;
    xts.encrypt(one, 5);
    xts.encrypt(other, 5);
    for (size_t block = 0; block < 4; ++block)
        EXPECT_EQ(std::equal(one.begin() + block * 16, one.begin() + block * 16 + 16, other.begin() + block * 16),
                  block != 1);
    EXPECT_FALSE(std::equal(one.begin(), one.begin() + 16, one.begin() + 16)) << "equal blocks look different";
    std::vector<uint8_t> shorter(32);
    xts.encrypt(shorter, 5);
    EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), one.begin())) << "as far as it goes";
    std::vector<uint8_t> elsewhere(64);
    xts.encrypt(elsewhere, 6);
    EXPECT_NE(elsewhere, one);
}

}  // namespace
}  // namespace loom
