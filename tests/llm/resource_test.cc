// Which calls there are, and where their ids stand.
#include "loom/llm/resource.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "loom/llm/resource_reader.h"

namespace loom::llm {
namespace {

using K = ResourceKind;
using Names = std::vector<ResourceName>;

TEST(ResourceCall, TellsTheIdOfEachPath) {
    struct Case {
        Verb verb;
        std::string_view path;
        K kind;
        std::string_view id;
        CallAnswer answer;
    };
    for (const Case& one :
         {Case{Verb::get, "/v1/files", K::file, "", CallAnswer::list},
          Case{Verb::post, "/v1/files/", K::file, "", CallAnswer::object},
          Case{Verb::get, "/v1/files/file-abc_1.2:3", K::file, "file-abc_1.2:3", CallAnswer::opaque},
          Case{Verb::get, "/v1/files/file-1/content", K::file, "file-1", CallAnswer::opaque},
          Case{Verb::remove, "/v1/files/file-1", K::file, "file-1", CallAnswer::deletion},
          Case{Verb::post, "/v1/uploads/u-1/complete", K::upload, "u-1", CallAnswer::object},
          Case{Verb::get, "/v1/batches/b-1", K::batch, "b-1", CallAnswer::object},
          Case{Verb::get, "/v1/messages/batches/mb/results", K::batch, "mb", CallAnswer::opaque},
          Case{Verb::remove, "/v1/messages/batches/mb", K::batch, "mb", CallAnswer::deletion},
          Case{Verb::get, "/v1/responses/resp_1", K::response, "resp_1", CallAnswer::opaque},
          Case{Verb::post, "/v1/responses/resp_1/cancel", K::response, "resp_1", CallAnswer::opaque},
          Case{Verb::get, "/v1/responses/r/input_items", K::response, "r", CallAnswer::opaque},
          Case{Verb::get, "/v1/conversations/c/items/i", K::conversation, "c", CallAnswer::opaque},
          Case{Verb::post, "/v1/vector_stores/vs/files", K::vector_store, "vs", CallAnswer::opaque},
          Case{Verb::get, "/v1/vector_stores/vs/file_batches/x/files", K::vector_store, "vs", CallAnswer::opaque},
          Case{Verb::post, "/v1/fine_tuning/jobs/j/pause", K::fine_tuning_job, "j", CallAnswer::opaque},
          Case{Verb::post, "/v1/threads/t/runs/r/cancel", K::thread, "t", CallAnswer::opaque},
          Case{Verb::post, "/v1/images/generations", K::none, "", CallAnswer::opaque},
          Case{Verb::post, "/v2/rerank", K::none, "", CallAnswer::opaque},
          Case{Verb::get, "/v1beta/files", K::gemini_file, "", CallAnswer::list},
          Case{Verb::get, "/v1beta/files/abc-1", K::gemini_file, "abc-1", CallAnswer::opaque},
          Case{Verb::get, "/v1beta/files/abc-1:download", K::gemini_file, "abc-1", CallAnswer::opaque},
          Case{Verb::remove, "/v1beta/files/abc-1", K::gemini_file, "abc-1", CallAnswer::deletion},
          Case{Verb::post, "/v1beta/cachedContents", K::cached_content, "", CallAnswer::object},
          Case{Verb::patch, "/v1beta/cachedContents/c", K::cached_content, "c", CallAnswer::opaque}}) {
        const ResourceMatch match = match_resource_call(one.verb, one.path);
        ASSERT_NE(match.call, nullptr) << one.path;
        EXPECT_EQ(match.call->kind, one.kind) << one.path;
        EXPECT_EQ(match.id, one.id) << one.path;
        EXPECT_EQ(match.call->answer, one.answer) << one.path;
    }
}

/// A path that the provider might read otherwise, or that is in no row, is no call.
TEST(ResourceCall, WhatIsNotKnownIsNoCall) {
    for (const std::string_view path :
         {"/v1/files/..", "/v1/files/.", "/v1/files/a%2Fb", "/v1/files//content", "/v1/files/a/b", "/v1/files/a b",
          "/v1/files/a\\b", "/v1/files/file-1/content/x", "/v1/filesystem", "/files", "/v1", "/v1/", "", "/v2/files",
          "/v1/vector_stores/vs/files/../../other", "/v1/responses", "/v1/organization/admin_api_keys",
          "/v1/fine_tuning/checkpoints/c/permissions", "/v1/containers/c/files?x"})
        for (const Verb verb : {Verb::get, Verb::post, Verb::remove, Verb::other}) {
            const bool lists_nothing = path == "/v1/responses";
            EXPECT_EQ(match_resource_call(verb, path).call, nullptr) << path << (lists_nothing ? " is no list" : "");
        }
    EXPECT_EQ(match_resource_call(Verb::other, "/v1/files/file-1").call, nullptr);
    EXPECT_EQ(match_resource_call(Verb::remove, "/v1/files").call, nullptr);
}

TEST(ResourceCall, TellsTheFamiliesThatLeaveSomethingBehind) {
    for (const Endpoint family : {Endpoint::files, Endpoint::uploads, Endpoint::batches, Endpoint::responses,
                                  Endpoint::vector_stores, Endpoint::fine_tuning, Endpoint::containers})
        EXPECT_TRUE(stores_things(family)) << endpoint_name(family);
    for (const Endpoint family : {Endpoint::images, Endpoint::audio, Endpoint::moderations, Endpoint::rerank,
                                  Endpoint::chat_completions, Endpoint::unknown})
        EXPECT_FALSE(stores_things(family)) << endpoint_name(family);
}

TEST(ResourceCall, AListsPlaceIsNamedByAnId) {
    size_t from = 0;
    const std::string_view query = "limit=2&after=file-1&afterwards=x&before_id=&order=asc&after_id";
    EXPECT_EQ(next_list_place(query, from).id, "file-1");
    const ListPlace second = next_list_place(query, from);
    EXPECT_EQ(second.name, "before_id");
    EXPECT_EQ(second.id, "");
    EXPECT_EQ(next_list_place(query, from).name, "after_id");
    EXPECT_EQ(next_list_place(query, from).name, "");
}

Names named(std::string_view body) {
    ResourceReader reader;
    auto read = reader.read_request(body);
    EXPECT_TRUE(read) << (read ? "" : read.error().what) << " " << body;
    return read ? read->named : Names{};
}

TEST(ResourceReader, FindsWhatARequestNames) {
    EXPECT_EQ(named(R"({"input_file_id":"file-1","endpoint":"/v1/x"})"), (Names{{K::file, "file-1"}}));
    EXPECT_EQ(named(R"({"file_ids":["file-1","file-2"],"chunking_strategy":{"type":"auto"}})"),
              (Names{{K::file, "file-1"}, {K::file, "file-2"}}));
    EXPECT_EQ(named(R"({"training_file":"f1","validation_file":null,"model":"m"})"), (Names{{K::file, "f1"}}));
    EXPECT_EQ(named(R"({"model":"m","previous_response_id":"resp_1","conversation":{"id":"conv_1"}})"),
              (Names{{K::response, "resp_1"}, {K::conversation, "conv_1"}}));
    EXPECT_EQ(named(R"({"conversation":"conv_1"})"), (Names{{K::conversation, "conv_1"}}));
    EXPECT_EQ(named(R"({"input":[{"role":"user","content":[{"type":"input_file","file_id":"f1"},)"
                    R"({"type":"input_image","file_id":"f2"}]}]})"),
              (Names{{K::file, "f1"}, {K::file, "f2"}}));
    EXPECT_EQ(named(R"({"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f1"}}]}]})"),
              (Names{{K::file, "f1"}}));
    EXPECT_EQ(named(R"({"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file",)"
                    R"("file_id":"f1"}}]}],"container":"cont_1"})"),
              (Names{{K::file, "f1"}, {K::container, "cont_1"}}));
    EXPECT_EQ(named(R"({"tools":[{"type":"file_search","vector_store_ids":["vs_1"]},)"
                    R"({"type":"code_interpreter","container":{"type":"auto","file_ids":["f1"]}}]})"),
              (Names{{K::vector_store, "vs_1"}, {K::file, "f1"}}));
    EXPECT_EQ(
        named(R"({"requests":[{"custom_id":"1","params":{"messages":[{"content":[{"source":{"file_id":"f1"}}]}]}}]})"),
        (Names{{K::file, "f1"}}));
    EXPECT_EQ(named(R"({"prompt":{"id":"pmpt_1","variables":{"doc":{"type":"input_file","file_id":"f1"}}}})"),
              (Names{{K::file, "f1"}}));
}

TEST(ResourceReader, AnItemThatStandsForAStoredOneIsNamed) {
    EXPECT_EQ(named(R"({"input":[{"type":"item_reference","id":"msg_1"}]})"), (Names{{K::item, "msg_1"}}));
    EXPECT_EQ(named(R"({"input":[{"id":"msg_1"}]})"), (Names{{K::item, "msg_1"}})) << "its type may be left out";
    EXPECT_EQ(named(R"({"input":[{"id":"msg_1","type":null}]})"), (Names{{K::item, "msg_1"}}));
    for (const char* types :
         {R"("type":"item_reference","type":"message")", R"("type":"message","type":"item_reference")",
          R"("type":"message","type":null)", R"("type":"","type":"message")"})
        EXPECT_EQ(named(R"({"input":[{"id":"msg_1",)" + std::string(types) + "}]}"), (Names{{K::item, "msg_1"}}))
            << types;
    EXPECT_EQ(named(R"({"input":[{"type":"reasoning","id":"rs_1","summary":[]}]})"), (Names{{K::item, "rs_1"}}));
    EXPECT_EQ(named(R"({"input":[{"type":"image_generation_call","id":"ig_1"}]})"), (Names{{K::item, "ig_1"}}));
    EXPECT_EQ(named(R"({"input":[{"type":"image_generation_call","id":"ig_1","result":null}]})"),
              (Names{{K::item, "ig_1"}}));
    EXPECT_EQ(named(R"({"input":[{"type":"image_generation_call","id":"ig_1","result":"iVBORw0="}]})"), Names{})
        << "it brings its image";
    EXPECT_EQ(named(R"({"input":[{"id":"a","id":"b","type":"item_reference"}]})"),
              (Names{{K::item, "a"}, {K::item, "b"}}));
    EXPECT_EQ(named(R"({"input":[{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"x"},)"
                    R"({"type":"message","id":"msg_1","role":"assistant","content":[]},)"
                    R"({"role":"assistant","id":"msg_2","content":"x"},{"type":"function_call","id":"fc_1"}]})"),
              Names{})
        << "whole items bring what they say";
}

/// Another parser would read these as the same keys.
TEST(ResourceReader, NoDisguiseHidesAKey) {
    for (const char* body : {R"({"input\u005ffile\u005fid":"f1"})", R"({"Input_File_ID":"f1"})",
                             R"({"file_id":"\u0066\u0031"})", R"({"x":[[{"y":{"file_id":"f1"}}]]})",
                             R"({"file_ids":"f1"})", R"({"file_id":["f1"]})", R"({"file_id":{"id":"f1"}})"})
        EXPECT_EQ(named(body), (Names{{K::file, "f1"}})) << body;
    EXPECT_EQ(named(R"({"file_id":"mine","file_id":"theirs"})"), (Names{{K::file, "mine"}, {K::file, "theirs"}}));
}

/// A customer's own tool may well have an argument `file_id`.
/// By whatever key an address may come to Gemini, and however it is written.
TEST(ResourceReader, FindsTheFilesOfGeminisThatAddressesLeadTo) {
    ResourceReader reader;
    const auto file_of = [&](const std::string& key, const std::string& uri) {
        const auto read = reader.read_request(R"({"contents":[{"parts":[{")" + key + R"(":")" + uri + "\"}]}]}");
        EXPECT_TRUE(read) << uri;
        if (!read || read->named.empty()) return std::string();
        EXPECT_EQ(read->named.size(), 1U) << uri;
        EXPECT_EQ(read->named[0].kind, K::gemini_file) << uri;
        return read->named[0].id;
    };
    for (const char* key : {"fileUri", "file_uri", "url", "image_url", "FileURI", "file\\u0055ri"})
        for (const char* uri :
             {"https://generativelanguage.googleapis.com/v1beta/files/abc-1",
              "HTTPS://GenerativeLanguage.GoogleAPIs.com:443/v1/files/abc-1?key=x#y",
              "https://generativelanguage.googleapis.com/v1beta/fil%65s/abc-1", "http://127.0.0.1:9/v1beta/files/abc-1",
              "https://generativelanguage.googleapis.com\\/v1beta\\/files\\/abc-1"})
            EXPECT_EQ(file_of(key, uri), "abc-1") << key << " " << uri;
    for (const char* key : {"fileUri", "url", "image_url"}) EXPECT_EQ(file_of(key, "files/abc-1"), "abc-1") << key;
    EXPECT_EQ(file_of("url", "https://generativelanguage.googleapis.com/v1/files/abc-1?u=https://x.com/v1/files/own"),
              "abc-1");
    // What cannot be told is nobody's.
    for (const char* uri : {"https://generativelanguage.googleapis.com/v1beta/files/../files/abc-1",
                            "https://generativelanguage.googleapis.com//v1beta/files/abc-1",
                            "https://x@generativelanguage.googleapis.com/download/abc-1",
                            "https://generativelanguage.googleapis.com/v1beta/files/own%3F/../abc-1",
                            "https://generativelanguage.googleapis.com/v1beta/files/own%23/../abc-1",
                            "https://generativelanguage.googleapis.com%2Fv1beta/files/own%3fx",
                            "generativelanguage.googleapis.com/v1beta/files/abc-1",
                            "//generativelanguage.googleapis.com/v1beta/files/abc-1",
                            "https:generativelanguage.googleapis.com/v1beta/files/abc-1",
                            "https:///generativelanguage.googleapis.com/v1beta/files/abc-1", "/files/abc-1",
                            "v1beta/files/abc-1", "Files/abc-1", "files/abc-1/files/own", "files/",
                            "generativelanguage.googleapis.com/v1beta/files/abc-1?u=https://x.com/v1/files/own",
                            "files/abc-1?u=https://x.com/v1/files/own", "https:/generativelanguage.x/files/abc-1"})
        for (const char* key : {"fileUri", "url"}) EXPECT_EQ(file_of(key, uri), uri) << key;
    for (const char* uri : {"https://www.youtube.com/watch?v=abc-1", "gs://bucket/files/abc-1", "data:;base64,AAAA",
                            "https://example.com/files/abc-1", "some text", "https://example.com/a?b=/v1/files/abc-1",
                            "https://storage.googleapis.com/b/files/abc-1"})
        EXPECT_EQ(file_of("fileUri", uri), "") << uri;
    EXPECT_EQ(file_of("text", "https://generativelanguage.googleapis.com/v1beta/files/abc-1"), "");
}

TEST(ResourceReader, ReadsGeminisNames) {
    ResourceReader reader;
    for (const char* name : {"cachedContents/c-1", "projects/p/locations/l/cachedContents/c-1"})
        for (const char* key : {"cachedContent", "cached_content"}) {
            const auto read = reader.read_request(std::string(R"({")") + key + R"(":")" + name + "\"}");
            EXPECT_EQ(read->named, (Names{{K::cached_content, "c-1"}})) << name;
        }
    for (const char* name : {"cachedContents/c-1/cachedContents/own", "x/cachedContents/own", "/cachedContents/own",
                             "projects/p/locations/cachedContents/own", "projects/p/locations/l/x/cachedContents/own",
                             "cachedContents/", "cachedContents/a b"})
        EXPECT_EQ(named(std::string(R"({"cachedContent":")") + name + "\"}"), (Names{{K::cached_content, name}}));
    EXPECT_TRUE(reader.read_request(R"({"file":{"n\u0061me":"files/x"}})")->names_file);
    EXPECT_FALSE(reader.read_request(R"({"file":{"displayName":"name"}})")->names_file);
    EXPECT_EQ(*reader.read_made(K::gemini_upload, R"({"file":{"name":"files/f-1","uri":"u"}})"),
              (Names{{K::gemini_file, "f-1"}}));
    EXPECT_EQ(*reader.read_made(K::gemini_upload, ""), Names{});
    EXPECT_EQ(*reader.read_made(K::cached_content, R"({"name":"cachedContents/c-1","model":"models/m"})"),
              (Names{{K::cached_content, "c-1"}}));
    const std::string answer = R"({"files":[{"name":"files/a"},{"name":"files/b"}],"nextPageToken":"t"})";
    const auto list = reader.read_list(K::gemini_file, answer);
    ASSERT_TRUE(list);
    EXPECT_TRUE(list->has_more);
    EXPECT_EQ(list->next_page, "t");
    std::string kept;
    write_list(answer, *list, {false, true}, kept);
    EXPECT_EQ(kept, R"({"files":[{"name":"files/b"}],"nextPageToken":"t"})");
    EXPECT_TRUE(reader.read_list(K::gemini_file, "{}")->elements.empty()) << "which is how no file is told";
    for (size_t cut = 0; cut < answer.size(); ++cut)
        EXPECT_FALSE(reader.read_list(K::gemini_file, answer.substr(0, cut))) << cut;
}

TEST(ResourceReader, ALineOfABatchIsTheRequestInItsBody) {
    ResourceReader reader;
    EXPECT_EQ(*reader.read_batch_line(R"({"custom_id":"a","body":{"input":[{"type":"item_reference","id":"msg-1"}]}})"),
              (Names{{K::item, "msg-1"}}));
    EXPECT_EQ(*reader.read_batch_line(R"({"BODY":{"previous_response_id":"r"},"b\u006fdy":{"file_id":"f"}})"),
              (Names{{K::response, "r"}, {K::file, "f"}}));
    EXPECT_EQ(*reader.read_batch_line(R"({"body":{"metadata":{"file_id":"f"}}})"), Names{});
    for (const char* line : {"", "x", "[]", "{", "{} {}", R"({"body":{"a":1})"})
        EXPECT_FALSE(reader.read_batch_line(line));
}

TEST(ResourceReader, WhatIsNotTheProvidersToReadIsPassedOver) {
    for (
        const char* body :
        {R"({"metadata":{"file_id":"x"}})",
         R"({"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"file_id":"x"}}]}]})",
         R"({"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"file_id":"x"}}}}]})",
         R"({"tools":[{"name":"f","input_schema":{"properties":{"file_id":{"const":"x"}}}}]})",
         R"({"messages":[{"tool_calls":[{"function":{"arguments":"{\"file_id\":\"x\"}"}}]}]})",
         R"({"file_id":null,"conversation":{},"container":{"type":"auto"},"previous_response_id":null})"})
        EXPECT_EQ(named(body), Names{}) << body;
}

TEST(ResourceReader, TellsTheModelAndWhetherItStores) {
    ResourceReader reader;
    const std::string_view body = R"( {"model":"gp\u0074","stream":true,"store":false,"input":"x"})";
    const auto read = reader.read_request(body);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->model, "gpt");
    EXPECT_EQ(text_of(body, read->model_range), R"("gp\u0074")");
    EXPECT_FALSE(read->stores);
    EXPECT_TRUE(reader.read_request(R"({"store":null})")->stores);
    for (const char* bad : {"", "[]", "{", R"({"a":1} x)", R"({"file_id":"\x"})", R"({"model":"a","model":"b"})"})
        EXPECT_FALSE(reader.read_request(bad)) << bad;
    std::string many = R"({"file_ids":[)";
    for (size_t i = 0; i <= ResourceReader::names_max; ++i) many += i == 0 ? R"("f")" : R"(,"f")";
    const auto crowded = reader.read_request(many + "]}");
    ASSERT_FALSE(crowded);
    EXPECT_EQ(crowded.error().code, Errc::too_large);
}

TEST(ResourceReader, FindsWhatAnAnswerBrings) {
    ResourceReader reader;
    const auto made = [&](K kind, std::string_view answer) { return reader.read_made(kind, answer).value_or(Names{}); };
    EXPECT_EQ(made(K::file, R"({"object":"file","id":"f1","metadata":{"id":"x"}})"), (Names{{K::file, "f1"}}));
    EXPECT_EQ(made(K::batch, R"({"id":"b","input_file_id":"i","output_file_id":"o","error_file_id":null})"),
              (Names{{K::file, "o"}, {K::batch, "b"}}));
    EXPECT_EQ(made(K::upload, R"({"id":"u","file":{"id":"f1","object":"file"}})"),
              (Names{{K::file, "f1"}, {K::upload, "u"}}));
    EXPECT_EQ(made(K::fine_tuning_job, R"({"id":"j","result_files":["a","b"]})"),
              (Names{{K::file, "a"}, {K::file, "b"}, {K::fine_tuning_job, "j"}}));
    EXPECT_EQ(made(K::response, R"({"id":"r","output":[{"id":"msg_1","content":[{"id":"x"}]},)"
                                R"({"type":"code_interpreter_call","id":"ci","container_id":"c"}]})"),
              (Names{{K::item, "msg_1"}, {K::item, "ci"}, {K::container, "c"}, {K::response, "r"}}));
    EXPECT_EQ(reader.read_event(R"({"type":"response.created","response":{"id":"r","output":[]}})"),
              (Names{{K::response, "r"}}));
    EXPECT_EQ(reader.read_event(R"({"type":"response.output_text.delta","delta":"{\"response\":{\"id\":\"x\"}}"})"),
              Names{});
    EXPECT_EQ(reader.read_event("[DONE]"), Names{});
    for (const char* bad : {"", "[]", "{", R"({"id":"x"} y)"}) EXPECT_FALSE(reader.read_made(K::file, bad)) << bad;
}

TEST(ResourceReader, TheResultsOfAMessageBatchAreAskedForHere) {
    ResourceReader reader;
    const auto with_paths = [&](std::string_view answer) {
        std::string out;
        EXPECT_TRUE(reader.write_results_paths(answer, out)) << answer;
        return out;
    };
    EXPECT_EQ(with_paths(R"({"id":"b","results_url":"https://api.anthropic.com/v1/messages/batches/b/results","x":1})"),
              R"({"id":"b","results_url":"/v1/messages/batches/b/results","x":1})");
    EXPECT_EQ(
        with_paths(R"({"data":[{"results_url":null},{"results_url":"http://h:1/p/v1/messages/batches/b/results"}]})"),
        R"({"data":[{"results_url":null},{"results_url":"/v1/messages/batches/b/results"}]})");
    for (const char* same :
         {R"({"results_url":"https://elsewhere/x"})", R"({"a":{"results_url":"https://h/v1/messages/batches/"}})",
          R"({"results_url":"/v1/messages/batches/b/results"})", "{}"})
        EXPECT_EQ(with_paths(same), same);
    std::string out;
    EXPECT_FALSE(reader.write_results_paths("[]", out));
    EXPECT_EQ(out, "");
}

std::string filtered(std::string_view answer, const std::vector<std::string_view>& own) {
    ResourceReader reader;
    const auto list = reader.read_list(K::file, answer);
    EXPECT_TRUE(list);
    std::vector<bool> keeps;
    for (const auto& element : list->elements) keeps.push_back(std::ranges::find(own, element.id) != own.end());
    std::string out;
    write_list(answer, *list, keeps, out);
    return out;
}

TEST(List, KeepsItsOwnersElementsAsTheyStood) {
    const std::string_view answer =
        R"({"object":"list", "data":[ {"id":"a","x":1.0} ,{"id":"b"}, {"id":"c","y":[1,{"id":"b"}]} ],)"
        R"("first_id":"a","last_id":"c" ,"has_more":true,"vendor":{"keep":1}})";
    EXPECT_EQ(filtered(answer, {"a", "c"}),
              R"({"object":"list", "data":[{"id":"a","x":1.0},{"id":"c","y":[1,{"id":"b"}]}],)"
              R"("first_id":"a","last_id":"c" ,"has_more":true,"vendor":{"keep":1}})");
    EXPECT_EQ(filtered(answer, {"b"}), R"({"object":"list", "data":[{"id":"b"}],"first_id":"b","last_id":"b" ,)"
                                       R"("has_more":true,"vendor":{"keep":1}})");
    EXPECT_EQ(filtered(answer, {}), R"({"object":"list", "data":[],"first_id":null,"last_id":null ,)"
                                    R"("has_more":true,"vendor":{"keep":1}})");
}

TEST(List, MayStandInAnyOrderAndWithoutItsEdges) {
    EXPECT_EQ(filtered(R"({"has_more":false,"last_id":"b","first_id":"a","data":[{"id":"a"},{"id":"b"}]})", {"a"}),
              R"({"has_more":false,"last_id":"a","first_id":"a","data":[{"id":"a"}]})");
    EXPECT_EQ(filtered(R"({"data":[{"id":"a"},{"id":"b"}]})", {"b"}), R"({"data":[{"id":"b"}]})");
    EXPECT_EQ(filtered(R"({"data":[]})", {}), R"({"data":[]})");
    EXPECT_EQ(filtered(R"({"data":["a",{"no":"id"},{"id":7},{"id":"b"}]})", {"b"}), R"({"data":[{"id":"b"}]})")
        << "what has no id is nobody's";
    EXPECT_EQ(filtered(R"({"data":[{"id":"\u0061"}],"first_id":"a"})", {"a"}),
              R"({"data":[{"id":"\u0061"}],"first_id":"a"})");
}

/// A list that cannot be told is none: nothing of it may pass.
TEST(List, EveryCutIsRefused) {
    const std::string_view answer =
        R"({"object":"list","data":[{"id":"a"},{"id":"b"}],"first_id":"a","has_more":true})";
    ResourceReader reader;
    for (size_t cut = 0; cut < answer.size(); ++cut)
        EXPECT_FALSE(reader.read_list(K::file, answer.substr(0, cut))) << cut;
    EXPECT_TRUE(reader.read_list(K::file, answer));
    for (const char* bad : {R"([])", R"({"data":{}})", R"({"object":"list"})", R"({"data":[{"id":"a"}],"data":[]})"})
        EXPECT_FALSE(reader.read_list(K::file, bad)) << bad;
}

/// Against the plain law: over all subsets of a few elements, what is left is the kept ones in their order.
TEST(List, IsTheSubsetOfItsOwner) {
    constexpr size_t count = 6;
    for (unsigned own = 0; own < 1u << count; ++own) {
        std::string answer = R"({"data":[)", expected = R"({"data":[)";
        std::vector<std::string> ids;
        std::vector<std::string_view> kept;
        for (size_t i = 0; i < count; ++i) ids.push_back("id" + std::to_string(i));
        for (size_t i = 0; i < count; ++i) {
            const std::string element = R"({"id":")" + ids[i] + R"("})";
            answer += (i == 0 ? "" : ",") + element;
            if ((own >> i & 1) == 0) continue;
            expected += (kept.empty() ? "" : ",") + element;
            kept.push_back(ids[i]);
        }
        const auto edge = [&](auto get) { return kept.empty() ? "null" : '"' + std::string(get()) + '"'; };
        answer += R"(],"last_id":"id5","first_id":"id0"})";
        expected += R"(],"last_id":)" + edge([&] { return kept.back(); }) + R"(,"first_id":)" +
                    edge([&] { return kept.front(); }) + "}";
        EXPECT_EQ(filtered(answer, kept), expected);
    }
}

}  // namespace
}  // namespace loom::llm
