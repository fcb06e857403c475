// What an upstream cites takes work that grows as its bytes do: of twice as much, no more than three times the
// processor's time (and some slack for the machine), where looking for each in all of the others takes four.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <string>
#include <utility>

#include "citation.h"
#include "gemini_grounding.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

double processor_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

/// The least of some runs.
double work_of(const std::function<void()>& run) {
    double least = 1e9;
    for (int i = 0; i < 3; ++i) {
        const double begin = processor_ms();
        run();
        least = std::min(least, processor_ms() - begin);
    }
    return least;
}

void expect_linear(size_t size, const std::function<void(size_t)>& run) {
    const double once = work_of([&] { run(size); });
    const double twice = work_of([&] { run(2 * size); });
    EXPECT_LE(twice, 3 * once + 30) << once << " ms, then " << twice << " ms";
}

std::string times(size_t count, std::string_view one) {
    std::string all;
    for (size_t i = 0; i < count; ++i) all.append(i == 0 ? "" : ",").append(one);
    return all;
}

struct Work {
    explicit Work(Protocol provider)
        : translation(scratch, pool,
                      {.client = Protocol::openai_chat,
                       .provider = provider,
                       .model = "m",
                       .client_model = "m",
                       .fallback_id = "x"}) {}
    TranslateScratch scratch;
    BlockPool pool;
    Translation translation;
    ByteBuffer out{pool};
    Usage usage;
};

std::string gemini_event(const std::string& parts, const std::string& metadata) {
    return R"({"candidates":[{"content":{"parts":[)" + parts + R"(],"role":"model"},"groundingMetadata":{)" + metadata +
           R"(},"finishReason":"STOP"}]})";
}

void tell_gemini(const std::string& event) {
    Work stream(Protocol::gemini);
    EXPECT_FALSE(stream.translation.event("", event, stream.out, stream.usage).malformed);
    ASSERT_FALSE(stream.translation.dropped().empty());
    EXPECT_EQ(stream.translation.dropped().front(), "groundingMetadata");
    Work whole(Protocol::gemini);
    EXPECT_TRUE(whole.translation.answer(event, whole.out, whole.usage));
    ASSERT_FALSE(whole.translation.dropped().empty());
    EXPECT_EQ(whole.translation.dropped().front(), "groundingMetadata");
}

TEST(CitationWork, OfManyChunksAndIndicesIsLinear) {
    expect_linear(20'000, [](size_t size) {
        tell_gemini(gemini_event(R"({"text":"one"})", R"("groundingChunks":[)" + times(2 * size, "{}") +
                                                          R"(],"groundingSupports":[{"segment":{"endIndex":3},)"
                                                          R"("groundingChunkIndices":[)" +
                                                          times(size, std::to_string(2 * size - 1)) + "]}]"));
    });
}

TEST(CitationWork, OfTextsThatAreNearlyThereIsLinear) {
    expect_linear(500, [](size_t size) {
        const std::string text(512 * size, 'a'), near = std::string(64, 'a') + "b";
        const std::string support =
            R"({"segment":{"endIndex":3,"text":")" + near + R"("},"groundingChunkIndices":[0]})";
        tell_gemini(gemini_event(
            R"({"text":")" + text + R"("})",
            R"("groundingChunks":[{"web":{"uri":"https://a/"}}],"groundingSupports":[)" + times(size, support) + "]"));
    });
}

TEST(CitationWork, OfManyPartsAndPlacesIsLinear) {
    expect_linear(8'000, [](size_t size) {
        const std::string parts = times(size, R"({"text":"one "},{"text":"hm","thought":true})");
        std::string supports;
        for (size_t i = 0; i < size; ++i)
            supports +=
                (i == 0 ? "" : ",") + (R"({"segment":{"startIndex":)" + std::to_string(4 * i) + R"(,"endIndex":)" +
                                       std::to_string(4 * i + 3) + R"(},"groundingChunkIndices":[0]})");
        tell_gemini(gemini_event(
            parts, R"("groundingChunks":[{"web":{"uri":"https://a/"}}],"groundingSupports":[)" + supports + "]"));
    });
}

TEST(CitationWork, OfCoheresPartsAndCitationsIsLinear) {
    expect_linear(10'000, [](size_t size) {
        std::string citations;
        for (size_t i = 0; i < size; ++i)
            citations += (i == 0 ? "" : ",") + (R"({"start":0,"end":3,"content_index":)" + std::to_string(i) +
                                                R"(,"sources":[{"tool_output":{"url":"https://a/"}}]})");
        Work whole(Protocol::cohere);
        EXPECT_TRUE(whole.translation.answer(R"({"id":"1","message":{"content":[)" + times(size, R"({"text":"one "})") +
                                                 R"(],"citations":[)" + citations + R"(]},"finish_reason":"COMPLETE"})",
                                             whole.out, whole.usage));
    });
}

// Low surrogates alone are no code points: none of them had a mark near.
TEST(CitationWork, OfPlacesInATextWithoutCodePointsIsLinear) {
    expect_linear(6'830, [](size_t size) {  // a mark each 683 of them: none is nearer to the end of twice as many
        PlacedText text;
        for (size_t i = 0; i < size; ++i) text.append(R"(\udc00)");
        text.append("a");
        size_t found = 0;
        for (size_t i = 0; i < size; ++i) found += text.find(0).at + text.find(1).at;
        EXPECT_EQ(found, size * (6 * size + 6 * size + 1));
    });
}

// A page's address is written at each of its places.
TEST(CitationWork, AnAddressThatManyPlacesShareIsNotWrittenWithoutEnd) {
    const std::string url(100'000, 'u');
    const std::string event =
        gemini_event(R"({"text":"one"})", R"("groundingChunks":[{"web":{"uri":")" + url +
                                              R"("}}],"groundingSupports":[{"segment":{"endIndex":3},)"
                                              R"("groundingChunkIndices":[)" +
                                              times(5'000, "0") + "]}]");
    Work whole(Protocol::gemini);
    ASSERT_TRUE(whole.translation.answer(event, whole.out, whole.usage));
    EXPECT_LE(whole.out.size(), 2 * gemini::GroundedText::cited_bytes_max);
    ASSERT_FALSE(whole.translation.dropped().empty());
    EXPECT_EQ(whole.translation.dropped().front(), "groundingMetadata");
}

}  // namespace
}  // namespace loom::llm
