// What teams and tenants take, in /metrics: by names of bounded number, which a reload does not change.
#include <fmt/format.h>

#include "fixture.h"

namespace loom::wire {
namespace {

class OwnerMetrics : public WireTest {
  protected:
    OwnerMetrics() {
        conf.set("consumer.tester.team", "search").set("consumer.tester.tenant", "acme");
        conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "10000");
    }
    Message ask_as(const std::string& key) {
        return ask(request("POST", "/v1/chat/completions",
                           "Content-Type: application/json\r\nAuthorization: Bearer " + key + "\r\n", chat_body));
    }
    Eventually tokens(const std::string& team, const std::string& type) {
        return loom().eventually(fmt::format(R"(loom_ai_team_tokens_total{{team="{}",type="{}"}})", team, type));
    }
};

TEST_F(OwnerMetrics, TokensAndCostOfATeamAndATenant) {
    conf.set("consumer.loner.api_key", "sk-of-nobodys-team-0123456789");
    start(answer_always(answer(chat_answer)));  // 9 and 12
    EXPECT_EQ(tokens("acme/search", "input"), 0) << "a team is there from the start";
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(ask_as("sk-of-nobodys-team-0123456789").status(), 200);
    EXPECT_EQ(tokens("acme/search", "input"), 18);
    EXPECT_EQ(tokens("acme/search", "output"), 24);
    EXPECT_EQ(loom().eventually(R"(loom_ai_tenant_tokens_total{tenant="acme",type="output"})"), 24);
    EXPECT_EQ(loom().eventually(R"(loom_ai_team_cost_total{team="acme/search"})"), 0.258);
    EXPECT_EQ(loom().eventually(R"(loom_ai_tenant_cost_total{tenant="acme"})"), 0.258);
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="mock",type="input"})"), 27);
    EXPECT_EQ(loom().eventually_sum("loom_ai_team_tokens_total"), 42) << "who is of no team is in none";
}

TEST_F(OwnerMetrics, NothingWhereNobodyIsOfATeam) {
    conf.set("consumer.tester.team", "").set("consumer.tester.tenant", "");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    for (const auto& [name, value] : loom().metrics()) {
        EXPECT_FALSE(name.starts_with("loom_ai_team_")) << name << ' ' << value;
        EXPECT_FALSE(name.starts_with("loom_ai_tenant_")) << name << ' ' << value;
    }
}

TEST_F(OwnerMetrics, CountersStayOverAReload) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(tokens("acme/search", "input"), 9);
    conf.set("consumer.early.api_key", "sk-of-another-team-0123456789").set("consumer.early.team", "another");
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(ask_as("sk-of-another-team-0123456789").status(), 200);
    EXPECT_EQ(tokens("acme/search", "input"), 18);
    EXPECT_EQ(tokens("another", "input"), 9);
}

TEST_F(OwnerMetrics, TeamsBeyondTheBoundAreCountedTogether) {
    for (int n = 0; n < 200; ++n) {
        conf.set(fmt::format("consumer.c{:03}.api_key", n), fmt::format("sk-of-consumer-{:03}-0123456789", n));
        conf.set(fmt::format("consumer.c{:03}.team", n), fmt::format("team-{:03}", n));
    }
    start(answer_always(answer(chat_answer)));
    for (const int n : {0, 198, 199})
        EXPECT_EQ(ask_as(fmt::format("sk-of-consumer-{:03}-0123456789", n)).status(), 200);
    EXPECT_EQ(tokens("other", "input"), 18);
    EXPECT_EQ(tokens("team-000", "input"), 9);
    size_t teams = 0;
    for (const auto& [name, value] : loom().metrics()) teams += name.starts_with("loom_ai_team_cost_total");
    EXPECT_EQ(teams, 129u);
}

}  // namespace
}  // namespace loom::wire
