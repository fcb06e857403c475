// A request's instructions, as an answer is compared with them: whatever escapes they are written with.
#include "instructions.h"

#include <gtest/gtest.h>

#include <string>

#include "loom/base/block_pool.h"

namespace loom::proxy {
namespace {

bool leaks(std::string_view document, std::string_view answer) {
    BlockPool pool;
    guard::SystemText system(pool);
    read_instructions(document, system);
    guard::SystemTextScan scan(system);
    bool found = false;
    const std::string text = std::string(answer) + "\x1e";
    scan.advance(text, true, [&](size_t, size_t, bool) { found = true; });
    return found;
}
std::string telling(std::string_view system) {
    return R"({"messages":[{"role":"system","content":")" + std::string(system) +
           R"("},{"role":"user","content":"a"}]})";
}

/// Thirteen: of twelve and less no request has a secret.
const std::string words = "one two three four five six seven eight nine ten eleven twelve thirteen";

TEST(Instructions, EscapesAreRead) {
    EXPECT_TRUE(leaks(telling(words), words));
    EXPECT_FALSE(leaks(telling(words), "one two three four five seven eight nine ten eleven twelve thirteen"));
    EXPECT_TRUE(leaks(
        telling(
            R"(one\ntwo\tthree \u0066our five \"six\" seven\u002c eight nine ten eleven twelve \ud83d\ude00 thirteen)"),
        words.substr(0, words.rfind(' '))));
}

/// A word with two halves of an escape in it is one, wherever a piece ends.
TEST(Instructions, NoEscapeIsCutWhereAPieceEnds) {
    std::string answer, told;
    for (int i = 0; i < 13; ++i) {
        answer += "x\xf0\x9f\x98\x80y ";
        told += R"(x\ud83d\ude00y )";
    }
    for (size_t before = 3900; before < 4110; ++before)
        ASSERT_TRUE(leaks(telling(std::string(before, '.') + told), answer)) << before;
}

TEST(Instructions, ABrokenEscapeCostsNothingAroundIt) {
    EXPECT_TRUE(leaks(telling(R"(\x \u12 )" + words), words));
    EXPECT_TRUE(leaks(telling(words + R"( \q)"), words));
    EXPECT_TRUE(leaks(telling(R"(\ud83d\u12zz )" + words), words));
}

TEST(Instructions, WhatTheUserSaysTooIsNoLeak) {
    EXPECT_FALSE(
        leaks(R"({"system":")" + words + R"(","messages":[{"role":"user","content":"say )" + words + R"("}]})", words));
    EXPECT_TRUE(leaks(R"({"preamble":")" + words + R"(","message":"hi"})", words));
    EXPECT_FALSE(leaks(R"({"preamble":")" + words + R"(","message":")" + words + R"("})", words));
}

}  // namespace
}  // namespace loom::proxy
