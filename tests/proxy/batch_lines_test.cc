#include "batch_lines.h"

#include <gtest/gtest.h>

namespace loom::proxy {
namespace {

using Purpose = BatchLines::Purpose;

constexpr std::string_view type = "multipart/form-data; boundary=B0";
constexpr uint64_t line_bytes_max = 2000;

std::string field(std::string_view name, std::string_view value) {
    return "--B0\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n\r\n" + std::string(value) +
           "\r\n";
}
std::string file(std::string_view lines, std::string_view more_head = "") {
    return "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.jsonl\"\r\n" + std::string(more_head) +
           "\r\n" + std::string(lines) + "\r\n";
}
const std::string end = "--B0--\r\n";

std::string line(std::string_view body) { return R"({"custom_id":"c","body":)" + std::string(body) + "}"; }

struct Read {
    std::string named;  // "resp-1@2 "
    std::string fault;  // "2: what"
    Purpose purpose = Purpose::unknown;
    size_t passing = 0;
    bool broken = false;
};

Read read(std::string_view form, size_t step, std::string_view content_type = type) {
    BlockPool blocks;
    llm::ResourceReader reader;
    BatchLines lines(reader, blocks, content_type, line_bytes_max);
    Read all;
    for (size_t at = 0; at < form.size(); at += step) {
        const auto passing = lines.read(form.substr(at, step));
        if (!passing) {
            all.broken = true;
            return all;
        }
        all.passing += *passing;
        for (const auto& one : lines.take_named()) all.named += one.name.id + "@" + std::to_string(one.line) + " ";
        EXPECT_LE(lines.memory_bytes(), BlockPool::footprint(2 * line_bytes_max) + BatchLines::remembered_max * 1024);
    }
    if (lines.fault()) all.fault = std::to_string(lines.fault()->line) + ": " + lines.fault()->why.what;
    all.purpose = lines.purpose();
    return all;
}

/// The same however it is cut, and the form's end stays back.
Read read_everywhere(const std::string& form) {
    const Read whole = read(form, form.size());
    for (size_t step = 1; step < form.size(); step += 1 + step / 8) {
        const Read cut = read(form, step);
        EXPECT_EQ(cut.named, whole.named) << step;
        EXPECT_EQ(cut.fault, whole.fault) << step;
        EXPECT_EQ(cut.purpose, whole.purpose) << step;
        EXPECT_EQ(cut.passing, whole.passing) << step;
        EXPECT_EQ(cut.broken, whole.broken) << step;
    }
    if (!whole.broken) EXPECT_EQ(whole.passing, form.size() - 3) << "all but its last dash and what follows";
    return whole;
}

TEST(BatchLines, TellWhatTheyNameAndWhere) {
    const std::string lines =
        line(R"({"previous_response_id":"resp-1"})") + "\n" + "\r\n" + line(R"({"conversation":{"id":"conv-1"}})") +
        "\r\n" + line(R"({"input":[{"type":"item_reference","id":"msg-1"},{"content":[{"file_id":"file-1"}]}]})") +
        "\n" + R"({"custom_id":"x","BODY":{"tools":[{"vector_store_ids":["vs-1","vs-2"]}]},"fil\u0065_id":"file-2"})" +
        "\n" + line(R"({"previous_response_id":"resp-1"})");  // once is enough
    const std::string named = "resp-1@1 conv-1@3 msg-1@4 file-1@4 vs-1@5 vs-2@5 file-2@5 ";
    for (const std::string& form :
         {field("purpose", "batch") + file(lines) + end, file(lines) + field("purpose", "batch") + end,
          field("note", "one line") + file("\xef\xbb\xbf" + lines + "\n") + field("purpose", "batch") +
              field("expires_after[seconds]", "3600") + end}) {
        const Read all = read_everywhere(form);
        EXPECT_EQ(all.named, named);
        EXPECT_EQ(all.fault, "");
        EXPECT_EQ(all.purpose, Purpose::batch);
    }
}

TEST(BatchLines, AreNotReadWhereThePurposeIsAnother) {
    const std::string lines = line(R"({"file_id":"file-1"})") + "\nno JSON\n";
    for (const char* purpose : {"user_data", "fine-tune", "assistants", "vision", "evals"}) {
        const Read all = read_everywhere(field("purpose", purpose) + file(lines) + end);
        EXPECT_EQ(all.named + all.fault, "") << purpose;
        EXPECT_EQ(all.purpose, Purpose::other) << purpose;
        EXPECT_EQ(read(file(lines) + field("purpose", purpose) + end, 1000).purpose, Purpose::other) << purpose;
    }
    EXPECT_EQ(read(file(lines) + end, 1000).purpose, Purpose::other) << "Anthropic's forms have none";
}

/// One that may be read as `batch` is one.
TEST(BatchLines, ABatchIsWhatMayBeOne) {
    for (const std::string_view purpose :
         {std::string_view("batch"), std::string_view("Batch"), std::string_view("batch-api"),
          std::string_view(" batch"), std::string_view("b\0a\0t\0c\0h\0", 10), std::string_view("")}) {
        EXPECT_EQ(read_everywhere(field("purpose", purpose) + file("{}") + end).purpose, Purpose::batch) << purpose;
    }
    EXPECT_TRUE(read(field("purpose", "user_data") + field("purpose", "batch") + end, 99).broken);
    for (const char* name : {"purpose\"; filename=\"", "PURPOSE\"; filename=\"", "purpose\"; filename*=\"x"})
        EXPECT_TRUE(read(field(name, "batch") + file("{}") + field("purpose", "user_data") + end, 99).broken) << name;
}

TEST(BatchLines, WhatCannotBeReadIsAFaultOfItsLine) {
    const std::string good = line("{}");
    const std::string deep(300, '[');
    for (const auto& [lines, fault] : std::vector<std::pair<std::string, std::string>>{
             {"x", "1"},
             {good + "\n{\"a\":", "2"},
             {good + "\n" + good + " {}", "2"},
             {good + "\n\n[" + good + "]", "3"},
             {good + "\r\n" + R"({"metadata":{"a":)" + "\r" + R"({"file_id":"file-1"})" + "\r}}", "2"},
             {good + "\n{\"a\":\"\xff\"}", "2"},
             {"{\"a\":" + deep, "1"},
             {good + "\n{\"a\":\"" + std::string(line_bytes_max, 'x') + "\"}", "2"},
             {good + "\n" + line(R"({"previous_response_id":"\ud8"})"), "2"},
         }) {
        const Read all = read_everywhere(field("purpose", "batch") + file(lines) + end);
        EXPECT_EQ(all.fault.substr(0, all.fault.find(':')), fault) << lines.substr(0, 100) << " " << all.fault;
    }
    const Read coded =
        read_everywhere(field("purpose", "batch") + file("e30=", "Content-Transfer-Encoding: base64\r\n") + end);
    EXPECT_EQ(coded.fault, "1: its part is encoded");
    const Read packed = read_everywhere(field("purpose", "batch") + file("x", "Content-Encoding: gzip\r\n") + end);
    EXPECT_EQ(packed.fault, "1: its part is encoded");
}

/// A server that breaks lines or parts otherwise finds no request that was not read here.
TEST(BatchLines, ReadsFieldsOfManyLinesToo) {
    const std::string smuggled = "note\n--B0\nContent-Disposition: form-data; name=file\n\n" + line("{}");
    EXPECT_TRUE(read(field("purpose", "batch") + field("note", smuggled) + end, 40).broken);
    EXPECT_EQ(read_everywhere(field("purpose", "batch") + field("note", "note\n" + line("{}")) + end).fault,
              "1: a JSON object is expected");
    EXPECT_EQ(read_everywhere(field("purpose", "batch") + field("file", "x") + end).fault,
              "1: a JSON object is expected");
    const Read one = read_everywhere(field("purpose", "batch") + field("data", line(R"({"file_id":"f"})")) + end);
    EXPECT_EQ(one.named, "f@1 ");
}

}  // namespace
}  // namespace loom::proxy
