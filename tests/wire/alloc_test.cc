// No allocation from the heap between accept and the last byte of a warm request. Needs a loom that counts
// (-Dalloc_counter=true), and is built only there; `scripts/test --full` does. Where it fails, LOOM_ALLOC_TRACE=1
// prints where each came from.
#include <algorithm>
#include <vector>

#include "fixture.h"

namespace loom::wire {
namespace {

class Allocations : public WireTest {
  protected:
    static constexpr size_t client_count = 8;

    void SetUp() override {
        conf.set("loop.shards", "2");
        const std::string stream = sse_answer(golden_streams().front().events);
        start(answer_with([stream](const Message& request) {
            return contains(request.body, "\"stream\":true") ? stream : answer(chat_answer);
        }));
    }
    void open_clients() {
        clients_.clear();
        while (clients_.size() < client_count) clients_.push_back(client());
    }
    /// Over the open connections in turn, so that both shards have their part.
    void ask_all(std::string_view body, size_t count) {
        for (size_t i = 0; i < count; ++i) ASSERT_EQ(clients_[i % client_count].ask(chat_request(body)).status(), 200);
    }
    double allocations() { return loom().metric("loom_heap_allocations_total"); }
    /// The least of three times: what a request takes, it takes each time; what a shard grows once or does now and
    /// then, whoever asks, comes in one of them.
    template <class Ask>
    double taken_by(Ask ask_them) {
        double least = 0;
        for (int turn = 0; turn < 3; ++turn) {
            (void)allocations();
            const double before = allocations();
            ask_them();
            const double taken = allocations() - before;
            least = turn == 0 ? taken : std::min(least, taken);
            if (least == 0) break;
        }
        return least;
    }

    std::vector<RawClient> clients_;
};

TEST_F(Allocations, AreCountedInThisBuild) {
    const double before = allocations();
    EXPECT_GT(before, 0) << "the start itself takes memory";
    EXPECT_EQ(ask(get("/v1/models")).status(), 200);
    EXPECT_GT(allocations() - before, 0) << "a list of models is made as it is asked for, off the warm path";
}

TEST_F(Allocations, AThousandWarmRequestsAndAHundredStreamsTakeNone) {
    open_clients();
    ask_all(chat_body, 300);
    ask_all(stream_body, 50);
    ask_all(stream_body_no_usage, 50);
    EXPECT_EQ(taken_by([&] { ask_all(chat_body, 1'000); }), 0) << "by JSON answers";
    EXPECT_EQ(taken_by([&] { ask_all(stream_body, 50); }), 0) << "by streams that pass untouched";
    EXPECT_EQ(taken_by([&] { ask_all(stream_body_no_usage, 50); }), 0)
        << "by streams whose usage is asked for and stripped";
}

TEST_F(Allocations, LimitsInSeveralWindowsTakeNone) {
    conf.set("rate_limit.consumer.tester.request_rate", "100000/1s, 1000000/1h, 5000000/1d");
    conf.set("rate_limit.consumer.tester.token_rate", "100000000/1s, 999999999/1h");
    conf.set("rate_limit.ip.request_rate", "200000/1s, 2000000/1h");
    loom().reload(conf.text());
    open_clients();
    ask_all(chat_body, 300);
    EXPECT_EQ(taken_by([&] { ask_all(chat_body, 1'000); }), 0);
}

TEST_F(Allocations, NewConnectionsTakeNoneEither) {
    for (int turn = 0; turn < 100; ++turn) ASSERT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(taken_by([&] {
                  for (int turn = 0; turn < 100; ++turn) ASSERT_EQ(ask(chat_request(chat_body)).status(), 200);
              }),
              0);
}

TEST_F(Allocations, RulesEstimatesAndRequirementsTakeNoneEither) {
    conf.set("routing.rule.a.when", R"(header.x-team == "a" and task == "code" and query.q == "b c")");
    conf.set("routing.rule.a.use", "mock")
        .set("routing.rule.b.when", "complexity >= 0")
        .set("routing.rule.b.use", "mock");
    conf.set("routing.strategy", "complexity").set("routing.complexity.small", "gpt-4o-mini");
    conf.set("provider.mock.region", "eu")
        .set("routing.require_region", "eu")
        .set("provider.mock.context_length", "9000");
    loom().reload(conf.text());
    open_clients();
    const std::string body(chat_body);
    const std::string asked = request("POST", "/v1/chat/completions?q=b%20c",
                                      auth_header() + "Content-Type: application/json\r\nX-Team: a\r\n", body);
    const auto ask_often = [&](size_t count) {
        for (size_t i = 0; i < count; ++i) ASSERT_EQ(clients_[i % client_count].ask(asked).status(), 200);
    };
    ask_often(300);
    EXPECT_EQ(taken_by([&] { ask_often(500); }), 0);
}

TEST_F(Allocations, NeitherDoRequestsThatCouldBeHedged) {
    for (const char* const after : {"p99", "30s"}) {
        conf.set("routing.failover.enabled", "on").set("routing.hedge.after", after);
        loom().reload(conf.text());
        open_clients();
        ask_all(chat_body, 400);
        ask_all(stream_body, 200);
        const auto ask_both = [&] {
            ask_all(chat_body, 300);
            ask_all(stream_body, 100);
        };
        EXPECT_EQ(taken_by(ask_both), 0) << after;
        EXPECT_EQ(loom().metric_sum("loom_ai_hedges_total"), 0);
    }
}

TEST_F(Allocations, RefusalsTakeNoneEither) {
    open_clients();
    const std::string unknown = R"({"model":"no-such-model","messages":[]})";
    const auto refuse_all = [&] {
        for (RawClient& one : clients_) ASSERT_EQ(one.ask(chat_request(unknown)).status(), 404);
        for (RawClient& one : clients_) ASSERT_EQ(one.ask(chat_request("{")).status(), 400);
    };
    for (int turn = 0; turn < 20; ++turn) refuse_all();
    EXPECT_EQ(taken_by([&] {
                  for (int turn = 0; turn < 20; ++turn) refuse_all();
              }),
              0);
}

}  // namespace
}  // namespace loom::wire
