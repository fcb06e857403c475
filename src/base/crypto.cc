#include "loom/base/crypto.h"

#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <new>

namespace loom {
namespace {

constexpr char hex_digits[] = "0123456789abcdef";

const uint8_t* bytes_of(std::string_view s) noexcept { return reinterpret_cast<const uint8_t*>(s.data()); }

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

}  // namespace

Sha256 sha256(std::string_view bytes) noexcept {
    static_assert(SHA256_DIGEST_LENGTH == std::tuple_size_v<Sha256>);
    Sha256 out;
    SHA256(bytes_of(bytes), bytes.size(), out.data());
    return out;
}

Sha256Stream::Sha256Stream() noexcept {
    static_assert(sizeof(SHA256_CTX) <= sizeof state_ && alignof(SHA256_CTX) <= 8);
    SHA256_Init(::new (state_.data()) SHA256_CTX);
}

void Sha256Stream::add(std::string_view bytes) noexcept {
    SHA256_Update(std::launder(reinterpret_cast<SHA256_CTX*>(state_.data())), bytes.data(), bytes.size());
}

Sha256 Sha256Stream::finish() noexcept {
    Sha256 out;
    SHA256_Final(out.data(), std::launder(reinterpret_cast<SHA256_CTX*>(state_.data())));
    return out;
}

Sha1 sha1(std::string_view bytes) noexcept {
    static_assert(SHA_DIGEST_LENGTH == std::tuple_size_v<Sha1>);
    Sha1 out;
    SHA1(bytes_of(bytes), bytes.size(), out.data());
    return out;
}

Sha256 hmac_sha256(std::span<const uint8_t> key, std::string_view bytes) noexcept {
    Sha256 out;
    unsigned out_bytes = 0;
    HMAC(EVP_sha256(), key.data(), key.size(), bytes_of(bytes), bytes.size(), out.data(), &out_bytes);
    return out;
}

Sha256 hmac_sha256(std::string_view key, std::string_view bytes) noexcept {
    return hmac_sha256(std::span(bytes_of(key), key.size()), bytes);
}

bool equal_constant_time(std::span<const uint8_t> a, std::span<const uint8_t> b) noexcept {
    if (a.size() != b.size()) return false;
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool equal_constant_time(std::string_view a, std::string_view b) noexcept {
    return equal_constant_time(std::span(bytes_of(a), a.size()), std::span(bytes_of(b), b.size()));
}

std::string hex_encode(std::span<const uint8_t> bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const uint8_t b : bytes) {
        out += hex_digits[b >> 4];
        out += hex_digits[b & 15];
    }
    return out;
}

std::array<char, 64> hex_of(const Sha256& digest) noexcept {
    std::array<char, 64> out;
    for (size_t i = 0; i < digest.size(); ++i) {
        out[2 * i] = hex_digits[digest[i] >> 4];
        out[2 * i + 1] = hex_digits[digest[i] & 15];
    }
    return out;
}

bool hex_decode(std::string_view hex, std::span<uint8_t> out) noexcept {
    if (hex.size() != out.size() * 2) return false;
    for (size_t i = 0; i < out.size(); ++i) {
        const int high = hex_value(hex[2 * i]);
        const int low = hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        out[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return true;
}

void secure_wipe(std::span<uint8_t> bytes) noexcept { OPENSSL_cleanse(bytes.data(), bytes.size()); }

void secure_wipe(std::string& secret) noexcept {
    // Up to the capacity, since an earlier, longer value may have left its end there. Growing within it does not
    // allocate.
    secret.resize(secret.capacity());
    OPENSSL_cleanse(secret.data(), secret.size());
    secret.clear();
}

void random_bytes(std::span<uint8_t> out) noexcept { RAND_bytes(out.data(), out.size()); }

uint64_t random_u64() noexcept {
    uint64_t out;
    RAND_bytes(reinterpret_cast<uint8_t*>(&out), sizeof out);
    return out;
}

}  // namespace loom
