#include "loom/base/cipher.h"

#include <openssl/aead.h>
#include <openssl/aes.h>
#include <openssl/digest.h>
#include <openssl/err.h>
#include <openssl/hkdf.h>
#include <openssl/mem.h>

#include <cstring>
#include <new>

#include "loom/base/assert.h"

namespace loom {
namespace {

template <class State, class Room>
State* state_in(Room& room) noexcept {
    static_assert(sizeof(State) <= sizeof room && alignof(State) <= 16);
    return std::launder(reinterpret_cast<State*>(room.data()));
}
template <class State, class Room>
const State* state_in(const Room& room) noexcept {
    return std::launder(reinterpret_cast<const State*>(room.data()));
}

}  // namespace

template <size_t bytes>
CipherKey<bytes>::~CipherKey() {
    OPENSSL_cleanse(value.data(), value.size());
}
template struct CipherKey<32>;
template struct CipherKey<64>;

void hkdf_sha256(std::span<const uint8_t> secret, std::span<const uint8_t> salt, std::string_view info,
                 std::span<uint8_t> out) noexcept {
    const int made = HKDF(out.data(), out.size(), EVP_sha256(), secret.data(), secret.size(), salt.data(), salt.size(),
                          reinterpret_cast<const uint8_t*>(info.data()), info.size());
    LOOM_ASSERT(made == 1);
}

Aes256Gcm::Aes256Gcm(const CipherKey<32>& key) noexcept {
    auto* const context = ::new (state_.data()) EVP_AEAD_CTX;
    static_assert(sizeof(EVP_AEAD_CTX) <= sizeof state_);
    EVP_AEAD_CTX_zero(context);
    const int made =
        EVP_AEAD_CTX_init(context, EVP_aead_aes_256_gcm(), key.value.data(), key.value.size(), tag_bytes, nullptr);
    LOOM_ASSERT(made == 1);
}

Aes256Gcm::~Aes256Gcm() {
    EVP_AEAD_CTX_cleanup(state_in<EVP_AEAD_CTX>(state_));
    OPENSSL_cleanse(state_.data(), state_.size());
}

void Aes256Gcm::seal(std::span<uint8_t> text, const Nonce& nonce, std::span<const uint8_t> beside,
                     std::span<uint8_t, tag_bytes> tag) const noexcept {
    size_t written = 0;
    const int sealed = EVP_AEAD_CTX_seal_scatter(state_in<EVP_AEAD_CTX>(state_), text.data(), tag.data(), &written,
                                                 tag.size(), nonce.data(), nonce.size(), text.data(), text.size(),
                                                 nullptr, 0, beside.data(), beside.size());
    LOOM_ASSERT(sealed == 1 && written == tag_bytes);
}

bool Aes256Gcm::open(std::span<const uint8_t> sealed, const Nonce& nonce, std::span<const uint8_t> beside,
                     std::span<const uint8_t, tag_bytes> tag, std::span<uint8_t> out) const noexcept {
    LOOM_ASSERT(out.size() == sealed.size());
    const int opened =
        EVP_AEAD_CTX_open_gather(state_in<EVP_AEAD_CTX>(state_), out.data(), nonce.data(), nonce.size(), sealed.data(),
                                 sealed.size(), tag.data(), tag.size(), beside.data(), beside.size());
    if (opened != 1) ERR_clear_error();  // it is told by the return
    return opened == 1;
}

Aes256Xts::Aes256Xts(const CipherKey<64>& key) noexcept {
    static_assert(sizeof(AES_KEY) <= sizeof(Schedule));
    // IEEE 1619: the first half is for the data, the second for the tweaks.
    int failed = AES_set_encrypt_key(key.value.data(), 256, ::new (encrypts_.data()) AES_KEY);
    failed |= AES_set_decrypt_key(key.value.data(), 256, ::new (decrypts_.data()) AES_KEY);
    failed |= AES_set_encrypt_key(key.value.data() + 32, 256, ::new (tweaks_.data()) AES_KEY);
    LOOM_ASSERT(failed == 0);
}

Aes256Xts::~Aes256Xts() {
    for (Schedule* const schedule : {&encrypts_, &decrypts_, &tweaks_})
        OPENSSL_cleanse(schedule->data(), schedule->size());
}

template <class Cipher>
void Aes256Xts::run(std::span<uint8_t> unit, uint64_t number, const Cipher& cipher) const noexcept {
    LOOM_ASSERT(unit.size() % block_bytes == 0);
    uint8_t bytes[block_bytes] = {};
    for (size_t i = 0; i < sizeof number; ++i) bytes[i] = static_cast<uint8_t>(number >> (8 * i));
    AES_encrypt(bytes, bytes, state_in<AES_KEY>(tweaks_));
    for (size_t at = 0; at < unit.size(); at += block_bytes) {
        uint8_t* const block = unit.data() + at;
        for (size_t i = 0; i < block_bytes; ++i) block[i] ^= bytes[i];
        cipher(block);
        for (size_t i = 0; i < block_bytes; ++i) block[i] ^= bytes[i];
        // Times alpha in GF(2^128), little endian.
        uint8_t carry = 0;
        for (uint8_t& byte : bytes) {
            const auto next = static_cast<uint8_t>(byte >> 7);
            byte = static_cast<uint8_t>(byte << 1 | carry);
            carry = next;
        }
        if (carry != 0) bytes[0] ^= 0x87;
    }
}

void Aes256Xts::encrypt(std::span<uint8_t> unit, uint64_t number) const noexcept {
    run(unit, number, [this](uint8_t* block) { AES_encrypt(block, block, state_in<AES_KEY>(encrypts_)); });
}

void Aes256Xts::decrypt(std::span<uint8_t> unit, uint64_t number) const noexcept {
    run(unit, number, [this](uint8_t* block) { AES_decrypt(block, block, state_in<AES_KEY>(decrypts_)); });
}

}  // namespace loom
