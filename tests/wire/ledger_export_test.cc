// `loom ledger export`: a line for each attempt, as what was answered says it.
#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

/// What it prints, errors too, and its exit status.
std::pair<int, std::string> export_of(const std::string& arguments) {
    const char* const binary = std::getenv("LOOM_BIN");
    FILE* const pipe = ::popen((std::string(binary) + " ledger export " + arguments + " 2>&1").c_str(), "r");
    std::string text;
    char piece[4096];
    for (size_t size; (size = std::fread(piece, 1, sizeof piece, pipe)) > 0;) text.append(piece, size);
    return {WEXITSTATUS(::pclose(pipe)), text};
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

class LedgerExport : public WireTest {
  protected:
    LedgerExport() {
        conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
        conf.set("consumer.tester.team", "dev").set("price.gpt-4o.input_per_1m", "1000");
        conf.set("price.gpt-4o.output_per_1m", "10000");
    }
    void ask_times(int count) {
        for (int i = 0; i < count; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    }
    const StateDirectory state;
};

TEST_F(LedgerExport, ALineForEachAttempt) {
    start(answer_always(answer(chat_answer)));
    ask_times(3);
    loom().stop_cleanly();
    const auto [status, csv] = export_of(state.path());
    EXPECT_EQ(status, 0);
    const auto lines = lines_of(csv);
    ASSERT_EQ(lines.size(), 4u) << csv;
    EXPECT_EQ(lines[0],
              "time,id,request,consumer,team,project,tenant,tier,route,provider,model,exit,status,provenance,input,"
              "cached_input,cache_write,output,reasoning,cost,kind,reason,count,saved_input,saved_output,saved_cost");
    for (size_t i = 1; i < lines.size(); ++i) {
        EXPECT_TRUE(contains(lines[i], ",tester,dev,,,,ai,mock,")) << lines[i];
        EXPECT_TRUE(contains(lines[i], ",answered,200,reported,9,0,0,12,0,0.129,attempt,,1,0,0,")) << lines[i];
    }
    const auto [json_status, json] = export_of(state.path() + " --format jsonl");
    EXPECT_EQ(json_status, 0);
    ASSERT_EQ(lines_of(json).size(), 3u);
    for (const std::string& line : lines_of(json)) {
        EXPECT_TRUE(line.starts_with("{\"time\":\"2") && contains(line, R"("cost":0.129,"kind":"attempt",)")) << line;
        EXPECT_TRUE(contains(line, R"("exit":"answered","status":200,"provenance":"reported","input":9,)")) << line;
    }
}

TEST_F(LedgerExport, WhatAKilledLoomLeftOpenIsThereOnce_AndOnceItIsBookedItSaysSo) {
    Gate gate;
    start([&](UpstreamConnection& connection) {
        for (int i = 0; connection.read_request(); ++i) {
            if (i == 2) gate.wait();
            connection.send(answer(chat_answer));
        }
    });
    allow_script_failures();
    ask_times(2);
    RawClient waits = client();
    waits.send(chat_request(chat_body));
    wait_until("it to be asked", [&] { return upstream().request_count() == 3; });
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    gate.open();
    const std::string killed = export_of(state.path()).second;
    EXPECT_EQ(lines_of(killed).size(), 4u) << killed;
    EXPECT_TRUE(contains(lines_of(killed).back(), ",open,0,none,0,")) << killed;
    LoomProcess again(conf.text());
    again.stop_cleanly();
    const std::string booked = export_of(state.path()).second;
    EXPECT_EQ(lines_of(booked).size(), 4u) << booked;
    EXPECT_TRUE(contains(booked, ",lost,")) << booked;
    EXPECT_FALSE(contains(booked, ",open,")) << booked;
}

TEST_F(LedgerExport, OfAPeriod) {
    start(answer_always(answer(chat_answer)));
    ask_times(2);
    loom().stop_cleanly();
    EXPECT_EQ(lines_of(export_of(state.path() + " --from 2020-01-01").second).size(), 3u);
    EXPECT_EQ(lines_of(export_of(state.path() + " --to 2020-01-01").second).size(), 1u);
    EXPECT_EQ(lines_of(export_of(state.path() + " --from=2020-01-01 --to=2100-01-01T00:00:00Z").second).size(), 3u);
    EXPECT_EQ(lines_of(export_of(state.path() + " --from 2100-01-01 --format=jsonl").second).size(), 0u);
}

TEST_F(LedgerExport, TheMonthIsProjectedByItsDaysSoFar) {
    start(answer_always(answer(chat_answer)));
    ask_times(4);
    std::string page;
    const auto ask_for = [&](const std::string& rest) {
        return ask_once(loom().admin_port(), request("GET", "/ai/usage" + rest), false).body;
    };
    wait_until("all to be booked",
               [&] { return contains(page = ask_for("/tester"), R"("requests":4,"cost_estimate")"); });
    using namespace std::chrono;
    const auto now = floor<seconds>(system_clock::now());
    const year_month_day date(floor<days>(now));
    const auto first = sys_days(date.year() / date.month() / 1),
               behind = sys_days(date.year() / date.month() / last) + days(1);
    const double passed = std::max<double>(86'400, static_cast<double>((now - first).count()));
    const double expected = 4 * 21 * static_cast<double>(seconds(behind - first).count()) / passed;
    for (const std::string& one : {page, ask_for("")}) {
        const size_t at = one.find(R"("projection":{"requests":)");
        ASSERT_NE(at, std::string::npos) << one;
        const size_t tokens = one.find(R"("tokens":)", at);
        EXPECT_NEAR(std::stod(one.substr(tokens + 9)), expected, 2 + expected / 1000) << one;
        EXPECT_TRUE(contains(one.substr(at, 200), R"("cost":")")) << one;
    }
    EXPECT_FALSE(contains(ask_for("/tester?period=2024-02"), "projection")) << "a month that is over";
}

TEST_F(LedgerExport, WhatIsWrongIsSaid) {
    EXPECT_EQ(export_of("/nowhere/at/all").first, 78);
    EXPECT_EQ(export_of(state.path() + " --format xml").first, 64);
    EXPECT_EQ(export_of(state.path() + " --from yesterday").first, 64);
    EXPECT_EQ(export_of("").first, 64);
    start_without_upstream();
}

}  // namespace
}  // namespace loom::wire
