#include "loom/llm/text_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loom::llm {
namespace {

/// The whole of what is read, and for each byte from where to where it stands in the document (0, 0: a sign).
struct Read {
    std::string text;
    std::vector<std::pair<uint32_t, uint32_t>> origins;
    std::string borders;  // of each byte: '.', 'p' or 't'
    bool broken = false;
    bool has_parts = false;
    friend bool operator==(const Read&, const Read&) = default;
};

Read read(std::string_view document, TextReader::Parts parts = TextReader::Parts::apart, size_t window_bytes = 4096,
          size_t step = 1 << 20, size_t keep = 0) {
    std::vector<char> bytes(window_bytes + TextReader::slack_bytes);
    std::vector<TextRun> runs(window_bytes + TextReader::slack_runs);
    TextWindow window{bytes, runs};
    TextReader reader(document, parts);
    Read all;
    uint32_t told = 0;
    for (bool more = true; more;) {
        more = reader.fill(window, step);
        for (uint32_t at = told; at < window.size; ++at) {
            const uint32_t run = window.run_of(at);
            const bool sign = window.runs[run].kind == TextRun::Kind::sign;
            all.text += window.bytes[at];
            all.origins.emplace_back(sign ? 0 : window.from(run, at), sign ? 0 : window.from_end(run, at + 1));
            const bool first = window.runs[run].at == at;
            const auto border = window.runs[run].border;
            all.borders += !first || border == TextRun::Border::none ? '.'
                           : border == TextRun::Border::part         ? 'p'
                                                                     : 't';
        }
        const auto gone = window.size - std::min<uint32_t>(window.size, static_cast<uint32_t>(keep));
        window.forget(gone);
        told = window.size;
    }
    all.broken = reader.is_broken();
    all.has_parts = reader.has_parts();
    return all;
}

/// Texts with '|' between.
std::string texts(std::string_view document, TextReader::Parts parts = TextReader::Parts::apart) {
    std::string out = read(document, parts).text;
    for (char& c : out)
        if (c == '\x1e') c = '|';
    return out;
}

TEST(TextReader, TellsTextsOfEveryProtocol) {
    EXPECT_EQ(texts(R"({"model":"gpt-4o","messages":[{"role":"user","content":"one"},
        {"role":"user","content":[{"type":"text","text":"two"},{"type":"image_url","image_url":{"url":"https://x.example/a"}}]},
        {"role":"tool","tool_call_id":"c1","content":"three"}],"max_tokens":5,"user":"u@x.example"})"),
              "|one|two|three|u@x.example");
    EXPECT_EQ(texts(R"({"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[
        {"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"the document"}}]}]})"),
              "|s|t|the document");
    EXPECT_EQ(
        texts(
            R"({"contents":[{"role":"user","parts":[{"text":"a"},{"functionResponse":{"name":"f","response":{"name":"Ann"}}}]}]})"),
        "|a|\"name\":\"Ann\"");
    EXPECT_EQ(texts(R"({"input":["x","y"],"encoding_format":"float"})"), "|x|y");
    EXPECT_EQ(texts(R"({"prompt":"p","suffix":"s"})"), "|p|s");
}

TEST(TextReader, WhatClientsAndToolsNameIsReadWhole) {
    EXPECT_EQ(texts(R"({"prompt":{"id":"pmpt_1","variables":{"name":"Ann","user":"u","id":4111111111111111}}})"),
              "|\"name\":\"Ann\"|\"user\":\"u\"|\"id\":|4111111111111111|");
    EXPECT_EQ(texts(R"({"metadata":{"ann@x.example":"v"}})"), "|\"ann@x.example\":\"v\"");
    EXPECT_EQ(
        texts(R"({"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object",
        "properties":{"name":{"type":"string","default":"Ann","examples":[41]}}}}}]})"),
        "|\"type\":\"object\"|\"properties\":|\"name\":|\"type\":\"string\"|\"default\":\"Ann\"|\"examples\":|41|");
    EXPECT_EQ(texts("{\"\\u006detadata\":{\"id\":12.00,\"x\":-3,\"y\":1.5}}"), "|\"id\":|12||\"x\":|3||\"y\":|1.5|");
}

TEST(TextReader, WhatSteersIsLeftOutWhereItHasANamesSigns) {
    EXPECT_EQ(texts(R"({"messages":[{"role":"user","name":"ann","id":"call_1-2.3","content":"c"}]})"), "|c");
    EXPECT_EQ(texts(R"({"messages":[{"role":"user","name":"ann@x.example","id":"my card"}]})"),
              "|ann@x.example|my card");
    EXPECT_EQ(
        texts(R"({"a":{"url":"https://x.example/?q=1"},"b":{"url":"see me at home"},"c":{"image_url":"http://a b"}})"),
        "|see me at home|http://a b");
    EXPECT_EQ(texts(R"({"a":{"url":"https://x.example/<b>"},"b":{"uri":"https://x.example/\u003cb>"}})"),
              "|https://x.example/<b>|https://x.example/<b>");
}

TEST(TextReader, LongBase64IsMediaAndNothingElseIs) {
    const std::string media(5000, 'A');
    EXPECT_EQ(texts(R"({"data":")" + media + R"(","x":"t"})"), "|t");
    EXPECT_EQ(texts(R"({"x":"data:image/png;base64,)" + media + "\"}"), "");
    EXPECT_EQ(texts(R"({"data":")" + media + R"( ann"})"), "|" + media + " ann");
    EXPECT_EQ(texts(R"({"data":")" + media.substr(0, 100) + "\"}"), "|" + media.substr(0, 100));
    for (const char* name : {"b64_json", "encrypted_content", "file_data", "signature", "thoughtSignature", "url"})
        EXPECT_EQ(texts(std::string("{\"") + name + "\":\"" + media + "\"}"), "") << name;
}

/// Where a text is meant to be read, and where a tool gives the names, many signs of Base64 are a text like any other.
TEST(TextReader, LongWordsOfTextAreRead) {
    const std::string word = std::string(2000, 'A') + "/4111111111111111/" + std::string(2000, 'A');
    EXPECT_EQ(texts(R"({"messages":[{"role":"user","content":")" + word + "\"}]}"), "|" + word);
    EXPECT_EQ(texts(R"({"contents":[{"parts":[{"text":")" + word + "\"}]}]}"), "|" + word);
    EXPECT_EQ(texts(R"({"args":{"data":")" + word + "\"}}"), "|\"data\":\"" + word + "\"");
}

/// What a value begins with says nothing of the members behind it.
TEST(TextReader, TheSignOfMediaIsOfItsOwnString) {
    const std::string media(5000, 'A');
    EXPECT_EQ(texts(R"({"a":"data:","content":"my secret","b":"x;base64,)" + media + "\"}"),
              "|data:|my secret|x;base64," + media);
    for (const char* before : {"data:a b;base64,", "data:a\\tb;base64,", "data:a\\\";base64,", "data;base64,"})
        EXPECT_NE(texts(std::string(R"({"content":")") + before + media + "\"}"), "") << before;
    EXPECT_EQ(texts(R"({"content":"data:text/plain;charset=utf-8;base64,)" + media + "\"}"), "");
    EXPECT_EQ(texts(R"({"content":"data:text/plain;base64,)" + media + " ann\"}"),
              "|data:text/plain;base64," + media + " ann");
}

TEST(TextReader, JsonInsideAStringIsDecodedWithItsStrings) {
    EXPECT_EQ(texts(R"({"arguments":"{\"to\":\"a\\nb\\u0041\",\"n\":12}"})"), "|{\"to\":\"a\nbA\",\"n\":12}");
    EXPECT_EQ(texts(R"({"arguments":"{\"in\":\"{\\\"x\\\":\\\"a\\\\nb\\\"}\"}"})"), "|{\"in\":\"{\"x\":\"a\nb\"}\"}");
    EXPECT_EQ(texts(R"({"content":"a written \\nbreak, C:\\users"})"), "|a written \n\nbreak, C:\\users");
    EXPECT_EQ(texts(R"({"content":"[not json \\nat all"})"), "|[not json \n\nat all");
    EXPECT_EQ(texts(R"({"content":"{\"x\": \"cut"})"), "|{\"x\": \"cut");
    EXPECT_EQ(texts(R"({"content":"ends with \\"})"), "|ends with \\");
}

TEST(TextReader, EscapesAreDecodedAndBrokenOnesTold) {
    EXPECT_EQ(texts(R"({"content":"\u0061\u00e9\ud83d\ude00\ud83d!\n\"\/"})"),
              "|a\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd!\n\"/");
    EXPECT_TRUE(read(R"({"content":"\x"})").broken);
    EXPECT_TRUE(read(R"({"content":"\u12"})").broken);
    EXPECT_TRUE(read(R"({"content":"\u12g4"})").broken);
    EXPECT_FALSE(read(R"({"content":"{\"a\":\"\\x\"}"})").broken);
}

/// In JSON that only a tool will read an escape may be broken, and no byte of it may be left unread.
TEST(TextReader, BrokenEscapesInsideAStringHideNothing) {
    EXPECT_EQ(texts(R"({"content":"{\"a\":\"x\\u4111 1111\"}"})"), "|{\"a\":\"x\xe4\x84\x91 1111\"}");
    EXPECT_EQ(texts(R"({"content":"{\"a\":\"\\uann@x.example\"}"})"), "|{\"a\":\"\\uann@x.example\"}");
    EXPECT_EQ(texts(R"({"content":"{\"a\":\"\\u0Fx!\"}"})"), "|{\"a\":\"\\u0Fx!\"}");
    EXPECT_EQ(texts(R"({"content":"{\"a\":\"\\u12\",\"b\":\"c\"}"})"), "|{\"a\":\"\\u12\",\"b\":\"c\"}");
    EXPECT_EQ(texts(R"({"content":"{\"a\":\"\\ud83d\\u12\\u0041"})"),
              "|{\"a\":\"\xef\xbf\xbd\\u12"
              "A");
    EXPECT_EQ(texts(R"({"content":"{\"a\":\"\\u41"})"), "|{\"a\":\"\\u41");
    EXPECT_EQ(texts(R"({"c":"{\"a\":\"{\\\"b\\\":\\\"\\\\u4x\\\"}\"}"})"), "|{\"a\":\"{\"b\":\"\\u4x\"}\"}");
}

/// They are for the provider, who shows them to a tool's server: one that is masked opens nothing.
TEST(TextReader, CredentialsForToolsAreLeftOut) {
    EXPECT_EQ(texts(R"({"tools":[{"type":"mcp","server_label":"s","authorization":"key","headers":
        {"X-Key":"key","y":{"z":"deep"}},"require_approval":"never"}],"authorization":"a"})"),
              "|s|deep|never|a");
    EXPECT_EQ(texts(R"({"mcp_servers":[{"type":"url","url":"https://x.example","authorization_token":"key"}]})"), "");
    EXPECT_EQ(texts(R"({"messages":[{"authorization":"a","headers":{"b":"c"}}],"headers":{"d":"e"}})"), "|a|c|e");
    EXPECT_EQ(texts(R"({"tools":{"a":{"authorization":"b"}}})"), "|b");
}

TEST(TextReader, PartsThatFollowEachOtherAreOneText) {
    const std::string_view document =
        R"({"messages":[{"content":[{"type":"text","text":"one"},{"text":"two"},{"text":""},
        {"text":"three"},{"image_url":{"url":"https://x.example"}},{"text":"four"}]},{"content":[{"text":"five"}]}]})";
    EXPECT_EQ(texts(document), "|one|two||three|four|five");
    EXPECT_EQ(texts(document, TextReader::Parts::joined), "|onetwothree|four|five");
    EXPECT_EQ(texts(document, TextReader::Parts::with_blank), "|one two  three|four|five");
    const Read joined = read(document, TextReader::Parts::joined);
    EXPECT_EQ(joined.borders, "t...p..p....t....t....");
    EXPECT_TRUE(joined.has_parts);
    EXPECT_FALSE(read(R"({"messages":[{"content":[{"text":"a"}]},{"content":[{"text":"b"}]}]})").has_parts);
}

const std::vector<std::string>& documents() {
    static const std::vector<std::string> all = {
        R"({"model":"gpt-4o","messages":[{"role":"user","content":"I am \u0061nn@example.org\n\ud83d\ude00 \"x\" C:\\new"}],"x":[1,2,{"y":"z"}]})",
        R"({"messages":[{"content":[{"text":"a b"},{"text":"c\\d"}]}],"metadata":{"name":"\u0041nn","n":[-4111111111111111.00,1e5]}})",
        R"({"arguments":"{\"to\":\"a\\nb\\u0041\\ud83d\\ude00\",\"n\":12, \"in\":\"{\\\"x\\\":\\\"a\\\\nb\\\\u0042\\\"}\"}","next":"t"})",
        R"({"arguments":"{\"a\":\"\\u4x\\u12\",\"b\":\"\\ud83d\\u0\"}","next":"{\"a\":\"\\u00"})",
        R"({"input":[{"type":"function_call_output","output":"[1, \"two\\tthree\", {\"k\\u0065y\": null}]"}]})",
    };
    return all;
}

/// Whatever a window holds and whatever is kept of it, what is told is the same.
TEST(TextReader, WindowsOfAnySizeTellTheSame) {
    for (const std::string& document : documents())
        for (const auto parts : {TextReader::Parts::apart, TextReader::Parts::joined, TextReader::Parts::with_blank}) {
            const Read whole = read(document, parts);
            for (size_t room : {1, 2, 3, 17, 200})
                for (size_t step : {1, 2, 5, 1000})
                    for (size_t keep : {0, 1, 60})
                        if (keep < room) {
                            ASSERT_EQ(read(document, parts, room, step, keep), whole)
                                << document << " by " << room << ", " << step << ", " << keep;
                        }
        }
}

/// What comes of a byte alone is that byte; what comes of more is an escape, and no byte is told twice or out of order.
TEST(TextReader, EveryByteIsWhereItIsToldToBe) {
    for (const std::string& document : documents()) {
        const Read whole = read(document);
        uint32_t from = 0;
        for (size_t i = 0; i < whole.text.size(); ++i) {
            const auto [begin, end] = whole.origins[i];
            if (end == 0) continue;
            EXPECT_GE(begin, from) << document << " at " << i;
            from = begin;
            if (end == begin + 1) {
                EXPECT_EQ(document[begin], whole.text[i]) << document << " at " << i;
            } else {
                EXPECT_TRUE(document[begin] == '\\' || document[begin] == '-' || document.substr(begin, 2) == "1.")
                    << document.substr(begin, end - begin);
            }
        }
    }
}

TEST(TextReader, AnyBytesAreRead) {
    const std::string& document = documents()[2];
    for (size_t cut = 0; cut <= document.size(); ++cut)
        (void)read(document.substr(0, cut), TextReader::Parts::apart, 40);
    for (size_t drop = 0; drop < document.size(); ++drop) {
        std::string without = document;
        without.erase(drop, 1);
        (void)read(without, TextReader::Parts::joined, 40);
    }
    (void)read(std::string(2000, '['));
    (void)read(std::string(2000, '}'));
}

}  // namespace
}  // namespace loom::llm
