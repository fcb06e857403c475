#include "loom/observe/audit_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace loom::observe {
namespace {

std::string line_of(const AuditRecord& record) {
    std::string out(line_bytes_max, '\0');
    char* const end = format_audit_line(record, "2026-11-22T10:00:00", out.data());
    out.resize(static_cast<size_t>(end - out.data()));
    return out;
}

TEST(AuditLine, TellsWhatWasFoundWhereAndHowOften) {
    const AuditFind finds[] = {
        {.side = "request",
         .detector = "pii",
         .type = "email",
         .action = "mask",
         .count = 3,
         .offset_count = 2,
         .offsets = {45, 1200}},
        {.side = "answer", .detector = "content", .type = "hate", .action = "block", .count = 1},
    };
    EXPECT_EQ(
        line_of({.time_us = 7,
                 .request_id = "r1",
                 .consumer = "ann",
                 .tenant = "acme",
                 .route = "ai",
                 .model = "m\"1",
                 .outcome = "refused",
                 .status = 400,
                 .dry_run = true,
                 .more = 2,
                 .finds = finds}),
        R"({"time":"2026-11-22T10:00:00.000007Z","request_id":"r1","tenant":"acme","consumer":"ann","route":"ai",)"
        R"("model":"m\"1","outcome":"refused","status":400,"dry_run":true,"finds":[)"
        R"({"side":"request","detector":"pii","type":"email","action":"mask","count":3,"offsets":[45,1200]},)"
        R"({"side":"answer","detector":"content","type":"hate","action":"block","count":1}],"more":2})"
        "\n");
}

TEST(AuditLine, TheLongestFits) {
    const std::string ugly(4096, '\x01'), long_name(4096, 'n');
    AuditFind find{.side = long_name,
                   .detector = long_name,
                   .type = long_name,
                   .action = long_name,
                   .count = UINT32_MAX,
                   .offset_count = AuditFind::offsets_max};
    find.offsets.fill(UINT64_MAX);
    const std::vector<AuditFind> finds(2 * AuditRecord::finds_max, find);
    const std::string line = line_of({.time_us = UINT64_MAX,
                                      .request_id = ugly,
                                      .consumer = ugly,
                                      .tenant = ugly,
                                      .route = ugly,
                                      .model = ugly,
                                      .outcome = ugly,
                                      .status = UINT16_MAX,
                                      .dry_run = true,
                                      .more = UINT64_MAX,
                                      .finds = finds});
    EXPECT_LE(line.size(), line_bytes_max);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(line.find('\0'), line.npos);
}

TEST(AuditLog, WritesWhatShardsRecordAndNothingWhereItIsOff) {
    std::string name = (std::filesystem::temp_directory_path() / "loom-audit-XXXXXX").string();
    ASSERT_TRUE(::mkdtemp(name.data()));
    const std::string path = name + "/audit.log";
    {
        const auto log = AuditLog::open({.path = path, .shard_count = 2, .flush_interval_ms = 5});
        ASSERT_TRUE(log);
        EXPECT_TRUE((*log)->shard(1)->record({.request_id = "from-1"}));
        EXPECT_TRUE((*log)->shard(0)->record({.request_id = "from-0"}));
        (*log)->lines().flush();
        EXPECT_EQ((*log)->lines().written(), 2u);
    }
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    EXPECT_NE(text.str().find("from-0"), std::string::npos);
    EXPECT_NE(text.str().find("from-1"), std::string::npos);
    std::filesystem::remove_all(name);
    const auto off = AuditLog::open({.path = "off"});
    ASSERT_TRUE(off);
    EXPECT_EQ((*off)->shard(0), nullptr);
}

}  // namespace
}  // namespace loom::observe
