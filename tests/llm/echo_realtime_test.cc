#include "loom/llm/echo_realtime.h"

#include <gtest/gtest.h>

#include <vector>

#include "dom.h"
#include "loom/llm/realtime.h"

namespace loom::llm {
namespace {

using Events = std::vector<std::string>;

Events all_of(EchoRealtime& echo) {
    Events events;
    for (std::string event; echo.next_event(event);) events.push_back(event);
    return events;
}
std::string type_of(const std::string& event) {
    const size_t begin = event.find("\"type\":\"") + 8;
    return event.substr(begin, event.find('"', begin) - begin);
}
Events types_of(const Events& events) {
    Events types;
    for (const std::string& event : events)
        if (types.empty() || types.back() != type_of(event)) types.push_back(type_of(event));
    return types;
}

TEST(EchoRealtime, ATalkHasTheEventsOfTheApiInTheirOrder) {
    EchoRealtime echo("echo", "42");
    EXPECT_EQ(types_of(all_of(echo)), (Events{"session.created"}));
    echo.take(R"({"type":"session.update","session":{"type":"realtime"}})");
    echo.take(R"({"type":"conversation.item.create","item":{"type":"message","role":"user","content":)"
              R"([{"type":"input_text","text":"Gr\u00fc\u00dfe \"quoted\""}]}})");
    EXPECT_EQ(types_of(all_of(echo)), (Events{"session.updated", "conversation.item.added", "conversation.item.done"}));
    echo.take(R"({"event_id":"mine","type":"response.create"})");
    const Events events = all_of(echo);
    EXPECT_EQ(types_of(events), (Events{"response.created", "response.output_item.added", "response.content_part.added",
                                        "response.output_text.delta", "response.output_text.done",
                                        "response.content_part.done", "response.output_item.done", "response.done"}));
    std::string text;
    for (const std::string& event : events) {
        if (type_of(event) != "response.output_text.delta") continue;
        const size_t begin = event.find("\"delta\":\"") + 9;
        text += event.substr(begin, event.find("\",\"event_id\"", begin) - begin);
    }
    EXPECT_EQ(text, R"(This is echo, the demo model inside Loom. You said: Grüße \"quoted\")");
    RealtimeReader reader;
    Usage usage;
    EXPECT_TRUE(reader.read(events.back(), usage)) << events.back();
    EXPECT_EQ(usage.input, 2U);
    EXPECT_EQ(usage.output, 12U);
    EXPECT_EQ(usage.total, 14U);
}

TEST(EchoRealtime, EveryEventIsAJsonObjectThatSaysItsTypeFirst) {
    EchoRealtime echo("a \"model\"", "1");
    for (const std::string_view event :
         {R"({"type":"conversation.item.create","item":{"content":[{"text":"\\ \" \n \u2028"}]}})",
          R"({"type":"response.create"})", R"({"type":"input_audio_buffer.append","audio":"AAAAAAAA"})",
          R"({"type":"input_audio_buffer.commit"})", R"({"type":"input_audio_buffer.clear"})",
          R"({"type":"unheard\"of"})", R"({"type":7})", "[]", "", R"({"type":"response.create")"})
        echo.take(event);
    RealtimeReader reader;
    for (const std::string& event : all_of(echo)) {
        Usage usage;
        EXPECT_NE(realtime_interest(event), RealtimeInterest::unknown) << event;
        const bool done = type_of(event) == "response.done";
        EXPECT_EQ(reader.read(event, usage), done) << event;
        EXPECT_TRUE(Dom(event).valid()) << event;
    }
}

TEST(EchoRealtime, AResponseAtATimeAndItCanBeCancelled) {
    EchoRealtime echo("echo", "1");
    echo.take(R"({"type":"response.cancel"})");
    EXPECT_NE(all_of(echo).back().find("response_cancel_not_active"), std::string::npos);
    echo.take(R"({"type":"response.create"})");
    std::string event;
    while (echo.next_event(event) && type_of(event) != "response.output_text.delta") {
    }
    echo.take(R"({"type":"response.create"})");
    ASSERT_TRUE(echo.next_event(event));
    EXPECT_NE(event.find("conversation_already_has_active_response"), std::string::npos) << event;
    echo.take(R"({"type":"response.cancel"})");
    const Events rest = all_of(echo);
    EXPECT_EQ(types_of(rest), (Events{"response.output_text.delta", "response.output_text.done",
                                      "response.content_part.done", "response.output_item.done", "response.done"}));
    EXPECT_NE(rest.back().find(R"("status":"cancelled")"), std::string::npos);
}

TEST(EchoRealtime, WhoNeverListensDoesNotFillIt) {
    EchoRealtime echo("echo", "1");
    for (int i = 0; i < 100'000; ++i) echo.take(R"({"type":"session.update","session":{}})");
    const Events events = all_of(echo);
    size_t bytes = 0;
    for (const std::string& event : events) bytes += event.size();
    EXPECT_LT(bytes, EchoRealtime::waiting_bytes_max + 16 * 1024);
    EXPECT_NE(events.back().find("rate_limit_exceeded"), std::string::npos);
    echo.take(R"({"type":"session.update","session":{}})");
    EXPECT_EQ(types_of(all_of(echo)), (Events{"session.updated"})) << "and hears again";
}

}  // namespace
}  // namespace loom::llm
