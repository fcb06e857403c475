// A Loom with three providers of the same models, each of which says who it is: who was asked is seen at both ends.
#pragma once

#include "fixture.h"

namespace loom::wire {

[[nodiscard]] inline std::string answer_of(std::string_view provider) {
    return answer(R"({"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,)"
                  R"("message":{"role":"assistant","content":"from )" +
                  std::string(provider) +
                  R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}})");
}

/// `mock` is asked first, then `spare`, then `third`, by priority.
class ThreeProviders : public WireTest {
  protected:
    ThreeProviders() : spare_(answer_always(answer_of("spare"))), third_(answer_always(answer_of("third"))) {
        allow_script_failures();
        conf.set("provider.mock.priority", "1");
        add("spare", spare_, 2);
        add("third", third_, 3);
    }
    void start_all() { start(answer_always(answer_of("mock"))); }
    /// From now on each request of this provider fails so.
    static void fail(ScriptedUpstream& one, const std::string& status = "500 Internal Server Error") {
        one.set_script(answer_always(answer("{}", status)));
        one.end_connections();
    }
    static std::string body(std::string_view model, std::string_view prompt = "Hi", const std::string& more = "") {
        return R"({"model":")" + std::string(model) + R"(","messages":[{"role":"user","content":")" +
               std::string(prompt) + R"("}])" + more + "}";
    }
    /// Who has answered.
    std::string asked(const std::string& request_body, std::string_view headers = "") {
        const Message response = ask(chat_request(request_body, headers));
        if (response.status() != 200) return std::to_string(response.status()) + ' ' + response.body;
        const std::string content = json_text(response.body, "content");
        EXPECT_EQ(content, "from " + std::string(response.head.value("x-loom-provider")));
        return content.substr(content.rfind(' ') + 1);
    }
    ScriptedUpstream& spare() { return spare_; }
    ScriptedUpstream& third() { return third_; }

  private:
    void add(const std::string& name, ScriptedUpstream& upstream, int priority) {
        const std::string prefix = "provider." + name + ".";
        conf.set(prefix + "type", "openai").set(prefix + "api_key", "sk-of-" + name);
        conf.set(prefix + "models", "gpt-4o, gpt-4o-mini").set(prefix + "base_url", upstream.origin() + "/v1");
        conf.set(prefix + "priority", std::to_string(priority));
    }

    ScriptedUpstream spare_;
    ScriptedUpstream third_;
};

}  // namespace loom::wire
