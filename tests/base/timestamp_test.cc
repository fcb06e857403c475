// Dates as RFC 3339 has them, and what only looks like one.
#include "loom/base/timestamp.h"

#include <gtest/gtest.h>

#include <string>

namespace loom {
namespace {

TEST(Timestamps, DatesAndTimes) {
    EXPECT_EQ(parse_date("1970-01-01"), 0);
    EXPECT_EQ(parse_date("2026-11-22"), 1795305600);
    EXPECT_EQ(parse_date("2024-02-29"), 1709164800);
    EXPECT_EQ(parse_rfc3339("2026-11-22T00:00:00Z"), 1795305600);
    EXPECT_EQ(parse_rfc3339("2026-11-22t01:02:03.999z"), 1795305600 + 3723);
    EXPECT_EQ(parse_rfc3339("2026-11-22 01:00:00+01:00"), 1795305600);
    EXPECT_EQ(parse_rfc3339("2026-11-21T22:30:00-01:30"), 1795305600);
    EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z"), 1483228800) << "a leap second";
}

TEST(Timestamps, WhatIsNone) {
    for (const char* const bad : {"", "2026", "2026-11", "2026-1-22", "2026-02-30", "2026-13-01", "2026-00-01",
                                  "26-11-22", "2026/11/22", "2026-11-22 ", "2026-11-2x", "+026-11-22"})
        EXPECT_FALSE(parse_date(bad)) << bad;
    for (const char* const bad :
         {"", "2026-11-22", "2026-11-22T00:00:00", "2026-11-22T24:00:00Z", "2026-11-22T00:60:00Z",
          "2026-11-22T00:00:61Z", "2026-11-22T00:00Z", "2026-11-22T00:00:00+1:00", "2026-11-22T00:00:00+24:00",
          "2026-11-22T00:00:00+01:60", "2026-11-22T00:00:00UTC", "2026-11-22_00:00:00Z", "2026-11-22T0x:00:00Z"})
        EXPECT_FALSE(parse_rfc3339(bad)) << bad;
    const std::string whole = "2026-11-22T00:00:00.5+01:00";
    for (size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(parse_rfc3339(whole.substr(0, size))) << size;
        EXPECT_EQ(parse_date(whole.substr(0, size)).has_value(), size == 10) << size;
    }
}

}  // namespace
}  // namespace loom
