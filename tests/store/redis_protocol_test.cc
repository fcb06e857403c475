// What Redis says, in whatever pieces it comes: replies, bounds, and what errors mean.
#include "loom/store/redis_protocol.h"

#include <gtest/gtest.h>

#include "loom/store/lease_script.h"
#include "loom/store/shared_usage.h"

namespace loom::store {
namespace {

using Type = RedisReply::Type;

std::string shown(const RedisReply& reply) {
    switch (reply.type) {
        case Type::nil: return "nil";
        case Type::text: return "'" + reply.text + "'";
        case Type::status: return "+" + reply.text;
        case Type::error: return "-" + reply.text;
        case Type::integer: return std::to_string(reply.integer);
        case Type::array: break;
    }
    std::string all = "[";
    for (const RedisReply& item : reply.items) all += shown(item) + ",";
    return all + "]";
}

/// All replies, then what is wrong, if anything is.
std::string read(std::initializer_list<std::string_view> pieces, size_t bytes_max = 1 << 20) {
    RedisReader reader(bytes_max);
    std::string all;
    for (const std::string_view piece : pieces) {
        if (const auto fed = reader.feed(piece); !fed) return all + "!" + errc_name(fed.error().code);
        for (;;) {
            auto reply = reader.next();
            if (!reply) return all + "!" + errc_name(reply.error().code);
            if (!*reply) break;
            all += shown(**reply) + ";";
        }
    }
    return all;
}

constexpr std::string_view stream =
    "+OK\r\n-ERR no\r\n:-42\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n"
    "*3\r\n*2\r\n:1\r\n$2\r\nxy\r\n*0\r\n*1\r\n*1\r\n+deep\r\n:7\r\n";
constexpr std::string_view replies = "+OK;-ERR no;-42;'a\r\nbc';'';nil;nil;[];[[1,'xy',],[],[[+deep,],],];7;";

TEST(RedisReader, TellsTheSameWhereverItsBytesAreCut) {
    EXPECT_EQ(read({stream}), replies);
    for (size_t cut = 0; cut <= stream.size(); ++cut)
        for (size_t second = cut; second <= stream.size(); ++second)
            ASSERT_EQ(read({stream.substr(0, cut), stream.substr(cut, second - cut), stream.substr(second)}), replies)
                << cut << " " << second;
}

TEST(RedisReader, GivesNothingForHalfAReply) {
    for (size_t cut = 0; cut < stream.size(); ++cut) {
        const std::string got = read({stream.substr(0, cut)});
        EXPECT_TRUE(replies.starts_with(got)) << cut << ": " << got;
        EXPECT_LT(got.size(), replies.size());
    }
}

TEST(RedisReader, RefusesWhatIsNoReply) {
    for (const std::string_view bytes :
         {"HTTP/1.1 400\r\n", "x\r\n", ":abc\r\n", "$abc\r\n", "$-2\r\n", "*-2\r\n", "%1\r\n+a\r\n+b\r\n",
          "*99999999999999999999\r\n", "\r\n", ",1.5\r\n", "#t\r\n", "*2\r\n:1\r\n#f\r\n"})
        EXPECT_TRUE(read({bytes}).find('!') != std::string::npos) << bytes << read({bytes});
    EXPECT_EQ(read({"+OK\r\nx\r\n", "+OK\r\n"}), "+OK;!bad_message") << "and nothing behind it is read";
}

TEST(RedisReader, HoldsNoMoreThanItsBound) {
    EXPECT_EQ(read({"$1000000000\r\n", std::string(2000, 'a')}, 1000), "!too_large");
    EXPECT_EQ(read({"+" + std::string(2000, 'a')}, 1000), "!too_large");
    EXPECT_EQ(read({"*1000000000\r\n:1\r\n"}, 1000), "") << "a length alone takes no memory";
    std::string many;
    for (int i = 0; i < 1000; ++i) many += ":1\r\n";
    EXPECT_EQ(read({many.substr(0, 900), many.substr(900, 900), many.substr(1800, 900)}, 1000).size(), 2 * 675u)
        << "what was read counts no more";
    std::string nested;
    for (int i = 0; i < 100; ++i) nested += "*2\r\n";
    EXPECT_EQ(read({nested}), "!bad_message");
    std::string values = "*100000\r\n";
    for (int i = 0; i < 100'000; ++i) values += ":1\r\n";
    EXPECT_EQ(read({values}), "!bad_message") << "more values than any answer to Loom has";
}

TEST(RedisCommand, SaysEachWordWithItsLength) {
    const std::string_view words[] = {"SET", "k\r\ney", ""};
    EXPECT_EQ(redis_command(words), "*3\r\n$3\r\nSET\r\n$5\r\nk\r\ney\r\n$0\r\n\r\n");
}

TEST(RedisFaults, AreSortedByWhatHelps) {
    const auto sorted = [](std::string_view text) { return redis_fault(text); };
    EXPECT_EQ(sorted("NOSCRIPT No matching script. Please use EVAL."), RedisFault::no_script);
    EXPECT_EQ(sorted("NOAUTH Authentication required."), RedisFault::unauthenticated);
    EXPECT_EQ(sorted("WRONGPASS invalid username-password pair or user is disabled."), RedisFault::unauthenticated);
    EXPECT_EQ(sorted("ERR invalid password"), RedisFault::unauthenticated);
    EXPECT_EQ(sorted("NOPERM this user has no permissions to run the 'eval' command"), RedisFault::unauthenticated);
    EXPECT_EQ(sorted("LOADING Redis is loading the dataset in memory"), RedisFault::loading);
    EXPECT_EQ(sorted("MASTERDOWN Link with MASTER is down"), RedisFault::loading);
    EXPECT_EQ(sorted("CLUSTERDOWN The cluster is down"), RedisFault::loading);
    EXPECT_EQ(sorted("READONLY You can't write against a read only replica."), RedisFault::read_only);
    EXPECT_EQ(sorted("MOVED 3999 127.0.0.1:6381"), RedisFault::moved);
    EXPECT_EQ(sorted("ASK 3999 127.0.0.1:6381"), RedisFault::moved);
    EXPECT_EQ(sorted("OOM command not allowed when used memory > 'maxmemory'."), RedisFault::out_of_memory);
    EXPECT_EQ(sorted("WRONGTYPE Operation against a key"), RedisFault::command);
    EXPECT_EQ(sorted(""), RedisFault::command);
    EXPECT_EQ(redis_moved_to("MOVED 3999 127.0.0.1:6381"), "127.0.0.1:6381");
    EXPECT_EQ(redis_moved_to("MOVED"), "");
    EXPECT_EQ(redis_moved_to("ERR x y"), "");
    EXPECT_EQ(redis_error_text("ERR a\r\nb\x1b"), "ERR a??b?");
}

TEST(RedisKey, LiesInOneSlotForAllOfAPrefix) {
    EXPECT_EQ(redis_key("loom:tokens:", "lease:x"), "loom:tokens:{loom}lease:x");
    EXPECT_EQ(redis_key("{a}:", "lease:{x}"), "{a}:lease:{x}");
    EXPECT_EQ(redis_key("a}{b", "x"), "a}{b{loom}x") << "a cluster hashes what is between the first { and the next }";
}

TEST(SharedUsage, RowsComeBackAsTheyWere) {
    const UsageRowName name{.day = 19'683,
                            .consumer = "al:ice 5:",
                            .team = "",
                            .tenant = std::string("\0\r\n", 3),
                            .provider = "openai",
                            .model = "gpt-4o",
                            .provenance = "reported"};
    const std::string text = usage_name_text(name);
    EXPECT_EQ(parse_usage_name(text), name);
    for (size_t cut = 0; cut < text.size(); ++cut) EXPECT_FALSE(parse_usage_name(text.substr(0, cut))) << cut;
    EXPECT_FALSE(parse_usage_name(text + "x"));
    EXPECT_FALSE(parse_usage_name("19683 999999999999:x0:0:0:0:0:"));
    const UsageSums sums{.requests = 1,
                         .attempts = 2,
                         .input = 3,
                         .cached_input = 4,
                         .cache_write = 5,
                         .cache_write_1h = 6,
                         .output = 7,
                         .reasoning = 8,
                         .unpriced = 9,
                         .estimated = 10,
                         .cost = (static_cast<unsigned __int128>(1) << 60) + 11};
    const std::string numbers = usage_sums_text(sums);
    EXPECT_EQ(parse_usage_sums(numbers), sums);
    EXPECT_FALSE(parse_usage_sums(numbers + "1234567")) << "more than a millionth";
    EXPECT_FALSE(parse_usage_sums("1 2 3 4 5 6 7 8 9 10 11"));
    EXPECT_FALSE(parse_usage_sums("-1 2 3 4 5 6 7 8 9 10 11 12"));
    std::string largest;
    for (int i = 0; i < 11; ++i) largest += "17592186044416 ";
    EXPECT_TRUE(parse_usage_sums(largest + "0")) << "sums of half a million rows of it fit 64 bits";
    EXPECT_FALSE(parse_usage_sums("17592186044417 2 3 4 5 6 7 8 9 10 11 12"));
    EXPECT_FALSE(parse_usage_sums("99999999999999999 2 3 4 5 6 7 8 9 10 11 12")) << "sums of many would not fit";
}

TEST(SharedUsage, MonthsAreTheCalendars) {
    EXPECT_EQ(usage_month(0), "1970-01");
    EXPECT_EQ(usage_month(19'782), "2024-02");
    EXPECT_EQ(usage_month(19'783), "2024-03");
    EXPECT_EQ(usage_day_text(usage_shared_since(19'783)), "2023-03-01");
}

RedisReply text_reply(std::string text) { return {.type = Type::text, .text = std::move(text)}; }

TEST(SharedUsage, WhatIsNoneOfItIsPassedOverOrRefused) {
    RedisReply rows{.type = Type::array};
    const std::string name = usage_name_text({.day = 19'783, .consumer = "a", .provenance = "reported"});
    const std::string sums = usage_sums_text({.requests = 1});
    for (const auto& [one, revision, numbers] :
         {std::tuple{name, "7", sums}, std::tuple{name + "x", "8", sums}, std::tuple{name, "9", std::string()}})
        for (const std::string& word : {one, std::string(revision), numbers}) rows.items.push_back(text_reply(word));
    const auto fetched = read_fetched("2024-03", rows);
    ASSERT_TRUE(fetched);
    EXPECT_EQ(fetched->rows.size(), 1u);
    EXPECT_EQ(fetched->unreadable, 2u);
    EXPECT_EQ(fetched->last_revision, 9u);
    EXPECT_TRUE(fetched->whole);
    EXPECT_EQ(read_fetched("2024-02", rows)->rows.size(), 0u) << "of another month";
    rows.items.pop_back();
    EXPECT_FALSE(read_fetched("2024-03", rows));
    EXPECT_FALSE(read_fetched("2024-03", text_reply("x")));
    EXPECT_FALSE(read_month("2024-03", text_reply("x")));
    EXPECT_FALSE(read_shipped(text_reply("x")));
    EXPECT_EQ(fetched->unreadable_at, 8u);
    EXPECT_FALSE(*read_shipped({.type = Type::nil}));
    const auto shipped = read_shipped(text_reply("12 abc 0123456789abcdef"));
    ASSERT_TRUE(shipped && *shipped);
    EXPECT_EQ((*shipped)->revision, 12u);
    EXPECT_EQ((*shipped)->start, "abc");
    EXPECT_EQ((*shipped)->generation, "0123456789abcdef");
    for (const char* const wrong :
         {"12", "12 abc", "12 abc x", "4503599627370497 abc 0123456789abcdef", "-1 abc 0123456789abcdef"})
        EXPECT_FALSE(read_shipped(text_reply(wrong))) << wrong;
    RedisReply month{.type = Type::array};
    const std::string loom(32, 'a');
    for (const std::string& word : {loom, std::string("7 0123456789abcdef"), loom, std::string("7")})
        month.items.push_back(text_reply(word));
    const auto looms = read_month("2024-03", month);
    ASSERT_TRUE(looms);
    ASSERT_EQ(looms->size(), 1u) << "one of another version is none";
    EXPECT_EQ((*looms)[0].generation, "0123456789abcdef");
}

TEST(LeaseScript, AnAnswerIsFourNumbersForEachDraw) {
    RedisReply reply{.type = Type::array};
    for (const int64_t number : {5, 7, 2, 1}) reply.items.push_back({.type = Type::integer, .integer = number});
    const auto grants = read_lease_grants(reply, 1);
    ASSERT_TRUE(grants);
    EXPECT_EQ((*grants)[0].granted, 5u);
    EXPECT_EQ((*grants)[0].others, 7u);
    EXPECT_EQ((*grants)[0].looms, 2u);
    EXPECT_FALSE(read_lease_grants(reply, 2));
    reply.items[0].integer = -1;
    EXPECT_FALSE(read_lease_grants(reply, 1));
    EXPECT_FALSE(read_lease_grants(text_reply("x"), 1));
}

}  // namespace
}  // namespace loom::store
