#include "loom/base/base64.h"

#include <gtest/gtest.h>

#include <string_view>

namespace loom {
namespace {

std::string encoded(std::string_view text) {
    std::string out = ">";
    base64url_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, out);
    return out;
}

TEST(Base64Url, VectorsOfTheStandardWithoutPadding) {
    EXPECT_EQ(encoded(""), ">");
    EXPECT_EQ(encoded("f"), ">Zg");
    EXPECT_EQ(encoded("fo"), ">Zm8");
    EXPECT_EQ(encoded("foo"), ">Zm9v");
    EXPECT_EQ(encoded("foob"), ">Zm9vYg");
    EXPECT_EQ(encoded("fooba"), ">Zm9vYmE");
    EXPECT_EQ(encoded("foobar"), ">Zm9vYmFy");
    EXPECT_EQ(encoded("\xfb\xff\xfe"), ">-__-");
}

TEST(Base64Url, DecodesWhatItEncodesAndNothingElse) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        bytes += static_cast<char>(i * 89);
        std::string out = "before";
        ASSERT_TRUE(base64url_decode(encoded(bytes).substr(1), out));
        EXPECT_EQ(out, "before" + bytes);
    }
    for (const char* const bad : {"A", "AAAAA", "Zg==", "Zg=", "Z g", "Zh", "Zm9", "+w", "/w", "Zm9v\n", "Z\xc3\xa9"}) {
        std::string out = "before";
        EXPECT_FALSE(base64url_decode(bad, out)) << bad;
        EXPECT_EQ(out, "before");
    }
}

TEST(Base64, VectorsOfTheStandardWithPadding) {
    const auto padded = [](std::string_view text) {
        std::string out = ">";
        base64_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, out);
        return out;
    };
    EXPECT_EQ(padded(""), ">");
    EXPECT_EQ(padded("f"), ">Zg==");
    EXPECT_EQ(padded("fo"), ">Zm8=");
    EXPECT_EQ(padded("foo"), ">Zm9v");
    EXPECT_EQ(padded("foob"), ">Zm9vYg==");
    EXPECT_EQ(padded("\xfb\xff\xfe"), ">+//+");
}

TEST(Base64, DecodesWhatItEncodesAndNothingElse) {
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        std::string text, out = "before";
        base64_encode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, text);
        ASSERT_TRUE(base64_decode(text, out));
        EXPECT_EQ(out, "before" + bytes);
        bytes += static_cast<char>(i * 89);
    }
    for (const char* const bad : {"A", "Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "-w==", "_w==", "Zm9v\n", " Zg=",
                                  "Zg=="
                                  "Zg=="}) {
        std::string out = "before";
        EXPECT_FALSE(base64_decode(bad, out)) << bad;
        EXPECT_EQ(out, "before");
    }
}

}  // namespace
}  // namespace loom
