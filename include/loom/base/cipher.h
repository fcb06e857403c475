// Ciphers for what lies on a disk, and how their keys are made: BoringSSL's. Beside crypto.h, so that few files know of
// them. Sealing and opening allocate nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace loom {

/// A key that is overwritten when it goes.
template <size_t bytes>
struct CipherKey {
    std::array<uint8_t, bytes> value{};
    CipherKey() = default;
    CipherKey(const CipherKey&) = default;
    CipherKey& operator=(const CipherKey&) = default;
    ~CipherKey();
};

/// HKDF with SHA-256 (RFC 5869). out  up to 255 * 32 bytes.
void hkdf_sha256(std::span<const uint8_t> secret, std::span<const uint8_t> salt, std::string_view info,
                 std::span<uint8_t> out) noexcept;

/// AES-256-GCM (NIST SP 800-38D): nobody reads it, and nobody changes it unseen. A key and a nonce are used for one
/// text alone: whoever seals two with them gives both away, and the key for the tags.
class Aes256Gcm {
  public:
    static constexpr size_t tag_bytes = 16;
    static constexpr size_t nonce_bytes = 12;
    using Nonce = std::array<uint8_t, nonce_bytes>;

    explicit Aes256Gcm(const CipherKey<32>& key) noexcept;
    ~Aes256Gcm();
    Aes256Gcm(const Aes256Gcm&) = delete;

    /// In place. beside  is not sealed, and cannot be changed either.
    void seal(std::span<uint8_t> text, const Nonce& nonce, std::span<const uint8_t> beside,
              std::span<uint8_t, tag_bytes> tag) const noexcept;
    /// out  as long as `sealed`, or the same bytes. False where anything was changed: then what is in `out` is nothing.
    [[nodiscard]] bool open(std::span<const uint8_t> sealed, const Nonce& nonce, std::span<const uint8_t> beside,
                            std::span<const uint8_t, tag_bytes> tag, std::span<uint8_t> out) const noexcept;

  private:
    alignas(16) std::array<uint8_t, 1024> state_;  // BoringSSL's EVP_AEAD_CTX; cipher.cc holds it to this room
};

/// XTS-AES-256 (IEEE 1619) without ciphertext stealing: units of whole 16-byte blocks, each of which can be replaced by
/// itself. Nobody reads it; who can write to the disk can put garbage, or an older state of a block, in its place, and
/// who sees two states of it sees which blocks differ.
class Aes256Xts {
  public:
    static constexpr size_t block_bytes = 16;

    explicit Aes256Xts(const CipherKey<64>& key) noexcept;
    ~Aes256Xts();
    Aes256Xts(const Aes256Xts&) = delete;

    /// In place. unit  a multiple of block_bytes; its front is at the front of the data unit `number`.
    void encrypt(std::span<uint8_t> unit, uint64_t number) const noexcept;
    void decrypt(std::span<uint8_t> unit, uint64_t number) const noexcept;

  private:
    template <class Cipher>
    void run(std::span<uint8_t> unit, uint64_t number, const Cipher& cipher) const noexcept;
    using Schedule = std::array<uint8_t, 512>;  // BoringSSL's AES_KEY, likewise
    alignas(16) Schedule encrypts_;
    alignas(16) Schedule decrypts_;
    alignas(16) Schedule tweaks_;
};

}  // namespace loom
