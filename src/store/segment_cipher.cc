#include "segment_cipher.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstring>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"
#include "loom/store/vault.h"

namespace loom::store {
namespace {

using tenant::LedgerRead;

constexpr std::string_view magic = "loomseal";
constexpr size_t salt_at = 16;
constexpr size_t salt_bytes = 32;
constexpr size_t header_tag_at = salt_at + salt_bytes;
constexpr size_t frame_tag_at = 8;  // what is in front of it is sealed too
constexpr uint8_t sealed_type = 4;  // a plain reader knows 1 to 3
constexpr uint8_t version = 1;
static_assert(std::endian::native == std::endian::little);

std::span<const uint8_t> bytes_of(std::string_view text) noexcept {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
std::span<uint8_t> bytes_of(std::span<char> text) noexcept {
    return {reinterpret_cast<uint8_t*>(text.data()), text.size()};
}

struct Keys {
    CipherKey<32> records;
    CipherKey<32> header;
};
Keys keys_of(const Vault& vault, const SegmentName& name, std::string_view salt) {
    CipherKey<64> both;
    vault.derive("ledger " + segment_file_name(name), bytes_of(salt), both.value);
    Keys keys;
    std::memcpy(keys.records.value.data(), both.value.data(), 32);
    std::memcpy(keys.header.value.data(), both.value.data() + 32, 32);
    return keys;
}

std::string header_tag(const Keys& keys, std::string_view head) {
    const Sha256 tag = hmac_sha256(keys.header.value, head);
    return {reinterpret_cast<const char*>(tag.data()), Aes256Gcm::tag_bytes};
}

uint32_t length_at(const char* frame) noexcept {
    uint32_t length = 0;
    std::memcpy(&length, frame, sizeof length);
    return length;
}

Aes256Gcm::Nonce nonce_at(uint64_t offset) noexcept {
    Aes256Gcm::Nonce nonce{};
    std::memcpy(nonce.data(), &offset, sizeof offset);
    return nonce;
}

}  // namespace

SegmentCipher::Made SegmentCipher::make(const Vault& vault, const SegmentName& name) {
    std::string head(magic);
    const uint32_t numbers[2] = {version, 0};
    head.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
    std::string salt(salt_bytes, '\0');
    random_bytes(bytes_of(std::span<char>(salt)));
    head += salt;
    const Keys keys = keys_of(vault, name, salt);
    head += header_tag(keys, head);
    LOOM_ASSERT(head.size() == copy_bytes);
    return {std::unique_ptr<SegmentCipher>(new SegmentCipher(keys.records)), head + head};
}

std::unique_ptr<SegmentCipher> SegmentCipher::read(const Vault& vault, const SegmentName& name,
                                                   std::string_view front) {
    for (size_t at = 0; at + copy_bytes <= front.size() && at < header_bytes; at += copy_bytes) {
        const std::string_view copy = front.substr(at, copy_bytes);
        const Keys keys = keys_of(vault, name, copy.substr(salt_at, salt_bytes));
        const std::string tag = header_tag(keys, copy.substr(0, header_tag_at));
        if (copy.starts_with(magic) && equal_constant_time(tag, copy.substr(header_tag_at)))
            return std::unique_ptr<SegmentCipher>(new SegmentCipher(keys.records));
    }
    return nullptr;
}

bool SegmentCipher::looks_sealed(std::string_view front) noexcept {
    return front.starts_with(magic) || (front.size() > copy_bytes && front.substr(copy_bytes).starts_with(magic));
}

size_t SegmentCipher::lay_out(std::span<char> room, size_t record_bytes) noexcept {
    const auto length = static_cast<uint32_t>(frame_bytes + record_bytes);
    LOOM_ASSERT(length <= room.size());
    std::memset(room.data(), 0, frame_bytes);
    std::memcpy(room.data(), &length, sizeof length);
    room[4] = static_cast<char>(sealed_type);
    room[5] = static_cast<char>(version);
    return length;
}

void SegmentCipher::seal(std::span<char> frames, uint64_t offset) const noexcept {
    while (!frames.empty()) {
        const uint32_t length = length_at(frames.data());
        LOOM_ASSERT(length > frame_bytes && length <= frames.size());
        const auto frame = bytes_of(frames.first(length));
        gcm_.seal(frame.subspan(frame_bytes), nonce_at(offset), frame.first(frame_tag_at),
                  frame.subspan<frame_tag_at, Aes256Gcm::tag_bytes>());
        frames = frames.subspan(length);
        offset += length;
    }
}

void SegmentCipher::unseal(std::span<char> frames, uint64_t offset) const noexcept {
    while (!frames.empty()) {
        const uint32_t length = length_at(frames.data());
        LOOM_ASSERT(length > frame_bytes && length <= frames.size());
        const auto frame = bytes_of(frames.first(length));
        const bool opened = gcm_.open(frame.subspan(frame_bytes), nonce_at(offset), frame.first(frame_tag_at),
                                      frame.subspan<frame_tag_at, Aes256Gcm::tag_bytes>(), frame.subspan(frame_bytes));
        LOOM_ASSERT(opened);  // it lay in our own memory
        frames = frames.subspan(length);
        offset += length;
    }
}

LedgerRead SegmentCipher::read_record(std::string_view bytes, uint64_t offset,
                                      std::span<char, tenant::ledger_record_bytes_max> room) const noexcept {
    LedgerRead read;
    if (bytes.size() < frame_bytes) {
        read.state = LedgerRead::State::incomplete;
        return read;
    }
    const uint32_t length = length_at(bytes.data());
    const bool plausible = length > frame_bytes + tenant::ledger_header_bytes && length <= sealed_record_bytes_max &&
                           bytes[4] == sealed_type && bytes[5] == version && bytes[6] == 0 && bytes[7] == 0;
    if (!plausible) return read;
    if (bytes.size() < length) {
        read.state = LedgerRead::State::incomplete;
        return read;
    }
    const auto frame = bytes_of(bytes.substr(0, length));
    const auto record = room.first(length - frame_bytes);
    if (!gcm_.open(frame.subspan(frame_bytes), nonce_at(offset), frame.first(frame_tag_at),
                   frame.subspan<frame_tag_at, Aes256Gcm::tag_bytes>(), bytes_of(record)))
        return read;
    read = tenant::read_ledger_record({record.data(), record.size()});
    if (read.state == LedgerRead::State::whole && read.bytes == record.size())
        read.bytes = length;
    else
        read = LedgerRead();
    return read;
}

std::string sealed_record(const SegmentCipher& cipher, std::string_view record, uint64_t offset) {
    std::string frame(SegmentCipher::frame_bytes + record.size(), '\0');
    SegmentCipher::lay_out(frame, record.size());
    record.copy(frame.data() + SegmentCipher::frame_bytes, record.size());
    cipher.seal(frame, offset);
    return frame;
}

}  // namespace loom::store
