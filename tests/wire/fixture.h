// What the suites share: a conf, the bytes of requests and answers, golden streams, and a fixture that starts an
// upstream and a Loom in front of it and, at the end, stops Loom and looks into its log.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom_process.h"
#include "message.h"
#include "raw_client.h"
#include "scripted_upstream.h"

namespace loom::wire {

inline constexpr std::string_view client_key = "sk-client-0123456789abcdef";
inline constexpr std::string_view provider_key = "sk-provider-fedcba9876543210";

/// The lines of a conf file; setting a key again replaces it, an empty value takes it away.
class Conf {
  public:
    Conf();  // one shard, one consumer, one provider `mock` without its base_url
    Conf& set(const std::string& key, const std::string& value);
    Conf& use_upstream(uint16_t port);
    /// The embedded provider instead of `mock`.
    Conf& use_echo();
    [[nodiscard]] std::string text() const;

  private:
    std::map<std::string, std::string> lines_;
};

[[nodiscard]] std::string request(std::string_view method, std::string_view target, std::string_view headers = "",
                                  std::string_view body = "");
/// POST /v1/chat/completions with the client's key and JSON's content type; `headers` are whole lines.
[[nodiscard]] std::string chat_request(std::string_view body, std::string_view headers = "");
[[nodiscard]] std::string get(std::string_view target, std::string_view headers = "");  // with the client's key
[[nodiscard]] std::string auth_header();

extern const std::string chat_body;             // not streamed
extern const std::string stream_body;           // "stream": true, and asks for usage: nothing is left to edit
extern const std::string stream_body_no_usage;  // "stream": true alone: Loom adds stream_options and strips the chunk
extern const std::string chat_answer;           // a chat.completion with usage 9 / 12

[[nodiscard]] std::string answer(std::string_view body, std::string_view status = "200 OK",
                                 std::string_view headers = "");
extern const std::string sse_head;  // 200, text/event-stream, chunked
[[nodiscard]] std::string chunk(std::string_view bytes);
inline constexpr std::string_view last_chunk = "0\r\n\r\n";
/// A chunked answer: one chunk an event (split behind each empty line), or one for the whole.
[[nodiscard]] std::string sse_answer(std::string_view events, bool chunk_per_event = true);
[[nodiscard]] std::string delta_event(std::string_view content);
extern const std::string usage_event;  // the chunk with empty choices
extern const std::string done_event;

struct Golden {
    const char* name;
    std::string events;
};
/// Streams as providers send them and as the SSE specification allows them.
[[nodiscard]] const std::vector<Golden>& golden_streams();

/// The text of the first `"name": "…"` in a JSON document, still escaped; "" when absent.
[[nodiscard]] std::string json_text(std::string_view document, std::string_view name);
[[nodiscard]] bool contains(std::string_view text, std::string_view part);
/// `whole` is `original` with one run of bytes inserted or replaced; returns what stands there now.
[[nodiscard]] std::string edited_run(std::string_view original, std::string_view whole);

/// OpenAI's error shape with this status and code, and a message.
void expect_error(const Message& response, int status, std::string_view code = "");

class WireTest : public testing::Test {
  protected:
    void start(ScriptedUpstream::Script script);
    void start_without_upstream();
    void TearDown() override;

    Conf conf;
    ScriptedUpstream& upstream() { return *upstream_; }
    LoomProcess& loom() { return *loom_; }
    RawClient client(int receive_buffer_bytes = 0) { return RawClient(loom_->port(), receive_buffer_bytes); }
    Message ask(std::string_view bytes, bool is_bodyless = false) {
        return ask_once(loom_->port(), bytes, is_bodyless);
    }
    /// Scripts that end with a throw are part of the test (a reset client, say).
    void allow_script_failures() { are_script_failures_allowed_ = true; }

  private:
    std::unique_ptr<ScriptedUpstream> upstream_;
    std::unique_ptr<LoomProcess> loom_;
    bool are_script_failures_allowed_ = false;
};

}  // namespace loom::wire
