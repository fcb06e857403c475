// The Keccak reference, version 3.0 (G. Bertoni, J. Daemen, M. Peeters, G. Van Assche): Keccak-f[1600], rate 1088.
#include "keccak.h"

#include <bit>
#include <cstring>

#include "loom/base/assert.h"

namespace loom::guard {

namespace {

constexpr size_t rate_bytes = 136;
constexpr uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
constexpr int rotations[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                               27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
constexpr int lanes[24] = {10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1};

void permute(uint64_t (&state)[25]) noexcept {
    for (uint64_t constant : round_constants) {
        uint64_t column[5];
        for (int i = 0; i < 5; ++i) column[i] = state[i] ^ state[i + 5] ^ state[i + 10] ^ state[i + 15] ^ state[i + 20];
        for (int i = 0; i < 5; ++i) {
            const uint64_t theta = column[(i + 4) % 5] ^ std::rotl(column[(i + 1) % 5], 1);
            for (int j = 0; j < 25; j += 5) state[i + j] ^= theta;
        }
        uint64_t moved = state[1];
        for (int i = 0; i < 24; ++i) {
            const uint64_t next = state[lanes[i]];
            state[lanes[i]] = std::rotl(moved, rotations[i]);
            moved = next;
        }
        for (int row = 0; row < 25; row += 5) {
            uint64_t old[5];
            std::memcpy(old, state + row, sizeof old);
            for (int i = 0; i < 5; ++i) state[row + i] = old[i] ^ (~old[(i + 1) % 5] & old[(i + 2) % 5]);
        }
        state[0] ^= constant;
    }
}

}  // namespace

std::array<uint8_t, 32> keccak256(std::string_view text) noexcept {
    LOOM_ASSERT(text.size() < rate_bytes);
    uint8_t block[200] = {};
    std::memcpy(block, text.data(), text.size());
    block[text.size()] ^= 0x01;
    block[rate_bytes - 1] ^= 0x80;
    uint64_t state[25];
    std::memcpy(state, block, sizeof state);  // little-endian, as all that Loom runs on
    permute(state);
    std::array<uint8_t, 32> digest;
    std::memcpy(digest.data(), state, digest.size());
    return digest;
}

}  // namespace loom::guard
