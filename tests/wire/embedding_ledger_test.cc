// Texts' vectors by a provider's work: what they cost whom.
#include <signal.h>

#include "embedding_fixture.h"
#include "full_backlog.h"
#include "ledger_pages.h"
#include "loom/llm/token_estimate.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

class EmbeddingLedger : public Embedding {
  protected:
    EmbeddingLedger() {
        conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
        conf.set("consumer.tester.team", "testers").set("consumer.tester.tenant", "acme");
        conf.set("price.gpt-4o.input_per_1m", "2.50").set("price.gpt-4o.output_per_1m", "10");
        conf.set(fmt::format("price.{}.input_per_1m", model), "1000");
    }
    std::string page(std::string_view rest, long attempts) {
        std::string told;
        const Deadline deadline = Deadline::standard();
        do {
            told = usage_page(loom(), std::string(rest));
        } while (number_in(told, "attempts") != attempts && !deadline.passed());
        EXPECT_EQ(number_in(told, "attempts"), attempts) << told;
        return told;
    }
    StateDirectory state;
};

TEST_F(EmbeddingLedger, WhoAsksPaysForTheVector) {
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
    const std::string told = page("/tester", 3);
    const size_t at = told.find(fmt::format(R"("model":"{}")", model));
    ASSERT_NE(at, told.npos) << told;
    EXPECT_EQ(number_in(told, "prompt", at), 14) << told;
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
    EXPECT_TRUE(contains(told, R"("cost":"0.0141425")")) << told << "\n2 x 7 tokens, and one answer";
    const std::string all = page("", 3);
    for (const char* const part : {R"("provider":"embed")", R"("tenant":"acme")", R"("team":"acme/testers")"})
        EXPECT_TRUE(contains(all, part)) << all;
    // The log's line of the one who was answered from the cache tells what that has cost.
    const std::string line = loom().wait_for_access_line(R"("cache":"semantic")");
    EXPECT_TRUE(contains(line, "0.007")) << line;
}

TEST_F(EmbeddingLedger, WhatWasAskedAndNotAnsweredIsEstimated) {
    embed_with([](UpstreamConnection& connection) { (void)connection.read_request(), connection.reset(); });
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    const std::string told = page("/tester", 2);
    const size_t at = told.find(fmt::format(R"("model":"{}")", model));
    ASSERT_NE(at, told.npos) << told;
    EXPECT_EQ(number_in(told, "prompt", at), static_cast<long>(llm::estimated_tokens(asked))) << told;
    EXPECT_EQ(number_in(told, "attempts_estimated"), 1) << told;
}

TEST_F(EmbeddingLedger, WhatNeverLeftCostsNothing) {
    const FullBacklog full;
    conf.set("provider.embed.base_url", fmt::format("http://127.0.0.1:{}/v1", full.port()));
    conf.set("semantic_cache.embedding.timeout", "50ms");
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    EXPECT_EQ(count_of("late"), 1);
    const std::string told = page("/tester", 2);
    EXPECT_TRUE(contains(told, R"("cost":"0.0001425")")) << told;
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
}

TEST_F(EmbeddingLedger, NorDoesWhatADrainEndsWhileItConnects) {
    const FullBacklog full;
    conf.set("provider.embed.base_url", fmt::format("http://127.0.0.1:{}/v1", full.port()));
    conf.set("semantic_cache.embedding.timeout", "1s");  // and the call goes on for longer
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    loom().stop_cleanly();
    LoomProcess again(conf.text());
    const std::string told = ask_once(again.admin_port(), request("GET", "/ai/usage/tester")).body;
    EXPECT_EQ(number_in(told, "attempts"), 2) << told;
    EXPECT_TRUE(contains(told, R"("cost":"0.0001425")")) << told;
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
    again.stop_cleanly();
}

TEST_F(EmbeddingLedger, WhatWasRefusedCostsNothing) {
    embed_with(answer_always(answer("{}", "500 Internal Server Error")));
    begin();
    EXPECT_EQ(status(body_of(asked)), "miss");
    const std::string told = page("/tester", 2);
    EXPECT_TRUE(contains(told, R"("cost":"0.0001425")")) << told;
}

TEST_F(EmbeddingLedger, AnAnswerWithoutUsageIsEstimated) {
    embed_with(answer_with([](const Message& request) { return vector_answer(numbers_of(request.body), "null"); }));
    begin();
    (void)keep(body_of(asked));
    EXPECT_EQ(number_in(page("/tester", 2), "attempts_estimated"), 1);
}

TEST_F(EmbeddingLedger, AnAnswerThatTellsTheTotalAloneIsBookedByIt) {
    embed_with(answer_with(
        [](const Message& request) { return vector_answer(numbers_of(request.body), R"({"total_tokens":11})"); }));
    begin();
    (void)keep(body_of(asked));
    const std::string told = page("/tester", 2);
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0) << told;
    EXPECT_TRUE(contains(told, R"("cost":"0.0111425")")) << told;
}

TEST_F(EmbeddingLedger, ItsMoneyIsOfTheBudget) {
    conf.set("token_accounting.limit.tester.budget.daily",
             "$0.0075");  // a vector is $0.007, an answer a good deal less
    begin();
    (void)keep(body_of(asked, R"(,"max_tokens":12)"));
    EXPECT_EQ(status(body_of(in_other_words, R"(,"max_tokens":12)")), "semantic") << "it was left a little";
    EXPECT_EQ(ask(chat_request(body_of("Which mountain is the tallest?", R"(,"max_tokens":12)"))).status(), 429);
    EXPECT_EQ(embedder().request_count(), 2u) << "whose budget is spent is not embedded for";
}

/// Whichever budget its client is under.
TEST_F(EmbeddingLedger, ItsMoneyIsOfEveryBudgetThatItsRequestIsUnder_AfterAKillToo) {
    conf.set("consumer.tester.tenant", "acme").set("consumer.tester.project", "x");
    for (const char* const of : {"tenant.acme", "project.x", "route.ai", "model.gpt-4o"})
        conf.set(fmt::format("token_accounting.{}.budget.daily", of), "$0.0075");
    begin();
    (void)keep(body_of(asked, R"(,"max_tokens":12)"));
    const auto told = [this] {
        const std::string limits = ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body;
        std::vector<std::string> used;
        for (size_t at = limits.find(R"("used":")"); at != limits.npos; at = limits.find(R"("used":")", at + 1))
            used.push_back(limits.substr(at, limits.find(',', at) - at));
        return used;
    };
    (void)page("/tester", 2);  // it is in the ledger
    const std::vector<std::string> before = told();
    ASSERT_EQ(before.size(), 4u);
    for (const std::string& one : before) EXPECT_TRUE(contains(one, "0.007")) << one;
    loom().signal(SIGKILL);
    (void)loom().wait_for_exit();
    begin();
    EXPECT_EQ(told(), before);
}

/// It was embedded before it was known what it would cost: who asks again and again would have that for nothing.
TEST_F(EmbeddingLedger, WhoIsRefusedByItsBudgetPaysForItsVectors) {
    conf.set("token_accounting.limit.tester.budget.daily", "$0.05").set("price.gpt-4o.output_per_1m", "1000");
    begin();
    for (int i = 0; i < 12; ++i)
        EXPECT_EQ(ask(chat_request(body_of(fmt::format("Mountain {}?", i), R"(,"max_tokens":1000000)"))).status(), 429);
    EXPECT_EQ(embedder().request_count(), 8u) << "of $0.007 each";
    EXPECT_EQ(upstream().request_count(), 0u);
}

/// The embedder's answer comes when its request is gone, and the conf is another.
TEST_F(EmbeddingLedger, WhoLeavesPaysForItsVectorAllTheSame) {
    conf.set("token_accounting.limit.tester.budget.daily", "$0.0069");
    Gate gate;
    embed_with(wait_for(gate, vector_answer(numbers_of(asked))));
    begin();
    RawClient leaves = client();
    leaves.send(chat_request(body_of(asked, R"(,"max_tokens":12)")));
    (void)embedder().request(0);
    leaves.reset();
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    begin_anew();
    gate.open();
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 7);
    EXPECT_EQ(ask(chat_request(body_of("Which mountain?", R"(,"max_tokens":12)"))).status(), 429);
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(EmbeddingLedger, AndWhoDidNotWaitForIt) {
    conf.set("token_accounting.limit.tester.budget.daily", "$0.007").set("semantic_cache.embedding.timeout", "1s");
    Gate gate;
    embed_with(wait_for(gate, vector_answer(numbers_of(asked))));
    begin();
    EXPECT_EQ(status(body_of(asked, R"(,"max_tokens":12)")), "miss");
    EXPECT_EQ(count_of("late"), 1);
    gate.open();
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 7);
    EXPECT_EQ(ask(chat_request(body_of("Which mountain?", R"(,"max_tokens":12)"))).status(), 429);
}

}  // namespace
}  // namespace loom::wire
