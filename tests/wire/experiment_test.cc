// Shares of the users are led to other models and providers, are told so, and stay there.
#include <cmath>
#include <map>

#include "fixture.h"

namespace loom::wire {
namespace {

/// Clients ask for gpt-4o; `mock` has it and gpt-4.1, `second` has gpt-4o alone.
class Experiment : public WireTest {
  protected:
    Experiment() : second_(answer_always(answer(chat_answer))) {
        conf.set("provider.mock.models", "gpt-4o, gpt-4.1").set("provider.mock.priority", "1");
        conf.set("provider.second.type", "openai").set("provider.second.api_key", "sk-of-second");
        conf.set("provider.second.models", "gpt-4o").set("provider.second.base_url", second_.origin() + "/v1");
        conf.set("provider.second.priority", "2");
        conf.set("routing.experiment.canary.model", "gpt-4o");
    }
    void set_arm(const std::string& arm, const std::string& share, const std::string& use) {
        const std::string prefix = "routing.experiment.canary.arm." + arm;
        conf.set(prefix + ".share", share).set(prefix + ".use", use);
    }
    static std::string of_user(int user) {
        return chat_request(R"({"model":"gpt-4o","user":"u-)" + std::to_string(user) +
                            R"(","messages":[{"role":"user","content":"Hi"}]})");
    }
    std::string arm_of(int user) {
        const Message answered = ask(of_user(user));
        EXPECT_EQ(answered.status(), 200) << answered.raw();
        return std::string(answered.head.value("x-loom-experiment"));
    }
    /// A request is counted when all of its answer has left, which its client may see before.
    void expect_metric(const std::string& name, double value) {
        const Deadline deadline = Deadline::standard();
        while (loom().metric(name) < value && !deadline.passed()) {
        }
        EXPECT_EQ(loom().eventually(name), value) << name;
    }
    ScriptedUpstream& second() { return second_; }

  private:
    ScriptedUpstream second_;
};

TEST_F(Experiment, AnArmAsksItsModelAndTheControlItsOwn) {
    set_arm("new", "50%", "gpt-4.1");
    start(answer_always(answer(chat_answer)));
    std::map<std::string, int> counts;
    constexpr int users = 60;
    for (int user = 0; user < users; ++user) {
        const std::string arm = arm_of(user);
        counts[arm] += 1;
        EXPECT_EQ(arm_of(user), arm);
        EXPECT_EQ(json_text(upstream().last_request().body, "model"), arm == "canary=new" ? "gpt-4.1" : "gpt-4o");
    }
    EXPECT_EQ(counts["canary=new"] + counts["canary=control"], users);
    EXPECT_NEAR(counts["canary=new"], users / 2, 4 * std::sqrt(users * 0.25));
    const auto of_arm = [](const std::string& family, const std::string& arm, const std::string& more) {
        return "loom_ai_experiment_" + family + "{experiment=\"canary\",arm=\"" + arm + "\"" + more + "}";
    };
    const double led = 2 * counts["canary=new"], left = 2 * counts["canary=control"];
    expect_metric(of_arm("requests_total", "new", ",status=\"success\""), led);
    expect_metric(of_arm("requests_total", "control", ",status=\"success\""), left);
    expect_metric(of_arm("duration_seconds_count", "new", ""), led);
    expect_metric(of_arm("tokens_total", "new", ",type=\"output\""), 12 * led);
}

TEST_F(Experiment, AnArmMayBeAProvider) {
    set_arm("second", "100%", "second");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(arm_of(1), "canary=second");
    EXPECT_EQ(second().request_count(), 1u);
    EXPECT_EQ(json_text(second().last_request().body, "model"), "gpt-4o");
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(Experiment, OtherModelsAndSpelledOutProvidersTakeNoPart) {
    set_arm("new", "100%", "gpt-4.1");
    start(answer_always(answer(chat_answer)));
    for (const char* const model : {"gpt-4.1", "second/gpt-4o"}) {
        const Message answered = ask(chat_request(R"({"model":")" + std::string(model) + R"(","messages":[]})"));
        EXPECT_EQ(answered.status(), 200);
        EXPECT_FALSE(answered.head.has("x-loom-experiment")) << model;
    }
}

TEST_F(Experiment, WithoutAUserTheConsumerStandsInForIt) {
    set_arm("new", "50%", "gpt-4.1");
    start(answer_always(answer(chat_answer)));
    const std::string arm(ask(chat_request(chat_body)).head.value("x-loom-experiment"));
    for (int n = 0; n < 8; ++n) EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-experiment"), arm);
}

TEST_F(Experiment, FailoverStaysWithinTheArm) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "20ms");
    conf.set("provider.second.models", "gpt-4o, gpt-4.1");
    set_arm("new", "100%", "gpt-4.1");
    start(answer_always(answer("{}", "500 Internal Server Error")));
    const Message answered = ask(of_user(1));
    EXPECT_EQ(answered.status(), 200) << answered.raw();
    EXPECT_EQ(answered.head.value("x-loom-experiment"), "canary=new");
    EXPECT_EQ(answered.head.value("x-loom-provider"), "second");
    EXPECT_EQ(json_text(second().last_request().body, "model"), "gpt-4.1");
}

TEST_F(Experiment, WhoMustNotGoThereKeepsToItsOwnModel) {
    set_arm("new", "100%", "gpt-4.1");
    conf.set("provider.mock.region", "us").set("provider.second.region", "eu");
    start(answer_always(answer(chat_answer)));
    const auto expect_own = [&](const std::string& request) {
        const Message answered = ask(request);
        EXPECT_EQ(answered.status(), 200) << answered.raw();
        EXPECT_FALSE(answered.head.has("x-loom-experiment"));
        EXPECT_EQ(answered.head.value("x-loom-provider"), "second");
        EXPECT_EQ(json_text(second().last_request().body, "model"), "gpt-4o");
    };
    EXPECT_EQ(arm_of(1), "canary=new");
    conf.set("routing.require_region", "eu");
    loom().reload(conf.text());
    expect_own(of_user(1));
    conf.set("routing.require_region", "").set("consumer.tester.regions", "eu");
    loom().reload(conf.text());
    expect_own(of_user(1));
    conf.set("consumer.tester.regions", "").set("routing.rule.own.when", R"(user == "u-1")");
    conf.set("routing.rule.own.use", "second");
    loom().reload(conf.text());
    expect_own(of_user(1));
    EXPECT_EQ(upstream().request_count(), 1u);
    conf.set("consumer.tester.models", "gpt-4o").set("routing.rule.own.use", "mock");
    loom().reload(conf.text());
    EXPECT_EQ(arm_of(1), "") << "the model is none of its consumer's";
}

/// The arm's candidates are more than its own model's: nothing that was said of the former stays.
TEST_F(Experiment, WhoLeavesTheArmForWhatIsStoredForgetsItsRegions) {
    set_arm("new", "100%", "gpt-4.1");
    for (const std::string name : {"third", "fourth"}) {
        const std::string prefix = "provider." + name + ".";
        conf.set(prefix + "type", "openai").set(prefix + "api_key", "sk-of-" + name).set(prefix + "models", "gpt-4.1");
        conf.set(prefix + "base_url", second().origin() + "/v1").set(prefix + "region", "eu");
    }
    conf.set("routing.prefer_region", "eu")
        .set("provider.second.region", "eu")
        .set("route.ai.passthrough", "responses");
    conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "1ms");
    const std::string answered = R"({"id":"resp-1","object":"response","output":[]})";
    start(answer_always(answer(answered)));
    second().set_script(answer_always(answer(answered)));
    const auto respond = [this](const std::string& body) {
        return ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n", body));
    };
    ASSERT_EQ(respond(R"({"model":"second/gpt-4o","input":"x"})").status(), 200);
    second().set_script(answer_always(answer("{}", "503 Service Unavailable")));
    second().end_connections();
    const Message refused = respond(R"({"model":"gpt-4o","input":"x","previous_response_id":"resp-1"})");
    EXPECT_EQ(refused.status(), 503) << refused.raw();
    EXPECT_EQ(json_text(second().last_request().body, "model"), "gpt-4o");
    EXPECT_EQ(respond(R"({"model":"gpt-4o","input":"x"})").status(), 200) << "the gateway stands";
}

TEST_F(Experiment, ErrorsAreTheArms) {
    set_arm("new", "100%", "gpt-4.1");
    start(answer_always(answer("{}", "400 Bad Request")));
    EXPECT_EQ(ask(of_user(1)).status(), 400);
    expect_metric(R"(loom_ai_experiment_requests_total{experiment="canary",arm="new",status="error"})", 1);
    EXPECT_EQ(
        loom().eventually(R"(loom_ai_experiment_requests_total{experiment="canary",arm="control",status="error"})"), 0);
}

}  // namespace
}  // namespace loom::wire
