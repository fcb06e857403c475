// What the admin listener tells of usage: sums by any dimension, and records as they stand in the log, whole or not at
// all.
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "fixture.h"
#include "ledger_pages.h"
#include "loom/tenant/ledger_record.h"
#include "redis_server.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

uint64_t now_us() {
    using namespace std::chrono;
    return static_cast<uint64_t>(duration_cast<microseconds>(system_clock::now().time_since_epoch()).count());
}

template <class Record>
void append(std::string& bytes, const Record& record) {
    std::array<char, tenant::ledger_record_bytes_max> room;
    bytes.append(room.data(), write_ledger_record(record, room));
}

/// What a start of before has left: so many attempts, a millisecond apart, of consumers c0 to c9 in two tenants.
std::string former_segment(uint64_t attempts, uint64_t first_us) {
    std::string bytes;
    append(bytes, tenant::LedgerBegin{.epoch = 1, .shard = 0, .number = 1, .time_us = first_us});
    for (uint64_t i = 1; i <= attempts; ++i) {
        const std::string consumer = fmt::format("c{}", i % 10);
        const uint64_t id = tenant::make_ledger_id(1, 0, i);
        append(bytes, tenant::LedgerIntent{.id = id,
                                           .request = id,
                                           .time_us = first_us + i,
                                           .consumer = consumer,
                                           .team = "dev",
                                           .project = i % 2 == 0 ? "even" : "",
                                           .tenant = i % 3 == 0 ? "acme" : "zeta",
                                           .provider = "mock",
                                           .model = i % 5 == 0 ? "large" : "small"});
        append(bytes, tenant::LedgerSettlement{.id = id,
                                               .provenance = tenant::LedgerProvenance::reported,
                                               .status = 200,
                                               .tokens = {.input = 10, .output = 1},
                                               .cost = 1'000'000'000});
    }
    return bytes;
}

/// "2024-02-29".
std::string date_of(uint64_t time_us) {
    const auto then = static_cast<std::time_t>(time_us / 1'000'000);
    std::array<char, 16> date;
    return {date.data(), std::strftime(date.data(), date.size(), "%Y-%m-%d", ::gmtime(&then))};
}

size_t lines_in(std::string_view text) { return static_cast<size_t>(std::ranges::count(text, '\n')); }

class UsageReports : public WireTest {
  protected:
    UsageReports() { conf.set("token_accounting.enabled", "on").set("state.directory", state.path()); }
    fs::path segment() const { return state.path() + "/ledger/1-0-1.log"; }
    void leave(const std::string& bytes) const {
        fs::create_directories(state.path() + "/ledger");
        std::ofstream(segment(), std::ios::binary) << bytes;
    }
    Message admin(const std::string& target, const std::string& headers = "") {
        return ask_once(loom().admin_port(), request("GET", target, headers));
    }
    Message exported(const std::string& query = "") { return admin("/ai/usage/export" + query); }
    /// Of one who has asked for all, and has read no more than the head.
    RawClient stalled() {
        RawClient one(loom().admin_port(), 64 * 1024);
        one.send(request("GET", "/ai/usage/export?format=jsonl"));
        (void)one.reader().start_response();
        return one;
    }
    long resident_kib() {
        std::ifstream status(fmt::format("/proc/{}/status", loom().pid()));
        for (std::string line; std::getline(status, line);)
            if (line.starts_with("VmRSS:")) return std::strtol(line.c_str() + 6, nullptr, 10);
        return -1;
    }
    const StateDirectory state;
};

TEST_F(UsageReports, SumsByEachDimension_OfOneTenant_PageByPage) {
    leave(former_segment(300, now_us() - 1'000'000));
    start_without_upstream();
    const std::string all = admin("/ai/usage").body;
    EXPECT_EQ(number_in(all, "attempts"), 300) << all;
    for (const char* const part : {R"("tenants":[{"tenant":"acme",)", R"("teams":[{"team":"acme/dev",)",
                                   R"("projects":[{"project":"acme/even",)", R"("consumers":[{"consumer":"c0",)",
                                   R"("models":[{"model":"large",)"})
        EXPECT_TRUE(contains(all, part)) << all;
    const std::string of_acme = admin("/ai/usage?tenant=acme&group=model").body;
    EXPECT_EQ(number_in(of_acme, "attempts"), 100) << of_acme;
    EXPECT_TRUE(contains(of_acme, R"("only":{"tenant":"acme"})")) << of_acme;
    EXPECT_EQ(number_in(of_acme, "attempts", of_acme.find(R"({"model":"large")")), 20) << of_acme;
    EXPECT_EQ(number_in(of_acme, "attempts", of_acme.find(R"({"model":"small")")), 80) << of_acme;
    EXPECT_TRUE(contains(of_acme, R"("next":null)")) << of_acme;
    const std::string inside = admin("/ai/usage?tenant=acme").body;
    EXPECT_TRUE(contains(inside, R"("tenants":[{"tenant":"acme",)")) << inside;
    EXPECT_FALSE(contains(inside, "zeta")) << inside;
    const std::string by_project = admin("/ai/usage?group=project").body;
    EXPECT_EQ(number_in(by_project, "attempts", by_project.find(R"({"project":"acme/even")")), 50) << by_project;
    EXPECT_EQ(number_in(by_project, "attempts", by_project.find(R"({"project":"zeta/even")")), 100) << by_project;
    const std::string of_project = admin("/ai/usage?project=acme%2Feven&group=consumer").body;
    EXPECT_EQ(number_in(of_project, "attempts"), 50) << of_project;
    std::set<std::string> names;
    std::string after;
    for (int pages = 0; pages < 20; ++pages) {
        const std::string page =
            admin("/ai/usage?group=consumer&limit=3" + (after.empty() ? "" : "&after=" + after)).body;
        for (size_t at = 0; (at = page.find(R"({"consumer":")", at)) != page.npos; ++at)
            EXPECT_TRUE(names.insert(json_text(page.substr(at), "consumer")).second) << page;
        EXPECT_EQ(number_in(page, "attempts"), 300) << "the sum is of all: " << page;
        if (contains(page, R"("next":null)")) break;
        after = json_text(page, "next");
    }
    EXPECT_EQ(names.size(), 10u);
    EXPECT_EQ(number_in(admin("/ai/usage?group=day").body, "attempts"), 300);
}

TEST_F(UsageReports, ANameThatIsEmptyHasItsPage) {
    leave(former_segment(10, now_us() - 1'000'000));
    start_without_upstream();
    const std::string first = admin("/ai/usage?group=project&limit=1").body;
    EXPECT_TRUE(contains(first, R"("next":"acme/even")")) << first;
    const std::string behind_nobody = admin("/ai/usage?group=consumer&limit=1&after=").body;
    EXPECT_TRUE(contains(behind_nobody, R"("next":"c0")")) << behind_nobody;
    EXPECT_TRUE(contains(admin("/ai/usage?group=consumer&limit=1&after=c0").body, R"("next":"c1")"));
}

/// Hits and refusals beside attempts: by the same names, on the same pages, and in an export by the same filters.
TEST_F(UsageReports, WhatNoProviderWasAskedForIsToldByTheSameNames) {
    const uint64_t begun_us = now_us() - 1'000'000;
    std::string bytes = former_segment(30, begun_us);
    for (uint64_t i = 31; i <= 40; ++i) {
        tenant::LedgerLocal local{.id = tenant::make_ledger_id(1, 0, i),
                                  .time_us = begun_us + i * 1'000,
                                  .exit = tenant::LedgerLocalExit::cache_exact,
                                  .status = 200,
                                  .consumer = i % 2 == 0 ? "c0" : "hit-alone",
                                  .team = "dev",
                                  .tenant = i % 2 == 0 ? "acme" : "",
                                  .route = "ai",
                                  .model = "large",
                                  .tells_tokens = true,
                                  .input_tokens = 10,
                                  .output_tokens = 1,
                                  .saved = 1'000'000'000};
        if (i == 40) {
            local.exit = tenant::LedgerLocalExit::refused_limit;
            local.status = 429;
            local.count = 1'000;
            local.model = "";
            local.input_tokens = local.output_tokens = 0;
            local.saved = -1;
        }
        append(bytes, local);
    }
    leave(bytes);
    start_without_upstream();
    const auto number_of = [](const std::string& told, const char* of) {
        return number_in(told, "requests", told.find(fmt::format(R"("{}":{{"requests":)", of)));
    };
    const std::string all = admin("/ai/usage").body;
    EXPECT_EQ(number_in(all, "attempts"), 30) << all;
    EXPECT_EQ(number_of(all, "cached"), 9) << all;
    EXPECT_EQ(number_of(all, "refused"), 1'000) << all;
    EXPECT_TRUE(contains(all, R"({"consumer":"hit-alone",)")) << all;
    const std::string of_acme = admin("/ai/usage?tenant=acme&group=model").body;
    EXPECT_EQ(number_in(of_acme, "attempts"), 10) << of_acme;
    EXPECT_EQ(number_of(of_acme, "cached"), 4) << of_acme;
    EXPECT_EQ(number_of(of_acme, "refused"), 1'000) << of_acme;
    EXPECT_FALSE(contains(admin("/ai/usage?tenant=acme").body, "hit-alone"));
    const std::string of_mock = admin("/ai/usage?provider=mock").body;
    EXPECT_EQ(number_in(of_mock, "attempts"), 30) << of_mock;
    EXPECT_EQ(number_of(of_mock, "cached"), 0) << of_mock;
    EXPECT_EQ(number_of(of_mock, "refused"), 0) << of_mock;
    // Page by page, also behind the one that has no name.
    std::vector<std::string> names;
    std::string after;
    for (int pages = 0; pages < 20; ++pages) {
        const std::string page = admin("/ai/usage?group=model&limit=1" + after).body;
        EXPECT_EQ(number_of(page, "cached"), 9) << "the sum is of all: " << page;
        names.push_back(json_text(page.substr(page.find(R"("models":[)")), "model"));
        if (contains(page, R"("next":null)")) break;
        after = "&after=" + json_text(page, "next");
    }
    EXPECT_EQ(names, (std::vector<std::string>{"", "large", "small"}));
    for (const auto& [query, options, count] : std::initializer_list<std::tuple<std::string, std::string, size_t>>{
             {"", "", 40},
             {"&consumer=hit-alone", "--consumer hit-alone", 5},
             {"&tenant=acme", "--tenant acme", 15},
             {"&provider=mock", "--provider mock", 30},
             {"&route=ai", "--route ai", 10}}) {
        const Message told = exported("?format=csv" + query);
        EXPECT_TRUE(told.is_whole()) << query << told.body;
        EXPECT_EQ(lines_in(told.body), count + 1) << query;
        EXPECT_EQ(told.body, run_loom("ledger export " + state.path() + " " + options).second) << query;
    }
    EXPECT_TRUE(contains(exported("?format=jsonl&consumer=c0").body,
                         R"("exit":"refused","status":429,"provenance":"none","input":0,"cached_input":0,)"
                         R"("cache_write":0,"output":0,"reasoning":0,"cost":0,"kind":"refused","reason":"limit",)"
                         R"("count":1000,"saved_input":0,"saved_output":0,"saved_cost":null})"));
    loom().stop_cleanly();
    const auto [status, text] = run_loom("ledger verify " + state.path());
    EXPECT_EQ(status, 0) << text;
}

TEST_F(UsageReports, WhatIsWrongIsSaid) {
    start_without_upstream();
    for (const auto& [query, code, part] : std::initializer_list<std::array<std::string, 3>>{
             {"?period=2024-13", "invalid_period", "?period=2024-02"},
             {"?group=colour", "invalid_parameter", "tenant, team, consumer"},
             {"?colour=red", "invalid_parameter", "'colour' is no parameter here"},
             {"?limit=0", "invalid_parameter", "from 1 to"},
             {"?limit=99999999", "invalid_parameter", "from 1 to"},
             {"?after=x", "invalid_parameter", "group="},
             {"?after=", "invalid_parameter", "group="},
             {"?group=day&limit=1", "invalid_parameter", "days are told all"},
             {"?tenant", "invalid_parameter", "name=value"},
             {"/tester?group=model", "invalid_period", "?period=2024-02"},
             {"/export?format=xml", "invalid_parameter", "csv or jsonl"},
             {"/export?from=yesterday", "invalid_parameter", "2026-01-31"},
             {"/export?period=2024", "invalid_parameter", "2026-01"},
             {"/export?colour=red", "invalid_parameter", "consumer, team"},
             {"/export?partial=no", "invalid_parameter", "partial=accept"}}) {
        const Message told = admin("/ai/usage" + query);
        expect_error(told, 400, code);
        EXPECT_TRUE(contains(told.body, part)) << query << told.body;
    }
    EXPECT_EQ(ask_once(loom().admin_port(), request("POST", "/ai/usage/export")).status(), 405);
    EXPECT_EQ(ask_once(loom().admin_port(), request("HEAD", "/ai/usage/export"), true).status(), 405);
    EXPECT_EQ(ask_once(loom().admin_port(), "GET /ai/usage/export HTTP/1.0\r\n\r\n").status(), 505);
}

TEST_F(UsageReports, AnExportIsWhatTheCommandPrints) {
    leave(former_segment(500, now_us() - 1'000'000));
    start_without_upstream();
    for (const std::string format : {"csv", "jsonl"}) {
        const Message told = exported("?format=" + format);
        EXPECT_EQ(told.status(), 200) << told.body;
        EXPECT_TRUE(told.is_whole());
        EXPECT_EQ(told.framing, Framing::chunked);
        const auto [status, printed] = run_loom("ledger export " + state.path() + " --format " + format);
        EXPECT_EQ(status, 0);
        EXPECT_EQ(told.body, printed);
        EXPECT_EQ(lines_in(told.body), format == "csv" ? 501u : 500u);
    }
    EXPECT_EQ(exported().head.value("content-type"), "text/csv; charset=utf-8; header=present");
    EXPECT_EQ(exported("?format=jsonl").head.value("content-type"), "application/x-ndjson");
}

TEST_F(UsageReports, FiltersMeanTheSameOnBothWays) {
    leave(former_segment(300, now_us() - 1'000'000));
    start_without_upstream();
    for (const auto& [query, options, count] : std::initializer_list<std::tuple<std::string, std::string, size_t>>{
             {"&consumer=c3", "--consumer c3", 30},
             {"&tenant=acme", "--tenant acme", 100},
             {"&tenant=acme&model=large", "--tenant=acme --model=large", 20},
             {"&team=dev", "--team dev", 0},
             {"&team=acme%2Fdev", "--team acme/dev", 100},
             {"&project=zeta%2Feven", "--project zeta/even", 100},
             {"&project=even", "--project even", 0},
             {"&project=&tenant=acme", "--project= --tenant acme", 50},
             {"&provider=other", "--provider other", 0},
             {"&period=2020-01", "--period 2020-01", 0},
             {"&from=2020-01-01&to=2020-02-01T00:00:00Z", "--from 2020-01-01 --to 2020-02-01T00:00:00Z", 0},
             {"&from=2020-01-01", "--from 2020-01-01", 300}}) {
        const Message told = exported("?format=jsonl" + query);
        EXPECT_TRUE(told.is_whole()) << query << told.body;
        EXPECT_EQ(lines_in(told.body), count) << query;
        EXPECT_EQ(told.body, run_loom("ledger export " + state.path() + " --format jsonl " + options).second) << query;
    }
}

TEST_F(UsageReports, FiltersMeanTheSameOfSumsAndOfLines) {
    leave(former_segment(300, now_us() - 1'000'000));
    start_without_upstream();
    for (const std::string query : {"team=acme%2Fdev", "team=dev", "project=zeta%2Feven", "project=even", "tenant=acme",
                                    "consumer=c3", "model=large&team=zeta%2Fdev"})
        EXPECT_EQ(static_cast<long>(lines_in(exported("?format=jsonl&" + query).body)),
                  number_in(admin("/ai/usage?" + query).body, "attempts"))
            << query;
}

TEST_F(UsageReports, WhoMayReadMayExport) {
    conf.set("admin.token", "operators-only").set("admin.read_token", "scrapers");
    start_without_upstream();
    EXPECT_EQ(exported().status(), 401);
    EXPECT_EQ(admin("/ai/usage/export", "Authorization: Bearer scrapers\r\n").status(), 200);
    EXPECT_EQ(admin("/ai/usage/export", "Authorization: Bearer operators-only\r\n").status(), 200);
}

TEST_F(UsageReports, WhoReadsSlowlyHoldsUpNobody_AndTakesLittleMemory) {
    leave(former_segment(100'000, now_us() - 1'000'000));
    start_without_upstream();
    ASSERT_EQ(number_in(admin("/ai/usage").body, "attempts"), 100'000);
    const long before_kib = resident_kib();
    RawClient slow = stalled();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(admin("/healthz").status(), 200);
    EXPECT_EQ(number_in(admin("/ai/usage").body, "attempts"), 100'000);
    const long room_kib = (is_sanitized() ? 320 : 16) * 1024;  // a sanitizer keeps what is freed for a while
    EXPECT_LT(resident_kib() - before_kib, room_kib) << "of an export of 25 MB";
    const Message& all = slow.reader().read_rest();
    EXPECT_TRUE(all.is_whole());
    EXPECT_EQ(lines_in(all.body), 100'000u);
    EXPECT_LT(resident_kib() - before_kib, room_kib);
}

TEST_F(UsageReports, WhoReadsNothingIsGivenUp_AndMakesRoom) {
    leave(former_segment(100'000, now_us() - 1'000'000));
    conf.set("timeout.client_write", "300ms");
    start_without_upstream();
    std::vector<RawClient> readers;
    for (int i = 0; i < 4; ++i) readers.push_back(stalled());
    const Message refused = exported();
    if (refused.status() != 200) expect_error(refused, 503, "overloaded");
    wait_until("one to be given up", [&] { return exported("?consumer=nobody").status() == 200; });
    for (RawClient& one : readers) {
        wait_until("all to be", [&one] {
            pollfd ended{.fd = one.fd(), .events = POLLRDHUP, .revents = 0};
            return ::poll(&ended, 1, 0) > 0;
        });
        EXPECT_NE(one.reader().read_rest().end, End::complete);
    }
}

TEST_F(UsageReports, WhatIsDamagedIsNotTakenForAWhole) {
    std::string bytes = former_segment(300, now_us() - 1'000'000);
    for (size_t i = 0; i < 64; ++i) bytes[bytes.size() / 2 + i] = '\x55';
    leave(bytes);
    start_without_upstream();
    for (const std::string format : {"csv", "jsonl"}) {
        const Message told = exported("?format=" + format);
        EXPECT_EQ(told.status(), 200);
        EXPECT_FALSE(told.is_whole()) << told.body;
        const std::string last = told.body.substr(told.body.rfind('\n', told.body.size() - 2) + 1);
        EXPECT_TRUE(last.starts_with(format == "csv" ? R"("error: )" : R"({"error":{)")) << last;
        EXPECT_TRUE(contains(last, "damaged") && contains(last, "partial=accept")) << last;
        EXPECT_GT(lines_in(told.body), 290u) << "what can be read is there";
        const Message accepted = exported("?partial=accept&format=" + format);
        EXPECT_TRUE(accepted.is_whole());
        EXPECT_FALSE(contains(accepted.body, "error"));
    }
    const auto [status, printed] = run_loom("ledger export " + state.path());
    EXPECT_EQ(status, 1) << printed;
}

TEST_F(UsageReports, RecordsWhoseTimeIsOverAreMissed) {
    leave(former_segment(300, now_us() - 1'000'000));
    start_without_upstream();
    ASSERT_TRUE(exported().is_whole());
    fs::remove(segment());
    const Message told = exported("?format=jsonl&tenant=acme");
    EXPECT_FALSE(told.is_whole()) << told.body;
    EXPECT_TRUE(contains(told.body, "100 of 100 attempts have no line")) << told.body;
    EXPECT_TRUE(exported("?partial=accept").is_whole());
    EXPECT_TRUE(exported("?period=2020-01").is_whole()) << "nothing was used then";
    EXPECT_TRUE(exported("?tier=gold&from=2020-01-01T10:00:00Z&to=2020-01-01T11:00:00Z").is_whole());
    const std::string today = date_of(now_us() - 1'000'000);
    for (const std::string& query :  // of which sums do not know everything
         {std::string("tier=gold"), std::string("route=ai"), std::string("project=acme%2Feven"),
          std::string("model=large"), fmt::format("from={0}T00:00:00Z&to={0}T23:59:59Z", today)}) {
        const Message unknown = exported("?format=jsonl&" + query);
        EXPECT_FALSE(unknown.is_whole()) << query << unknown.body;
        EXPECT_TRUE(contains(unknown.body, "nobody knows") && contains(unknown.body, "300 of 300 attempts"))
            << query << unknown.body;
    }
}

TEST_F(UsageReports, DaysThatAreKeptByMonthAreComparedWithTheirMonth) {
    constexpr uint64_t day_us = 86'400ull * 1'000'000;
    std::string bytes = former_segment(30, now_us() - 1'000'000);
    uint64_t id = tenant::make_ledger_id(1, 0, 1'000);
    const uint64_t old_us = now_us() - 200 * day_us;
    for (const uint64_t time_us : {now_us() - 2'000 * day_us, old_us}) {
        append(bytes, tenant::LedgerIntent{.id = id, .request = id, .time_us = time_us, .consumer = "old"});
        append(bytes, tenant::LedgerSettlement{.id = id, .status = 200, .tokens = {.input = 7}, .cost = 5});
        id += 1;
    }
    leave(bytes);
    conf.set("token_accounting.retention.days", "40").set("token_accounting.retention.months", "24");
    start_without_upstream();
    const std::string ancient = date_of(now_us() - 2'000 * day_us), old = date_of(old_us);
    wait_until("the oldest to go", [&] { return admin("/ai/usage?period=" + ancient.substr(0, 7)).status() == 410; });
    const Message gone = exported("?format=jsonl&period=" + ancient);
    EXPECT_FALSE(gone.is_whole());
    EXPECT_TRUE(contains(gone.body, "retention.months") && contains(gone.body, "nobody knows")) << gone.body;
    EXPECT_FALSE(exported("?from=1970-01-01").is_whole());
    for (const std::string& query :
         {"period=" + old, "period=" + old.substr(0, 7), "from=" + old, "tier=&from=" + old}) {
        const Message whole = exported("?format=jsonl&" + query);
        EXPECT_TRUE(whole.is_whole()) << query << whole.body;
        EXPECT_TRUE(contains(whole.body, R"("consumer":"old")")) << query << whole.body;
    }
    fs::remove(segment());
    for (const std::string& query :
         {"period=" + old, "period=" + old.substr(0, 7), "from=" + old, "consumer=old&from=" + old}) {
        const Message part = exported("?format=jsonl&" + query);
        EXPECT_FALSE(part.is_whole()) << query << part.body;
        EXPECT_TRUE(contains(part.body, "have no line")) << query << part.body;
    }
}

TEST_F(UsageReports, FourAtOnceAreServed_AndAKillInTheMiddleShows) {
    leave(former_segment(100'000, now_us() - 1'000'000));
    start_without_upstream();
    std::vector<RawClient> readers;
    for (int i = 0; i < 4; ++i) readers.push_back(stalled());
    expect_error(exported(), 503, "overloaded");
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    for (RawClient& one : readers) EXPECT_NE(one.reader().read_rest().end, End::complete);
    LoomProcess again(conf.text());
    const Message told = ask_once(again.admin_port(), request("GET", "/ai/usage/export?format=jsonl"));
    EXPECT_TRUE(told.is_whole());
    EXPECT_EQ(lines_in(told.body), 100'000u);
    again.stop_cleanly();
}

TEST_F(UsageReports, WhoLeavesEndsIt_AndAStopDoesNotWait) {
    leave(former_segment(100'000, now_us() - 1'000'000));
    start_without_upstream();
    for (int i = 0; i < 12; ++i) stalled().reset();
    wait_until("them to be gone", [&] { return exported("?consumer=nobody").status() == 200; });
    RawClient slow = stalled();
    loom().stop_cleanly();
    EXPECT_NE(slow.reader().read_rest().end, End::complete);
}

TEST_F(UsageReports, SegmentsRotateMeanwhile) {
    conf.set("token_accounting.log.segment_size", "64KiB");
    start(answer_always(answer(chat_answer)));
    std::jthread asks([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    });
    size_t last = 0;
    wait_until("some files", [&] {
        const Message told = exported("?format=jsonl");
        EXPECT_TRUE(told.is_whole()) << told.body.substr(told.body.size() < 300 ? 0 : told.body.size() - 300);
        EXPECT_GE(lines_in(told.body), last);
        last = lines_in(told.body);
        const fs::directory_iterator files(state.path() + "/ledger");
        return std::distance(begin(files), end(files)) > 4;
    });
    asks.request_stop();
    asks.join();
    std::string told;
    wait_until("all to be settled", [&] { return !contains(told = exported().body, ",open,"); });
    EXPECT_EQ(lines_in(told) - 1, static_cast<size_t>(number_in(admin("/ai/usage").body, "attempts")));
}

TEST_F(UsageReports, OfAnEncryptedDirectory) {
    conf.set("state.encryption_key", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff");
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    wait_until("all to be settled", [&] { return number_in(admin("/ai/usage").body, "attempts") == 5; });
    const Message told = exported("?format=jsonl");
    EXPECT_TRUE(told.is_whole());
    EXPECT_EQ(lines_in(told.body), 5u);
    EXPECT_TRUE(contains(told.body, R"("consumer":"tester")")) << told.body;
}

TEST_F(UsageReports, RecordsInMemoryAreNobodys) {
    conf.set("state.directory", "");
    start_without_upstream();
    expect_error(exported(), 404, "not_found");
}

TEST_F(UsageReports, SumsOfDaysBecomeTheirMonths_AndMonthsGo) {
    constexpr uint64_t day_us = 86'400ull * 1'000'000;
    const auto at = [](const char* date) {
        std::tm when{};
        ::strptime(date, "%Y-%m-%d", &when);
        return static_cast<uint64_t>(::timegm(&when)) * 1'000'000 + 1;
    };
    std::string bytes = former_segment(30, now_us() - 1'000'000);
    uint64_t id = tenant::make_ledger_id(1, 0, 1'000);
    for (const uint64_t time_us : {at("2020-02-10"), at("2020-02-10") + day_us, now_us() - 200 * day_us}) {
        append(bytes,
               tenant::LedgerIntent{
                   .id = id, .request = id, .time_us = time_us, .consumer = "old", .provider = "p", .model = "m"});
        append(bytes, tenant::LedgerSettlement{.id = id, .status = 200, .tokens = {.input = 7}, .cost = 5});
        id += 1;
        append(bytes, tenant::LedgerLocal{
                          .id = id, .request = id, .time_us = time_us, .status = 200, .consumer = "old", .saved = 3});
        id += 1;
    }
    leave(bytes);
    conf.set("token_accounting.retention.days", "40").set("token_accounting.retention.months", "24");
    start_without_upstream();
    wait_until("the oldest to go", [&] { return admin("/ai/usage?period=2020-02").status() == 410; });
    const Message gone = admin("/ai/usage/old?period=2020-02-10");
    expect_error(gone, 410, "period_not_kept");
    const std::time_t then = static_cast<std::time_t>(now_us() / 1'000'000) - 200 * 86'400;
    std::array<char, 16> month;
    ASSERT_EQ(std::strftime(month.data(), month.size(), "%Y-%m", ::gmtime(&then)), 7u);
    const std::string kept = admin("/ai/usage/old?period=" + std::string(month.data())).body;
    EXPECT_EQ(number_in(kept, "attempts"), 1) << kept;
    EXPECT_TRUE(contains(kept, R"("cached":{"requests":1,"exact":1,)")) << kept;
    EXPECT_TRUE(contains(kept, R"("days":[])") && contains(kept, R"("days_kept_since":")")) << kept;
    const Message day = admin("/ai/usage/old?period=" + std::string(month.data()) + "-01");
    expect_error(day, 410, "period_not_kept");
    EXPECT_TRUE(contains(day.body, month.data())) << day.body;
    EXPECT_EQ(number_in(admin("/ai/usage").body, "attempts"), 30) << "the month at hand stays";
    EXPECT_EQ(run_loom("ledger verify " + state.path()).first, 0);
    loom().stop_cleanly();
    const auto [status, text] = run_loom("ledger verify " + state.path());
    EXPECT_EQ(status, 0) << text;
    EXPECT_TRUE(contains(text, "33 attempts") && contains(text, "3 requests answered from the cache")) << text;
}

/// `loom ledger verify FILE --redis`.
class ToldToRedis : public UsageReports {
  protected:
    ToldToRedis() : redis({"--requirepass", "an-open-secret"}) {
        conf.set("token_accounting.store.type", "redis").set("token_accounting.store.redis.address", redis.address());
        conf.set("token_accounting.store.redis.password", "an-open-secret");
        conf.set("token_accounting.store.redis.interval", "100ms").set("token_accounting.store.redis.timeout", "500ms");
    }
    std::pair<int, std::string> verified(const Conf& with) {
        std::string text = with.text();
        for (const auto& [mark, value] :
             {std::pair<std::string, std::string>{"@MAIN@", "1"}, {"@ADMIN@", "2"}, {"@DIR@", files.path()}})
            for (size_t at; (at = text.find(mark)) != text.npos;) text.replace(at, mark.size(), value);
        const std::string path = files.path() + "/verify.conf";
        std::ofstream(path) << text;
        auto said = run_loom("ledger verify " + path + " --redis");
        EXPECT_FALSE(contains(said.second, "an-open-secret")) << said.second;
        return said;
    }
    std::pair<int, std::string> verified() { return verified(conf); }
    void use_and_tell(int count) {
        for (int i = 0; i < count; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
        wait_until("it to be told", [&] {
            const auto [status, text] = verified();
            return status == 0 && contains(text, " rows compared") && !contains(text, "0 rows compared") &&
                   !contains(text, "not told yet");
        });
    }
    std::string rows_key() {
        for (const std::string& key : redis.keys("*usage:20*"))
            if (std::ranges::count(key, ':') == 4 && !key.ends_with(":order")) return key;
        return "";
    }
    RedisServer redis;
    StateDirectory files;
};

TEST_F(ToldToRedis, TheSameOnBothSides_WhileItRunsAndAfterwards) {
    start(answer_always(answer(chat_answer)));
    use_and_tell(3);
    std::jthread asks([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    });
    for (int i = 0; i < 5; ++i) {
        const auto [status, text] = verified();
        EXPECT_EQ(status, 0) << text;
    }
    asks.request_stop();
    asks.join();
    loom().stop_cleanly();
    const auto [status, text] = verified();
    EXPECT_EQ(status, 0) << text;
    EXPECT_TRUE(contains(text, "compared with usage.db, 0 differences")) << text;
}

TEST_F(ToldToRedis, WhatDiffersIsNamed) {
    start(answer_always(answer(chat_answer)));
    use_and_tell(3);
    loom().stop_cleanly();
    const std::string key = rows_key();
    ASSERT_NE(key, "") << fmt::format("{}", fmt::join(redis.keys(), " "));
    const std::string answer = redis.run({"HKEYS", key});
    const size_t at = answer.find("\r\n", answer.find('$')) + 2;
    const std::string field = answer.substr(at, answer.find("\r\n", at) - at);
    const std::string before = redis.run({"HGET", key, field});
    (void)redis.run({"HSET", key, field, "7 7 7 0 0 0 7 0 0 0 0 0"});
    const auto [changed, said] = verified();
    EXPECT_EQ(changed, 1) << said;
    EXPECT_TRUE(contains(said, "consumer 'tester'") && contains(said, "7 requests, 7 attempts, 7 input")) << said;
    (void)redis.run({"HDEL", key, field});
    (void)redis.run({"ZREM", key + ":order", field});
    const auto [lost, what] = verified();
    EXPECT_EQ(lost, 1) << what;
    EXPECT_TRUE(contains(what, "was told, and is not there")) << what;
    (void)redis.run({"FLUSHALL"});
    const auto [forgot, nothing] = verified();
    EXPECT_EQ(forgot, 1) << nothing;
    EXPECT_TRUE(contains(nothing, "knows nothing of this Loom")) << nothing;
}

TEST_F(ToldToRedis, AStoreThatDoesNotAnswerEndsIt) {
    start(answer_always(answer(chat_answer)));
    use_and_tell(1);
    loom().stop_cleanly();
    const auto begun = std::chrono::steady_clock::now();
    redis.stall();
    const auto [stalled, why] = verified();
    redis.go_on();
    EXPECT_EQ(stalled, 78) << why;
    Conf wrong = conf;
    wrong.set("token_accounting.store.redis.password", "another-secret");
    const auto [refused, said] = verified(wrong);
    EXPECT_EQ(refused, 78) << said;
    EXPECT_FALSE(contains(said, "another-secret")) << said;
    redis.stop();
    EXPECT_EQ(verified().first, 78);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
    redis.start();
    Conf alone = conf;
    alone.set("token_accounting.store.type", "sqlite").set("token_accounting.store.redis.address", "");
    alone.set("token_accounting.store.redis.password", "").set("token_accounting.store.redis.interval", "");
    alone.set("token_accounting.store.redis.timeout", "");
    EXPECT_EQ(verified(alone).first, 78);
    EXPECT_EQ(run_loom("ledger verify " + state.path() + " --redis").first, 64);
    EXPECT_EQ(run_loom("ledger export " + state.path() + " --redis").first, 64);
}

}  // namespace
}  // namespace loom::wire
