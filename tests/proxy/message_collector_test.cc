// Messages of a direction, cut and fragmented at every place: who reads them sees each one whole or not at all.
#include "message_collector.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loom::proxy {
namespace {

/// Wants messages that begin with '+', once it has seen four bytes; '?' is decided by the whole.
class Picky final : public MessageReader {
  public:
    Wish look_at_front(std::string_view front) noexcept override {
        looks += 1;
        if (front.starts_with('?')) return Wish::more;
        if (front.size() < 4) return Wish::more;
        return front.starts_with('+') ? Wish::whole : Wish::none;
    }
    void on_message(std::string_view message) override { messages.emplace_back(message); }
    void on_message_too_long() noexcept override { too_long += 1; }

    std::vector<std::string> messages;
    int looks = 0;
    int too_long = 0;
};

struct Fragment {
    std::string text;
    bool fin = true;
};

/// Frames as an upstream sends them, through the reader in pieces.
void feed(MessageCollector& collector, const std::vector<Fragment>& fragments, size_t piece_bytes) {
    std::string bytes;
    bool begun = false;
    for (const Fragment& fragment : fragments) {
        std::array<char, http::frame_head_bytes_max> head;
        const auto opcode = begun ? http::Opcode::continuation : http::Opcode::text;
        bytes.append(head.data(), http::write_frame_head(head, fragment.fin, opcode, fragment.text.size()));
        bytes += fragment.text;
        begun = !fragment.fin;
    }
    http::FrameReader reader(http::FrameReader::From::server, 1 << 20);
    for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
        std::string piece = bytes.substr(at, piece_bytes);
        for (std::span<char> rest(piece); !rest.empty();) {
            const http::FrameStep step = reader.next(rest);
            ASSERT_NE(step.kind, http::FrameStep::Kind::fault) << step.what;
            rest = rest.subspan(step.consumed);
            if (step.kind == http::FrameStep::Kind::data) collector.add(step);
        }
    }
}

TEST(MessageCollector, GivesTheWantedOnesWholeHoweverTheyCome) {
    const std::string large = "+" + std::string(400, 'x');
    const std::vector<Fragment> fragments = {{"+one"},       {"-two, which nobody wants"},
                                             {"+th", false}, {"", false},
                                             {"ree"},        {""},
                                             {"-", false},   {"four", false},
                                             {"."},          {large},
                                             {"?fi", false}, {"ve"},
                                             {"+6"},         {"-7"}};
    for (size_t piece = 1; piece < 600; piece += piece < 40 ? 1 : 17) {
        BlockPool blocks;
        Picky reader;
        MessageCollector collector(blocks, reader, 4096);
        feed(collector, fragments, piece);
        // What is over before it can be told is read, too: no reader may miss what it could have wanted.
        const std::vector<std::string> wanted = {"+one", "+three", "", large, "?five", "+6", "-7"};
        ASSERT_EQ(reader.messages, wanted) << piece;
        ASSERT_EQ(collector.message_count(), 9U);
        ASSERT_EQ(reader.too_long, 0);
        ASSERT_EQ(blocks.live_bytes(), 0U) << "nothing is kept between messages";
    }
}

TEST(MessageCollector, HoldsNoMoreThanItMay) {
    for (const size_t piece : {1UL, 7UL, 100UL, 300UL}) {
        BlockPool blocks;
        Picky reader;
        MessageCollector collector(blocks, reader, 100);
        feed(collector,
             {{"+" + std::string(98, 'a'), false}, {"b"}, {"+" + std::string(99, 'c'), false}, {"d"}, {"+end"}}, piece);
        EXPECT_EQ(reader.messages, (std::vector<std::string>{"+" + std::string(98, 'a') + "b", "+end"})) << piece;
        EXPECT_EQ(reader.too_long, 1);
        EXPECT_EQ(blocks.live_bytes(), 0U);
    }
}

TEST(MessageCollector, WhatNobodyWantsCostsOneLook) {
    BlockPool blocks;
    Picky reader;
    MessageCollector collector(blocks, reader, 1 << 20);
    feed(collector, {{"-" + std::string(100'000, 'x')}}, 1000);
    EXPECT_EQ(reader.looks, 1);
    EXPECT_TRUE(reader.messages.empty());
}

}  // namespace
}  // namespace loom::proxy
