// TLS records: data at every cut, bounds, and every way to end.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tls_pair.h"

namespace loom::net {
namespace {

using namespace test;

// ---- data ----

std::string transfer(TlsSession& from, TlsSession& to, std::string_view text, std::mt19937& random) {
    std::string opened;
    while (!text.empty() || from.pending_bytes() > 0) {
        const size_t taken = from.write(text.substr(0, random() % 40000)).value();
        text.remove_prefix(taken);
        EXPECT_LE(from.pending_bytes(), TlsSession::pending_max);
        EXPECT_TRUE(pass(from, to, 1 + random() % 5000, &opened).has_value());
    }
    return opened;
}

TEST(TlsData, ArrivesWholeAtRandomCutsBothWays) {
    Pair pair;
    const std::string text = noise(300000);
    for (unsigned seed = 1; seed <= 10; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        Connection c(pair);
        ASSERT_TRUE(c.open().has_value());
        ASSERT_EQ(transfer(c.client, c.server, text, random), text);
        ASSERT_EQ(transfer(c.server, c.client, text, random), text);
    }
}

TEST(TlsData, FeedInPlaceGivesTheSameBytes) {
    Pair pair;
    const std::string text = noise(200000);
    for (unsigned seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        Connection c(pair);
        ASSERT_TRUE(c.open().has_value());
        std::string opened;
        std::string_view left = text;
        while (!left.empty() || c.client.pending_bytes() > 0) {
            left.remove_prefix(c.client.write(left.substr(0, random() % 60000)).value());
            std::string wire;  // what one receive brings: up to a buffer of 16 KiB
            const size_t size = 1 + random() % 16384;
            while (wire.size() < size && c.client.pending_bytes() > 0) {
                const auto piece = c.client.pending_ciphertext().substr(0, size - wire.size());
                wire += piece;
                c.client.consume_ciphertext(piece.size());
            }
            auto progress = c.server.feed_in_place(wire);
            ASSERT_TRUE(progress.has_value());
            opened.append(wire, 0, progress->plaintext_bytes);
            std::string_view rest = std::string_view(wire).substr(progress->consumed_bytes);
            while (!rest.empty() || progress->more) {
                char out[700];
                progress = c.server.feed(rest, out);
                ASSERT_TRUE(progress.has_value());
                opened.append(out, progress->plaintext_bytes);
                rest.remove_prefix(progress->consumed_bytes);
            }
        }
        ASSERT_EQ(opened, text);
    }
}

TEST(TlsData, PiecesAreJoinedIntoRecords) {
    Pair pair;
    Connection c(pair);
    ASSERT_TRUE(c.open().has_value());
    const std::string head = "HTTP/1.1 200 OK\r\n\r\n", body = noise(50000);
    const auto at = [](const std::string& s) { return iovec{const_cast<char*>(s.data()), s.size()}; };
    const iovec pieces[] = {at(head), {nullptr, 0}, at(head), at(head)};
    ASSERT_EQ(c.server.write(pieces).value(), 3 * head.size());
    EXPECT_LT(c.server.pending_bytes(), 3 * head.size() + 30) << "one record, not three";
    std::string opened;
    ASSERT_TRUE(pass(c.server, c.client, SIZE_MAX, &opened).has_value());
    EXPECT_EQ(opened, head + head + head);

    const iovec mixed[] = {at(head), at(body), at(head)};
    size_t taken = c.server.write(mixed).value();
    EXPECT_LT(taken, body.size()) << "the bound of pending output holds";
    opened.clear();
    ASSERT_TRUE(pass(c.server, c.client, SIZE_MAX, &opened).has_value());
    EXPECT_EQ(opened, (head + body + head).substr(0, taken));
}

TEST(TlsData, FirstRecordsAreSmallThenLarge) {
    Pair pair;
    Connection c(pair);
    ASSERT_TRUE(c.open().has_value());
    const std::string text = noise(200000);
    std::string wire;
    for (std::string_view left = text; !left.empty();) {
        left.remove_prefix(c.server.write(left).value());
        while (c.server.pending_bytes() > 0) {
            wire += c.server.pending_ciphertext();
            c.server.consume_ciphertext(c.server.pending_ciphertext().size());
        }
    }
    std::vector<size_t> sizes;
    for (size_t i = 0; i < wire.size(); i += 5 + sizes.back())
        sizes.push_back(size_t(uint8_t(wire[i + 3])) << 8 | uint8_t(wire[i + 4]));
    EXPECT_LT(sizes.front(), 4096u);
    EXPECT_GT(*std::max_element(sizes.begin(), sizes.end()), 16000u);
    c.server.restart_small_records();
    ASSERT_TRUE(c.server.write(std::string_view(text).substr(0, 10000)).has_value());
    EXPECT_LT(c.server.pending_ciphertext().size(), 4096u);
}

TEST(TlsData, OutputStaysWhereItIsWhileMoreIsWritten) {
    Pair pair;
    Connection c(pair);
    ASSERT_TRUE(c.open().has_value());
    ASSERT_TRUE(c.client.write("first").has_value());
    const std::string_view in_flight = c.client.pending_ciphertext();
    const std::string before(in_flight);
    while (c.client.write(noise(1000)).value() > 0) {
    }
    EXPECT_EQ(in_flight, before);
    iovec pieces[64];
    const size_t count = c.client.pending_ciphertext(pieces);
    size_t bytes = 0;
    for (size_t i = 0; i < count; ++i) bytes += pieces[i].iov_len;
    EXPECT_EQ(bytes, c.client.pending_bytes());
    EXPECT_LE(bytes, TlsSession::pending_max);
}

// ---- ends ----

TEST(TlsEnd, CloseNotifyIsTheCleanEnd) {
    Pair pair;
    Connection c(pair);
    ASSERT_TRUE(c.open().has_value());
    ASSERT_TRUE(c.server.write("bye").has_value());
    c.server.begin_close();
    c.server.begin_close();
    const std::string wire(c.server.pending_ciphertext());
    char out[100];
    const auto progress = c.client.feed(wire, out);
    ASSERT_TRUE(progress.has_value());
    EXPECT_EQ(std::string_view(out, progress->plaintext_bytes), "bye");
    EXPECT_TRUE(progress->peer_closed);
    EXPECT_TRUE(c.client.end_of_input().has_value());
    ASSERT_TRUE(c.client.write("still sending").has_value()) << "half closed";
    std::string opened;
    ASSERT_TRUE(pass(c.client, c.server, SIZE_MAX, &opened).has_value());
    EXPECT_EQ(opened, "still sending");
}

TEST(TlsEnd, ACutIsNotACleanEnd) {
    Pair pair;
    Connection c(pair);
    ASSERT_TRUE(c.open().has_value());
    const auto end = c.client.end_of_input();
    ASSERT_FALSE(end.has_value());
    EXPECT_EQ(end.error().code, Errc::closed);
    EXPECT_EQ(end.error().retry, Retry::never);
    expect_says(c.client.last_error_text(), {"close_notify"});
    Connection half(pair);
    ASSERT_TRUE(half.client.start_client("a.example", 443).has_value());
    EXPECT_EQ(half.client.end_of_input().error().retry, Retry::safe);
}

TEST(TlsEnd, WhatCameBeforeATamperedRecordIsDelivered) {
    Pair pair;
    Connection c(pair);
    ASSERT_TRUE(c.open().has_value());
    ASSERT_TRUE(c.server.write("good").has_value());
    ASSERT_TRUE(c.server.write("evil").has_value());
    std::string wire(c.server.pending_ciphertext());
    wire.back() ^= 1;
    char out[100];
    const auto progress = c.client.feed(wire, out);
    ASSERT_TRUE(progress.has_value());
    EXPECT_EQ(std::string_view(out, progress->plaintext_bytes), "good");
    EXPECT_TRUE(progress->more);
    const auto fault = c.client.feed("", out);
    ASSERT_FALSE(fault.has_value());
    EXPECT_EQ(fault.error().code, Errc::tls_failed);
    EXPECT_GT(c.client.pending_bytes(), 0u) << "the alert";
}

TEST(TlsEnd, NoInputCrashesEitherSide) {
    Pair pair;
    for (unsigned seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        Connection c(pair);
        ASSERT_TRUE(c.server.start_server().has_value());
        ASSERT_TRUE(c.client.start_client("a.example", 443).has_value());
        TlsSession* from = &c.client;
        TlsSession* to = &c.server;
        for (int turn = 0; turn < 6 && !to->failed(); ++turn) {
            std::string wire(from->pending_ciphertext());
            from->consume_ciphertext(wire.size());
            if (!wire.empty() && random() % 3 == 0)
                wire[random() % wire.size()] ^= static_cast<char>(1 << random() % 8);
            if (random() % 8 == 0) wire.resize(random() % (wire.size() + 1));
            char out[64];
            (void)to->feed(wire, out);
            std::swap(from, to);
        }
    }
}

}  // namespace
}  // namespace loom::net
