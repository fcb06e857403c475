#include "loom/llm/realtime.h"

#include <gtest/gtest.h>

#include <string>

namespace loom::llm {
namespace {

// As OpenAI documents response.done: cached tokens and audio among the input's, and details of details.
constexpr std::string_view done_event =
    R"({"type":"response.done","event_id":"event_1","response":{"object":"realtime.response","id":"resp_1",)"
    R"("status":"completed","output":[{"id":"item_1","content":[{"type":"output_audio","transcript":"\"usage\":{}"}]}],)"
    R"("usage":{"total_tokens":275,"input_tokens":127,"output_tokens":148,"input_token_details":{"cached_tokens":64,)"
    R"("text_tokens":119,"audio_tokens":8,"cached_tokens_details":{"text_tokens":64,"audio_tokens":0}},)"
    R"("output_token_details":{"text_tokens":36,"audio_tokens":112}}}})";
constexpr std::string_view transcription_event =
    R"({"event_id":"event_2","type":"conversation.item.input_audio_transcription.completed","item_id":"item_3",)"
    R"("transcript":"Hello","usage":{"type":"tokens","total_tokens":48,"input_tokens":38,"input_token_details":)"
    R"({"text_tokens":10,"audio_tokens":28},"output_tokens":10}})";

TEST(RealtimeUsage, OfAResponseAndOfATranscriptionAddUp) {
    RealtimeReader reader;
    Usage usage;
    EXPECT_TRUE(reader.read(done_event, usage));
    EXPECT_EQ(usage, (Usage{.input = 127,
                            .output = 148,
                            .cached_input = 64,
                            .audio_input = 8,
                            .audio_output = 112,
                            .total = 275,
                            .provenance = Usage::Provenance::reported}));
    EXPECT_TRUE(reader.read(transcription_event, usage));
    EXPECT_EQ(usage, (Usage{.input = 165,
                            .output = 158,
                            .cached_input = 64,
                            .audio_input = 36,
                            .audio_output = 112,
                            .total = 323,
                            .provenance = Usage::Provenance::reported}));
}

TEST(RealtimeUsage, WhatReportsNoneCountsNothing) {
    RealtimeReader reader;
    Usage usage;
    for (const std::string_view event :
         {R"({"type":"response.created","response":{"usage":{"total_tokens":9,"input_tokens":4,"output_tokens":5}}})",
          R"({"type":"response.done","response":{"status":"cancelled","usage":null}})",
          R"({"type":"response.done","response":{"metadata":{"usage":{"input_tokens":9}}}})",
          R"({"type":"conversation.item.input_audio_transcription.completed","usage":{"type":"duration","seconds":3}})",
          R"({"type":"response.done","response":{"usage":{"input_tokens":9}})", R"([])", R"({})", ""})
        EXPECT_FALSE(reader.read(event, usage)) << event;
    EXPECT_EQ(usage, Usage{});
}

TEST(RealtimeInterest, IsToldByTheFrontWhereverTheTypeStands) {
    using enum RealtimeInterest;
    EXPECT_EQ(realtime_interest(done_event.substr(0, 24)), usage);
    EXPECT_EQ(realtime_interest(transcription_event.substr(0, 100)), usage);
    EXPECT_EQ(realtime_interest(R"({"type":"response.output_audio.delta","delta":"AAAA)"), none);
    EXPECT_EQ(realtime_interest(" {\n \"event_id\" : \"e\" , \"type\" : \"session.created\""), none);
    EXPECT_EQ(realtime_interest(R"({"type":"response.do)"), unknown) << "a front may end inside the type";
    EXPECT_EQ(realtime_interest(R"({"response":{"usage":)"), unknown);
    EXPECT_EQ(realtime_interest(R"({"event_id":"a\"b","type":"x"})"), unknown) << "it is read then";
    EXPECT_EQ(realtime_interest(""), unknown);
    EXPECT_EQ(realtime_interest("no JSON"), unknown);
}

TEST(RealtimeInterest, NeverDismissesWhatReports) {
    RealtimeReader reader;
    for (const std::string_view event : {done_event, transcription_event})
        for (size_t size = 0; size <= event.size(); ++size)
            EXPECT_NE(realtime_interest(event.substr(0, size)), RealtimeInterest::none) << size;
}

TEST(RealtimeQuery, IsRead) {
    EXPECT_EQ(read_realtime_query("model=gpt-realtime").model, "gpt-realtime");
    EXPECT_EQ(read_realtime_query("api-version=2025-04-01-preview&deployment=mine").model, "mine");
    EXPECT_EQ(read_realtime_query("model=openai%2Fgpt-realtime&x=y").model, "openai/gpt-realtime");
    EXPECT_EQ(read_realtime_query("model=a&model=a").malformed, nullptr);
    EXPECT_NE(read_realtime_query("model=a&model=b").malformed, nullptr);
    EXPECT_NE(read_realtime_query("model=%zz").malformed, nullptr);
    EXPECT_TRUE(read_realtime_query("intent=transcription").transcribes);
    EXPECT_NE(read_realtime_query("intent=sabotage").malformed, nullptr);
    EXPECT_TRUE(read_realtime_query("call_id=rtc_1&model=x").attaches);
    EXPECT_EQ(read_realtime_query("").model, "");
    EXPECT_EQ(read_realtime_query("&&model=m&&").model, "m");
    EXPECT_EQ(read_realtime_query("models=a&amodel=b").model, "");
}

}  // namespace
}  // namespace loom::llm
