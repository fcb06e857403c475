// Every kernel gives what the scalar one gives: each byte value at each place, and bytes drawn by chance.
#include "anchors.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "../sim/random.h"

namespace loom::guard::test {
namespace {

constexpr size_t room = anchor_before + anchor_block + anchor_behind;

void agree(const unsigned char* block, const std::string& about) {
    const Anchors expected = anchors_at(&anchors_scalar, block);
    for (AnchorKernel kernel : anchor_kernels())
        if (kernel != nullptr) ASSERT_EQ(anchors_at(kernel, block), expected) << about;
}

TEST(Anchors, KernelsAgreeOnEachByteAtEachPlace) {
    for (const char filler : {' ', 'x', '7', '-'}) {
        unsigned char bytes[room];
        std::memset(bytes, filler, room);
        for (size_t at = 0; at < room; ++at) {
            for (int c = 0; c < 256; ++c) {
                bytes[at] = static_cast<unsigned char>(c);
                agree(bytes + anchor_before, std::to_string(c) + " at " + std::to_string(at));
            }
            bytes[at] = static_cast<unsigned char>(filler);
        }
    }
}

TEST(Anchors, KernelsAgreeOnWhatChanceDraws) {
    sim::Random random(7);
    constexpr std::string_view likely = "0123456789@:= -.skAKIghpeyJ()+/xobc1BEG\xc3\xa9";
    for (int run = 0; run < 20'000; ++run) {
        unsigned char bytes[room];
        for (unsigned char& c : bytes)
            c = static_cast<unsigned char>(random.chance(700) ? likely[random.below(likely.size())]
                                                              : random.below(256));
        agree(bytes + anchor_before, "run " + std::to_string(run));
    }
}

/// Kernels go on from a block in which there is nothing: each stops where the scalar one does, and that one at the
/// first block that holds something by itself.
void agree_over_blocks(const unsigned char* text, Pos end, const std::string& about) {
    for (AnchorKernel kernel : anchor_kernels()) {
        if (kernel == nullptr) continue;
        for (Pos at = anchor_before; at < end;) {
            Anchors found, expected;
            const Pos got = kernel(text, at, end, found);
            ASSERT_EQ(got, anchors_scalar(text, at, end, expected)) << about;
            ASSERT_EQ(found, expected) << about << " at " << got;
            for (Pos before = at; before <= got; before += anchor_block) {
                const Anchors block = anchors_at(&anchors_scalar, text + before);
                ASSERT_TRUE(before == got ? block == found : (block.numbers | block.signs | block.literals) == 0);
            }
            ASSERT_TRUE((found.numbers | found.signs | found.literals) != 0 || got + anchor_block >= end);
            at = got + anchor_block;
        }
    }
}

TEST(Anchors, KernelsGoOnFromBlockToBlock) {
    constexpr Pos blocks = 6;
    sim::Random random(11);
    constexpr std::string_view things[] = {"sk-", "eyJ", "ann@fine.test", "4111 1111 1111 1111", "password: x", "AKIA"};
    for (int run = 0; run < 5000; ++run) {
        unsigned char bytes[anchor_before + blocks * anchor_block + anchor_behind];
        std::memset(bytes, ' ', sizeof bytes);
        for (auto count = random.below(4); count > 0; --count) {
            const std::string_view thing = things[random.below(std::size(things))];
            std::memcpy(bytes + random.below(sizeof bytes - thing.size()), thing.data(), thing.size());
        }
        const Pos end = anchor_before + 1 + static_cast<Pos>(random.below(blocks * anchor_block));
        agree_over_blocks(bytes, end, "run " + std::to_string(run));
        if (HasFatalFailure()) return;
    }
}

TEST(Anchors, AreWhatTheirCommentSays) {
    unsigned char bytes[room];
    std::memset(bytes, ' ', room);
    std::memcpy(bytes + 7, "12 a3 @:= sk-x task-1 eyJ 9", 27);  // the block begins behind "12"
    const Anchors found = anchors_at(&anchors_scalar, bytes + anchor_before);
    const auto at = [](size_t place) { return uint64_t{1} << (place - anchor_before); };
    EXPECT_EQ(found.all_numbers, at(11) | at(27) | at(33));
    EXPECT_EQ(found.all_signs, at(13) | at(14) | at(15));
    EXPECT_EQ(found.numbers, 0u);                // none is long, or in groups
    EXPECT_EQ(found.signs, at(13));              // no address, no name of a secret
    EXPECT_EQ(found.literals & at(19), at(19));  // "sk-", behind a blank
    EXPECT_EQ(found.literals & at(26), 0u);      // "sk-" in "task-1"
    EXPECT_EQ(found.literals & at(31), at(31));  // "eyJ"
}

TEST(Anchors, EveryFingerprintIsSeenEverywhere) {
    for (std::string_view word : fingerprints) {
        for (size_t begin = 7; begin + word.size() <= anchor_before + anchor_block; ++begin) {
            unsigned char bytes[room];
            std::memset(bytes, ' ', room);
            std::memcpy(bytes + begin, word.data(), word.size());
            if (begin + 2 < anchor_before) continue;
            const Anchors found = anchors_at(&anchors_scalar, bytes + anchor_before);
            EXPECT_NE(found.literals & uint64_t{1} << (begin + 2 - anchor_before), 0u) << word << " at " << begin;
        }
    }
}

}  // namespace
}  // namespace loom::guard::test
