// The law of hostile texts: whatever is repeated, finders look at each byte a bounded number of times. Looks are
// counted, not time.
#include <gtest/gtest.h>

#include <string>

#include "loom/base/block_pool.h"
#include "loom/guard/mask.h"
#include "loom/guard/pii_scanner.h"

namespace loom::guard::test {
namespace {

constexpr size_t mebibyte = size_t{1} << 20;

std::string repeated(std::string_view piece, size_t bytes) {
    std::string text;
    while (text.size() < bytes) text += piece;
    return text;
}

/// In windows of 64 KiB, as requests are scanned.
uint64_t looks_at(std::string_view text) {
    static const PiiScanner scanner(PiiTypes::all());
    constexpr size_t turn = 64 * 1024;
    PiiScan scan(scanner);
    size_t begin = 0, end = 0;
    while (end < text.size()) {
        end = std::min(end + turn, text.size());
        scan.advance(text.substr(begin, end - begin), end == text.size(), [](const PiiSpan&) {});
        const size_t gone = scan.unneeded();
        scan.forget(gone);
        begin += gone;
    }
    return scan.looks();
}

constexpr std::string_view hostile[] = {
    "ya29.",
    "ya29.a",
    ".ya29.",
    "SG.",
    "sk-",
    "sk-proj-",
    "xoxe.xoxp-",
    "hvs.",
    "pypi-AgEIcHlwaS5vcmc",
    "github_pat_",
    "eyJ",
    "eyJ.",
    " eyJhbGciOiJIUzI1NiJ9.",
    "eyJhbGciOiJIUzI1NiJ9..",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\n",
    "A: -----BEGIN PRIVATE KEY-----\n",
    "A: --BEGIN -----BEGIN PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    "-----BEGIN PRIVATE KEY-----\n\n\n\n\n\n\n\n",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END ",
    "token=",
    "token:",
    "token=\"",
    "token=a",
    "pwd==",
    "password = ",
    "sig=",
    "sig=%",
    "accountkey=a",
    "=",
    ":",
    "://",
    "a://",
    "a://b:",
    "a://b:c@",
    "@",
    "a@",
    "a@b.",
    "a@b-",
    "a.@",
    "_@_",
    "\xc3\xa9@",
    "\xe4\xbd\xa0@",
    "1",
    "1 ",
    "1.",
    "1-",
    "1a",
    "12 ",
    "1234 ",
    "1234-",
    "+1 ",
    "(1) ",
    "12345678 ",
    "4111 1111 1111 1111 ",
    "4111111111111112 ",
    "123-45-6789 ",
    "078-05-1120,",
    "GB82WEST1234",
    "AB12",
    "10.0.0.1.",
    "1.1.1.1:",
    "a:",
    "::",
    "00:1a:",
    "00-1a-",
    "001a.",
    "1AAAAAAAAAAAAAAAAAAAAAAAAA",
    "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a ",
    "0x",
    "0x0123456789abcdef0123456789abcdef01234567",
    "bc1",
    "bc1q",
    "RSSMRA85T10A562S",
    "phone 12345678 ",
};

/// Measured with what is here; numbers beside words that tell cost most.
constexpr uint64_t looks_a_byte_max = 48;

TEST(Linear, EveryHostileRepetitionIsLookedAtABoundedNumberOfTimes) {
    for (const std::string_view piece : hostile) {
        const uint64_t half = looks_at(repeated(piece, mebibyte / 2));
        const uint64_t whole = looks_at(repeated(piece, mebibyte));
        EXPECT_LE(whole, looks_a_byte_max * mebibyte) << piece;
        EXPECT_LE(whole, half * 2 + half / 8 + 100'000) << piece << " grows faster than the text";
    }
}

/// Any two of them in turn, in one long line and with what each begins behind the other.
TEST(Linear, SoIsEveryPairOfThem) {
    constexpr size_t bytes = 64 * 1024;
    for (const std::string_view first : hostile)
        for (const std::string_view second : hostile) {
            const std::string text = repeated(std::string(first) + std::string(second), bytes);
            EXPECT_LE(looks_at(text), looks_a_byte_max * text.size()) << first << " and " << second;
        }
}

/// A stream's pieces may be small, and what is open may be long: it is not read anew with each of them.
TEST(Linear, EveryHostileStreamIsLookedAtABoundedNumberOfTimes) {
    static const PiiScanner scanner(PiiTypes::all());
    constexpr size_t bytes = 48 * 1024;
    constexpr uint64_t looks_a_fed_byte_max = 600;  // an eighth more each time, of what costs most
    for (const std::string_view first : hostile) {
        const std::string text = std::string(first) + repeated("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY", bytes);
        for (const size_t piece : {size_t{1}, size_t{3}, size_t{7}}) {
            PiiScan scan(scanner);
            size_t begin = 0, end = 0;
            while (end < text.size()) {
                end = std::min(end + piece, text.size());
                const bool ends = end == text.size();
                if (!ends && scan.waits(end - begin)) continue;
                scan.advance(std::string_view(text).substr(begin, end - begin), ends, [](const PiiSpan&) {});
                const size_t gone = scan.unneeded();
                scan.forget(gone);
                begin += gone;
            }
            EXPECT_LE(scan.looks(), looks_a_fed_byte_max * text.size()) << first << " in pieces of " << piece;
        }
    }
}

/// Values that meet in one bucket would have to be known: the hash has a key that only this process has.
TEST(Linear, APlaceholderIsFoundWithoutWalkingAll) {
    BlockPool pool;
    Arena arena(pool, 4096);
    MaskTable table(arena, false);
    for (uint32_t i = 0; i < 4 * MaskTable::value_count_max; ++i)
        (void)table.placeholder(PiiType::email, "a" + std::to_string(i) + "@example.org");
    EXPECT_EQ(table.placeholder(PiiType::email, "a1000@example.org"), "[EMAIL_1001]");
    EXPECT_EQ(table.placeholder(PiiType::email, "a4000@example.org"), "[EMAIL]");
    EXPECT_EQ(table.value_of("[EMAIL_1001]"), "");  // it keeps none
    EXPECT_LE(pool.live_bytes(), MaskTable::memory_bytes_max + mebibyte / 8);
}

}  // namespace
}  // namespace loom::guard::test
