// A start while the disk of state.directory is full: Loom serves, or refuses, as token_accounting.on_disk_full says,
// and nothing of what was before is lost.
#include <fmt/format.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>

#include "fixture.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

const std::string small_body = R"({"model":"gpt-4o","max_tokens":12,"messages":[{"role":"user","content":"Hi"}]})";

struct Case {
    const char* name;
    bool encrypted = false;
};

class StartOnAFullDisk : public WireTest, public testing::WithParamInterface<Case> {
  protected:
    StartOnAFullDisk() {
        mounted_ = ::mount("none", state_.path().c_str(), "tmpfs", 0, "size=2m") == 0;
        conf.set("token_accounting.enabled", "on").set("state.directory", state_.path()).set("loop.shards", "2");
        if (GetParam().encrypted) conf.set("state.encryption_key", std::string(64, 'a'));
    }
    ~StartOnAFullDisk() override {
        if (mounted_) ::umount2(state_.path().c_str(), MNT_DETACH);
    }
    void SetUp() override {
        if (!mounted_) GTEST_SKIP() << "mounting a file system is not allowed here";
    }
    void fill() const {
        std::ofstream file(state_.path() + "/filler", std::ios::binary);
        const std::string block(4096, 'x');
        while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void make_room() const { fs::remove(state_.path() + "/filler"); }
    /// What the process before has booked: so many requests of 9 and 12 tokens.
    void book_before(int count, bool killed) {
        ScriptedUpstream upstream(answer_always(answer(chat_answer)));
        Conf before = conf;
        before.use_upstream(upstream.port());
        LoomProcess first(before.text());
        for (int i = 0; i < count; ++i) EXPECT_EQ(ask_once(first.port(), chat_request(small_body)).status(), 200);
        booked_ += count;
        wait_until("all to be booked", [&] { return requests_of(first) == booked_; });
        if (!killed) return first.stop_cleanly();
        first.signal(SIGKILL);
        (void)first.wait_for_exit();
    }
    static double requests_of(const LoomProcess& loom) {
        const Message page = ask_once(loom.admin_port(), "GET /ai/usage/tester HTTP/1.1\r\nHost: a\r\n\r\n");
        const size_t at = page.body.find("\"requests\":");
        return at == page.body.npos ? -1 : std::strtod(page.body.c_str() + at + 11, nullptr);
    }
    Eventually failing() { return loom().eventually("loom_ai_ledgers_failing"); }

    std::string loom_conf() {
        Conf same = conf;
        return same.use_upstream(upstream().port()).text();
    }

  private:
    StateDirectory state_;
    bool mounted_ = false;
    int booked_ = 0;
};

TEST_P(StartOnAFullDisk, TheFirstOfAllServes_AndBooksAllOnceThereIsRoom) {
    fill();
    if (GetParam().encrypted) {  // the mark of encryption is a file, which has to be written first
        const Exit exit = LoomProcess::run_to_end(conf.use_upstream(1).text());
        EXPECT_EQ(exit.code, 78) << exit.log;
        EXPECT_TRUE(contains(exit.log, "No space left on device")) << exit.log;
        return;
    }
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(chat_request(small_body)).status(), 200);
    EXPECT_EQ(failing(), 2);
    EXPECT_TRUE(contains(loom().log(), "the disk of state.directory is full: the ledger begins in memory"));
    make_room();
    wait_until("all to be booked", [&] { return requests_of(loom()) == 20; });
    EXPECT_EQ(failing(), 0);
    EXPECT_EQ(loom().eventually("loom_ai_ledger_lost_total"), 0);
    EXPECT_TRUE(contains(loom().log(), "there is room on the disk of state.directory again"));
}

TEST_P(StartOnAFullDisk, SumsOfBeforeAreToldMeanwhile_AndGoOn) {
    book_before(5, false);
    book_before(5, true);
    fill();
    start(answer_always(answer(chat_answer)));
    EXPECT_GE(requests_of(loom()), 5) << "what was folded of the log";
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(chat_request(small_body)).status(), 200);
    EXPECT_EQ(failing(), 2);
    make_room();
    wait_until("all to be booked", [&] { return requests_of(loom()) == 20; });
    EXPECT_EQ(failing(), 0);
    EXPECT_EQ(loom().eventually("loom_ai_ledger_lost_total"), 0);
    loom().stop_cleanly();
    LoomProcess again(loom_conf());
    EXPECT_EQ(requests_of(again), 20) << "and nothing is counted twice";
}

TEST_P(StartOnAFullDisk, BudgetsKnowWhatWasSpent) {
    conf.set("token_accounting.limit.tester.daily_limit", "100");
    book_before(3, false);
    fill();
    start(answer_always(answer(chat_answer)));
    int served = 0;
    for (int i = 0; i < 6; ++i) served += ask(chat_request(small_body)).status() == 200;
    EXPECT_GE(served, 1);
    EXPECT_LE(served, 2) << "63 of 100 were spent before";
}

TEST_P(StartOnAFullDisk, OrNobodyIsServedUntilThereIsRoom) {
    conf.set("loop.shards", "1");
    book_before(3, true);
    fill();
    conf.set("token_accounting.on_disk_full", "refuse");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(small_body)).status(), 503);
    const Message refused = ask(chat_request(small_body));
    EXPECT_EQ(refused.status(), 503);
    EXPECT_TRUE(contains(refused.body, "token_accounting.on_disk_full")) << refused.body;
    EXPECT_EQ(upstream().request_count(), 0u);
    make_room();
    wait_until("an answer", [&] { return ask(chat_request(small_body)).status() == 200; });
    wait_until("it to be booked", [&] { return requests_of(loom()) >= 4; });
}

INSTANTIATE_TEST_SUITE_P(State, StartOnAFullDisk,
                         testing::Values(Case{"Plain"}, Case{.name = "Encrypted", .encrypted = true}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace loom::wire
