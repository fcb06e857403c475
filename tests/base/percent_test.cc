#include "loom/base/percent.h"

#include <gtest/gtest.h>

namespace loom {
namespace {

TEST(Percent, LeavesTheUnreservedAndEncodesEveryOtherByte) {
    const std::string_view unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (int value = 0; value < 256; ++value) {
        const char byte = static_cast<char>(value);
        std::string out;
        percent_encode({&byte, 1}, out);
        char escape[8];
        std::snprintf(escape, sizeof escape, "%%%02X", static_cast<unsigned>(value));
        EXPECT_EQ(out, unreserved.find(byte) != unreserved.npos ? std::string(1, byte) : escape) << value;
    }
}

TEST(Percent, KeepsWhatTheCallerNamesAndAppends) {
    std::string out = "x";
    percent_encode("/a b/\xc3\xa4", "/", [&out](std::string_view piece) { out += piece; });
    EXPECT_EQ(out, "x/a%20b/%C3%A4");
    percent_encode("", out);
    EXPECT_EQ(out, "x/a%20b/%C3%A4");
}

}  // namespace
}  // namespace loom
