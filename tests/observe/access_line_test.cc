#include <gtest/gtest.h>

#include <array>
#include <random>
#include <string>

#include "json_text.h"
#include "loom/base/json.h"
#include "loom/observe/access_log.h"

namespace loom::observe {
namespace {

using namespace std::string_literals;

constexpr const char* second_text = "2025-01-02T03:04:05";

std::string line_of(const AccessRecord& record) {
    std::array<char, line_bytes_max> out;
    return {out.data(), format_access_line(record, second_text, out.data())};
}

/// What a JSON reader sees in one field of a line.
std::string field(const std::string& line, const char* name) {
    const simdjson::padded_string padded(line);
    simdjson::ondemand::parser parser;
    auto document = parser.iterate(padded);
    std::string_view value;
    if (document[name].get_string().get(value) != simdjson::SUCCESS) return "(none)";
    return std::string(value);
}

AccessRecord typical() {
    AccessRecord r;
    r.time_us = 1'735'787'045'006'789;
    r.request_id = "req-1";
    r.client = "10.0.0.7";
    r.consumer = "mobile-app";
    r.route = "ai";
    r.method = "POST";
    r.path = "/v1/chat/completions";
    r.endpoint = "chat_completions";
    r.model = "gpt-4";
    r.upstream_model = "gpt-4-turbo";
    r.provider = "openai";
    r.user_agent = "curl/8";
    r.status = 200;
    r.stream = true;
    r.attempts = 1;
    r.failover = "azure=rate_limit:429";
    r.hedge = "won";
    r.hedge_other = "azure";
    r.bytes_in = 300;
    r.bytes_out = 4096;
    r.events = 20;
    r.usage = UsageSource::reported;
    r.tokens_input = 12;
    r.tokens_output = 34;
    r.tokens_cached = 5;
    r.total_us = 1'000'000;
    r.ttft_us = 250'000;
    r.overhead_us = 4;
    r.admit_us = 1;
    r.inspect_us = 2;
    r.forward_us = 3;
    r.upstream_wait_us = 900;
    r.relay_us = 0;
    return r;
}

TEST(AccessLine, IsOneJsonObjectOnOneLine) {
    EXPECT_EQ(
        line_of(typical()),
        R"({"time":"2025-01-02T03:04:05.006789Z","request_id":"req-1","client":"10.0.0.7","consumer":"mobile-app","route":"ai",)"
        R"("method":"POST","path":"/v1/chat/completions","endpoint":"chat_completions","model":"gpt-4",)"
        R"("upstream_model":"gpt-4-turbo","provider":"openai","status":200,"stream":true,"attempts":1,)"
        R"("failover":"azure=rate_limit:429","hedge":"won","hedge_other":"azure","bytes_in":300,)"
        R"("bytes_out":4096,"events":20,"usage":"reported","tokens_input":12,"tokens_output":34,"tokens_cached":5,)"
        R"("total_us":1000000,"ttft_us":250000,"overhead_us":4,"admit_us":1,"inspect_us":2,"forward_us":3,)"
        R"("upstream_wait_us":900,"relay_us":0,"user_agent":"curl/8"})"
        "\n");
}

TEST(AccessLine, LeavesOutWhatDidNotHappen) {
    AccessRecord r;
    r.status = 401;
    r.error = "unauthenticated";
    r.total_us = 5;
    EXPECT_EQ(line_of(r),
              R"({"time":"2025-01-02T03:04:05.000000Z","status":401,"error":"unauthenticated","stream":false,)"
              R"("attempts":0,"bytes_in":0,"bytes_out":0,"total_us":5})"
              "\n");
}

TEST(AccessLine, TellsACostToItsLastDigit) {
    AccessRecord r = typical();
    r.cost = 1'234'567'890'001;
    EXPECT_NE(line_of(r).find(R"("cost":1.234567890001,)"), std::string::npos) << line_of(r);
    r.cost = 0;
    EXPECT_NE(line_of(r).find(R"("cost":0,)"), std::string::npos) << "what costs nothing is not what nobody knows";
}

TEST(AccessLine, NeverHasAQueryString) {
    AccessRecord r = typical();
    r.path = "/v1/models?key=AIza-secret";
    EXPECT_EQ(field(line_of(r), "path"), "/v1/models");
    EXPECT_EQ(line_of(r).find("secret"), std::string::npos);
}

TEST(AccessLine, EscapesWhatWouldBreakALineOrForgeAnother) {
    const std::string hostile = "\"}\n{\"status\":200,\\ \x00\x1b[31m\x7f\t"s;
    for (size_t shift = 0; shift < 9; ++shift) {  // at every place of the eight bytes that are read at once
        AccessRecord r = typical();
        const std::string agent = std::string(shift, 'a') + hostile;
        r.user_agent = agent;
        const std::string line = line_of(r);
        EXPECT_EQ(line.find('\n'), line.size() - 1);
        EXPECT_EQ(field(line, "user_agent"), agent);
    }
}

TEST(AccessLine, RepairsWhatIsNoUtf8) {
    const auto repaired = [](std::string_view text) {
        AccessRecord r;
        r.user_agent = text;
        return field(line_of(r), "user_agent");
    };
    EXPECT_EQ(repaired("grüße 日本 😀"), "grüße 日本 😀");
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(repaired("a\xff b"), "a" + bad + " b");
    EXPECT_EQ(repaired("\xc0\xaf"), bad + bad) << "overlong";
    EXPECT_EQ(repaired("\xed\xa0\x80"), bad + bad + bad) << "a surrogate";
    EXPECT_EQ(repaired("\xf4\x90\x80\x80"), bad + bad + bad + bad) << "beyond U+10FFFF";
    EXPECT_EQ(repaired("\xe2\x82"), bad + bad) << "cut short";
}

TEST(AccessLine, CutsLongTextBetweenCharacters) {
    AccessRecord r;
    std::string agent(255, 'a');
    agent += "é and more";
    r.user_agent = agent;
    EXPECT_EQ(field(line_of(r), "user_agent"), std::string(255, 'a'));
}

TEST(AccessLine, TheLongestFits) {
    const std::string worst(4096, '\x01');
    AccessRecord r;
    for (std::string_view AccessRecord::* member :
         {&AccessRecord::request_id, &AccessRecord::client, &AccessRecord::client_certificate, &AccessRecord::consumer,
          &AccessRecord::tenant, &AccessRecord::route, &AccessRecord::method, &AccessRecord::path, &AccessRecord::model,
          &AccessRecord::upstream_model, &AccessRecord::provider, &AccessRecord::user_agent, &AccessRecord::error_what})
        r.*member = worst;
    const std::string names(4096, 'a');
    r.failover = r.hedge = r.hedge_other = r.endpoint = r.error = r.guard = r.cache =
        names;  // which have nothing to escape
    r.stream = true;
    r.status = r.attempts = UINT16_MAX;
    r.events = UINT32_MAX;
    r.usage = UsageSource::estimated;
    r.bytes_in = r.bytes_out = r.tokens_input = r.tokens_output = r.tokens_cached = UINT64_MAX;
    r.cost = money_max;
    r.total_us = r.ttft_us = r.overhead_us = r.admit_us = r.inspect_us = r.forward_us = r.upstream_wait_us =
        r.relay_us = INT64_MAX;
    const std::string line = line_of(r);  // ASan would see the end of the array
    EXPECT_LE(line.size(), line_bytes_max);
    EXPECT_EQ(field(line, "usage"), "estimated");
}

TEST(AccessLine, NamesATenantBehindItsConsumer) {
    AccessRecord r;
    r.consumer = "app";
    r.tenant = "ac\"me";
    EXPECT_NE(line_of(r).find(R"("consumer":"app","tenant":"ac\"me",)"), std::string::npos) << line_of(r);
    r.tenant = "";
    EXPECT_EQ(line_of(r).find("tenant"), std::string::npos);
}

TEST(AccessLine, SaysWhoHasCounted) {
    AccessRecord r;
    for (const auto& [source, word] :
         {std::pair{UsageSource::reported, "reported"}, std::pair{UsageSource::counted, "counted"},
          std::pair{UsageSource::estimated, "estimated"}}) {
        r.usage = source;
        EXPECT_EQ(field(line_of(r), "usage"), word);
    }
    r.usage = UsageSource::none;
    EXPECT_EQ(line_of(r).find("usage"), std::string::npos);
}

TEST(AccessLine, AnyBytesMakeValidJson) {
    const unsigned seed = std::random_device{}();
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 2000; ++round) {
        std::string noise(random() % 300, '\0');
        for (char& c : noise) c = static_cast<char>(random());
        AccessRecord r = typical();
        r.user_agent = noise;
        r.model = std::string_view(noise).substr(noise.size() / 2);
        const std::string line = line_of(r);
        ASSERT_EQ(line.find('\n'), line.size() - 1);
        ASSERT_EQ(line.find('\0'), line.npos) << "the ring takes a NUL for its end";
        ASSERT_EQ(field(line, "provider"), "openai");
    }
}

TEST(Numbers, AreWrittenInFull) {
    for (const uint64_t n : {0ul, 9ul, 10ul, 99ul, 100ul, 101ul, 12345ul, 999999ul, 1000000ul, UINT64_MAX}) {
        char out[24];
        EXPECT_EQ(std::string(out, put_number(out, n)), std::to_string(n));
    }
}

}  // namespace
}  // namespace loom::observe
