// What happens when the machine gives no more: descriptors, disk. Nothing ends, nobody waits for ever, and what can be
// said is said.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "fixture.h"

namespace loom::wire {
namespace {

class Exhaustion : public WireTest {};

/// A Loom that may open few descriptors, and more clients than these are enough for.
class FewDescriptors : public testing::Test {
  protected:
    static constexpr size_t descriptors_max = 48;

    /// Clients come until every descriptor is in use; the others of them wait. Whoever comes next is behind them all.
    std::vector<RawClient> exhaust() {
        std::vector<RawClient> clients;
        while (clients.size() < descriptors_max) clients.emplace_back(loom.port());
        wait_until("every descriptor to be in use", [this] { return used_count() == descriptors_max; });
        return clients;
    }

    /// UBSan looks at objects through a pipe, and without a descriptor for one takes each for broken: no log to
    /// believe.
    void stop() {
        if (!is_sanitized()) EXPECT_NO_THROW(loom.stop_cleanly());
    }

    ScriptedUpstream upstream{answer_always(answer(chat_answer))};
    LoomProcess loom{Conf().use_upstream(upstream.port()).text(), descriptors_max};

  private:
    /// Below the limit: what was inherited may lie above it.
    [[nodiscard]] size_t used_count() const {
        size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator("/proc/" + std::to_string(loom.pid()) + "/fd"))
            count += std::stoul(entry.path().filename().string()) < descriptors_max ? 1 : 0;
        return count;
    }
};

/// accept() fails with EMFILE: those who are in are served, the others wait in the backlog until some have gone.
TEST_F(FewDescriptors, ClientsWait) {
    RawClient one(loom.port());
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200) << "and there is an idle connection upstream";
    auto others = exhaust();
    RawClient late(loom.port());
    late.send(chat_request(chat_body));
    EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    char byte = 0;
    EXPECT_EQ(::recv(late.fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1) << "neither answered nor closed";
    EXPECT_EQ(upstream.request_count(), 2u);
    others.clear();
    EXPECT_EQ(late.read_response().status(), 200);
    stop();
}

/// socket() fails with EMFILE: it is the gateway that is full, not the upstream that fails.
TEST_F(FewDescriptors, ARequestThatNeedsOneIsToldToTryAgain) {
    RawClient one(loom.port());
    EXPECT_EQ(one.ask(get("/v1/models")).status(), 200);
    auto others = exhaust();
    for (int turn = 0; turn < 3; ++turn) {
        const Message refused = one.ask(chat_request(chat_body));
        expect_error(refused, 503, "overloaded");
        EXPECT_EQ(refused.head.value("Retry-After"), "1");
        EXPECT_TRUE(contains(refused.body, "descriptors")) << refused.body;
    }
    others.clear();
    wait_until("a descriptor", [&] { return one.ask(chat_request(chat_body)).status() == 200; });
    EXPECT_GE(sum_where(loom.metrics(), "loom_upstream_connections_total", {"result=\"exhausted\""}), 3);
    stop();
}

/// The disk of the access log is full: lines are lost, and counted; requests are not.
TEST_F(Exhaustion, AFullDiskUnderTheAccessLogCostsLinesAlone) {
    conf.set("log.access.path", "/dev/full");
    start(answer_always(answer(chat_answer)));
    RawClient one = client();
    for (int turn = 0; turn < 20; ++turn) EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
    wait_until("the failed write to be counted",
               [&] { return loom().metric("loom_access_log_write_errors_total") >= 1; });
    for (int turn = 0; turn < 20; ++turn) EXPECT_EQ(one.ask(chat_request(chat_body)).status(), 200);
}

/// Keys of providers are in memory: whatever ends the process, it leaves no core.
TEST_F(Exhaustion, ACrashLeavesNoCore) {
    start(answer_always(answer(chat_answer)));
    rlimit core{.rlim_cur = 1, .rlim_max = 1};
    ASSERT_EQ(::prlimit(loom().pid(), RLIMIT_CORE, nullptr, &core), 0);
    EXPECT_EQ(core.rlim_cur, 0u);
    EXPECT_EQ(core.rlim_max, 0u);
    loom().signal(SIGKILL);
    EXPECT_EQ(loom().wait_for_exit().signal, SIGKILL);
}

/// What it writes is its owner's, whatever the umask allows: the log may tell who asked for what.
TEST_F(Exhaustion, OthersCannotReadItsLog) {
    start(answer_always(answer(chat_answer)));
    struct stat status{};
    ASSERT_EQ(::stat(loom().path("access.log").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0137, 0u) << "0640 or less";
}

}  // namespace
}  // namespace loom::wire
