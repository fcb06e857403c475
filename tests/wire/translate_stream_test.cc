// Streams of one protocol on their way to clients of another: cut anywhere, broken anywhere, one after the other.
#include <fmt/format.h>

#include "protocols.h"

namespace loom::wire {
namespace {

/// A Loom in front of one provider, whose clients all speak something else.
class TranslatedStream : public WireTest, public testing::WithParamInterface<const char*> {
  protected:
    void SetUp() override {
        conf.set("provider.mock.type", GetParam()).set("provider.mock.models", "big");
        conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
        conf.set("route.gemini.auth.type", "api_key");
    }
    const ProviderProtocol& provider() const { return provider_protocol(GetParam()); }
    /// The clients that need translation here.
    std::vector<ClientProtocol> strangers() const {
        std::vector<ClientProtocol> found;
        for (const ClientProtocol& one : client_protocols()) {
            const bool is_native =
                one.name == std::string_view(provider().client) ||
                (GetParam() == std::string_view("openai") && std::string_view(one.name) == "openai_responses");
            if (!is_native) found.push_back(one);
        }
        return found;
    }
    static std::string ask_of(const ClientProtocol& one) { return one.ask("big", true, "X-Request-Id: same\r\n"); }
};

TEST_P(TranslatedStream, CutAtEveryByteIsTheSameForItsClient) {
    const std::string bytes = stream_answer(provider());
    size_t cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) connection.send_cut_at(bytes, cut);
    });
    for (const ClientProtocol& one : strangers()) {
        RawClient client_of_it = client();
        const std::string whole = without_times(client_of_it.ask(ask_of(one)).body);
        ASSERT_TRUE(contains(whole, "Hello") && contains(whole, one.stream_end)) << one.name << ": " << whole;
        for (cut = 0; cut <= bytes.size(); ++cut) {
            const Message response = client_of_it.ask(ask_of(one));
            ASSERT_EQ(without_times(response.body), whole) << one.name << ", cut at " << cut;
            ASSERT_TRUE(response.is_whole()) << one.name << ", cut at " << cut;
        }
        cut = 0;
    }
    EXPECT_EQ(upstream().connection_count(), 1U) << "a connection is used again when its stream is whole";
}

TEST_P(TranslatedStream, ByteByByteIsTheSameForItsClient) {
    const std::string bytes = stream_answer(provider());
    bool is_slow = false;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) is_slow ? connection.send_byte_by_byte(bytes) : connection.send(bytes);
    });
    for (const ClientProtocol& one : strangers()) {
        is_slow = false;
        const std::string whole = without_times(ask(ask_of(one)).body);
        is_slow = true;
        EXPECT_EQ(without_times(ask(ask_of(one)).body), whole) << one.name;
    }
}

TEST_P(TranslatedStream, ThatBreaksEndsWithTheErrorOfItsClientsProtocol) {
    const std::string bytes = stream_answer(provider());
    const size_t half = bytes.find(" world");
    bool is_reset = false;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(std::string_view(bytes).substr(0, half));
        connection.wait_until_loom_has_read();
        is_reset ? connection.reset() : connection.close();
    });
    for (const ClientProtocol& one : strangers()) {
        for (const bool reset : {false, true}) {
            is_reset = reset;
            const Message response = ask(ask_of(one));
            EXPECT_EQ(response.status(), 200) << one.name;
            EXPECT_TRUE(contains(response.body, "Hello")) << one.name << ": " << response.body;
            EXPECT_TRUE(contains(response.body, one.stream_error)) << one.name << ": " << response.body;
            EXPECT_FALSE(contains(response.body, one.stream_end)) << one.name << ": " << response.body;
        }
    }
}

TEST_P(TranslatedStream, ThatEndsBeforeItsEndIsNoWholeAnswer) {
    const std::string bytes = stream_answer(provider());
    const std::string framed = chunk(std::string_view(provider().stream).substr(0, provider().stream.find("world")));
    const std::string cut_short = bytes.substr(0, bytes.find("\r\n\r\n") + 4) + framed + std::string(last_chunk);
    start(answer_always(cut_short));
    for (const ClientProtocol& one : strangers()) {
        const Message response = ask(ask_of(one));
        EXPECT_TRUE(contains(response.body, one.stream_error)) << one.name << ": " << response.body;
        EXPECT_FALSE(contains(response.body, one.stream_end)) << one.name << ": " << response.body;
    }
}

TEST_P(TranslatedStream, AnsweredWithJsonIsAWholeAnswer) {
    start(answer_always(answer(provider().answer)));
    for (const ClientProtocol& one : strangers()) {
        const Message response = ask(ask_of(one));
        EXPECT_EQ(response.status(), 200) << one.name << ": " << response.body;
        EXPECT_TRUE(contains(response.head.value("Content-Type"), "application/json")) << one.name;
        EXPECT_TRUE(contains(response.body, "Hello world")) << one.name << ": " << response.body;
    }
}

TEST_P(TranslatedStream, RefusedIsAnErrorDocumentAndNoStream) {
    start(answer_always(answer(provider().error(503, "busy here"), "503 Service Unavailable", "Retry-After: 4\r\n")));
    for (const ClientProtocol& one : strangers()) {
        const Message response = ask(ask_of(one));
        EXPECT_EQ(response.status(), 503) << one.name;
        EXPECT_EQ(response.head.value("Retry-After"), "4") << one.name;
        EXPECT_TRUE(contains(response.head.value("Content-Type"), "application/json")) << one.name;
        EXPECT_TRUE(response.body.starts_with(one.error_start)) << one.name << ": " << response.body;
        EXPECT_TRUE(contains(response.body, "busy here")) << one.name << ": " << response.body;
    }
}

INSTANTIATE_TEST_SUITE_P(Providers, TranslatedStream, testing::Values("openai", "anthropic", "gemini", "bedrock"),
                         [](const auto& info) { return std::string(info.param); });

class GeminiArray : public WireTest {};

TEST_F(GeminiArray, IsWhatAClientGetsThatDoesNotSayAltSse) {
    conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
    conf.set("route.gemini.auth.type", "api_key");
    for (const char* type : {"gemini", "anthropic"}) {
        conf.set("provider.mock.type", type).set("provider.mock.models", "big");
        const ProviderProtocol& provider = provider_protocol(type);
        ScriptedUpstream there(answer_always(stream_answer(provider)));
        conf.use_upstream(there.port());
        LoomProcess here(conf.text());
        std::string bytes = client_protocol("gemini").ask("big", true, "");
        bytes.erase(bytes.find("?alt=sse"), 8);
        const Message response = ask_once(here.port(), bytes);
        EXPECT_EQ(response.status(), 200) << response.body;
        EXPECT_TRUE(contains(response.head.value("Content-Type"), "application/json")) << response.head.raw;
        EXPECT_TRUE(response.body.starts_with("[") && response.body.ends_with("]")) << response.body;
        EXPECT_FALSE(contains(response.body, "data:")) << response.body;
        EXPECT_TRUE(contains(response.body, "Hello") && contains(response.body, " world")) << response.body;
        if (type == std::string_view("gemini")) {
            EXPECT_TRUE(there.last_request().target().ends_with("?alt=sse"));
        }
        here.stop_cleanly();
    }
}

}  // namespace
}  // namespace loom::wire
