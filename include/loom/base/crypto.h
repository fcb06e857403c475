// The one door to BoringSSL's cryptography (TLS has its own, in net). Plain values in and out; nothing here allocates
// except where a std::string is returned, and nothing fails: BoringSSL aborts when the kernel refuses randomness.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace loom {

using Sha256 = std::array<uint8_t, 32>;

[[nodiscard]] Sha256 sha256(std::string_view bytes) noexcept;

/// The digest of bytes that come in pieces. One digest each.
class Sha256Stream {
  public:
    Sha256Stream() noexcept;
    void add(std::string_view bytes) noexcept;
    [[nodiscard]] Sha256 finish() noexcept;

  private:
    alignas(8) std::array<uint8_t, 128> state_;  // BoringSSL's SHA256_CTX; crypto.cc holds it to this room
};

using Sha1 = std::array<uint8_t, 20>;
/// For WebSocket's handshake, which asks for it (RFC 6455, 4.2.2); it protects nothing.
[[nodiscard]] Sha1 sha1(std::string_view bytes) noexcept;

/// HMAC with SHA-256 (RFC 2104).
[[nodiscard]] Sha256 hmac_sha256(std::span<const uint8_t> key, std::string_view bytes) noexcept;
[[nodiscard]] Sha256 hmac_sha256(std::string_view key, std::string_view bytes) noexcept;

/// Takes a time that depends on the lengths alone, never on where the contents differ.
[[nodiscard]] bool equal_constant_time(std::span<const uint8_t> a, std::span<const uint8_t> b) noexcept;
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

/// The same for digests: four words instead of 32 bytes, since a key is looked up on every request.
[[nodiscard]] inline bool equal_constant_time(const Sha256& a, const Sha256& b) noexcept {
    uint64_t x[4], y[4];
    std::memcpy(x, a.data(), sizeof x);
    std::memcpy(y, b.data(), sizeof y);
    uint64_t difference = (x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]);
    asm volatile("" : "+r"(difference));  // keeps the optimiser from comparing word by word
    return difference == 0;
}

/// Lower-case hexadecimal.
[[nodiscard]] std::string hex_encode(std::span<const uint8_t> bytes);
/// The same of a digest, without asking the heap.
[[nodiscard]] std::array<char, 64> hex_of(const Sha256& digest) noexcept;

/// Either case. False, with `out` unspecified, unless `hex` is exactly 2 * out.size() hexadecimal digits.
[[nodiscard]] bool hex_decode(std::string_view hex, std::span<uint8_t> out) noexcept;

/// Overwrites memory in a way that the optimiser keeps.
void secure_wipe(std::span<uint8_t> bytes) noexcept;

/// Overwrites a secret, whole capacity included, and leaves the string empty.
void secure_wipe(std::string& secret) noexcept;

/// From the kernel's generator by way of BoringSSL's.
void random_bytes(std::span<uint8_t> out) noexcept;
[[nodiscard]] uint64_t random_u64() noexcept;

}  // namespace loom
