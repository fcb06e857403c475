// The register on its thread: every question is answered once, whatever happens.
#include "loom/store/resource_register.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "database.h"
#include "directory.h"

namespace loom::store {
namespace {

std::unique_ptr<ResourceRegister> open(ResourceRegister::Options options) {
    auto opened = ResourceRegister::open(std::move(options));
    EXPECT_TRUE(opened) << opened.error();
    return opened ? std::move(*opened) : nullptr;
}

Result<ResourceAnswer> ask(ResourceRegister& resources, ResourceQuestion question) {
    std::promise<Result<ResourceAnswer>> answered;
    resources.ask(std::move(question), [&](Result<ResourceAnswer> answer) { answered.set_value(std::move(answer)); });
    return answered.get_future().get();
}

TEST(ResourceRegister, AnswersWhatItWasToldByAnyThread) {
    const auto resources = open({});
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            const std::string tenant = fmt::format("tenant-{}", t);
            for (int i = 0; i < 50; ++i) {
                const ResourceKey key{"file", fmt::format("file-{}-{}", t, i)};
                ASSERT_TRUE(ask(*resources, {.tenant = tenant, .made = {{key, "openai", ""}}}));
                const ResourceKey others{"file", fmt::format("file-{}-{}", (t + 1) % 4, i)};
                const auto answer = ask(*resources, {.tenant = tenant, .named = {key, others}});
                ASSERT_TRUE(answer);
                EXPECT_EQ(answer->accounts, (std::vector<std::string>{"openai", ""}));
            }
        });
    for (std::thread& thread : threads) thread.join();
}

TEST(ResourceRegister, WhatIsAskedBeforeTheStopIsAnsweredAndWhatIsAskedLaterRefused) {
    const auto resources = open({});
    std::atomic<int> answered = 0, good = 0;
    for (int i = 0; i < 500; ++i)
        resources->ask({.tenant = "a", .made = {{{"file", fmt::format("file-{}", i)}, "openai", ""}}},
                       [&](const Result<ResourceAnswer>& answer) {
                           good += answer ? 1 : 0;
                           answered += 1;
                       });
    resources->stop();
    EXPECT_EQ(answered, 500);
    EXPECT_EQ(good, 500);
    const auto late = ask(*resources, {.tenant = "a"});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Errc::cancelled);
    resources->stop();
}

TEST(ResourceRegister, ACrowdAndALongIdAreRefusedAtOnce) {
    const auto resources = open({.questions_max = 0});
    const auto crowded = ask(*resources, {.tenant = "a"});
    ASSERT_FALSE(crowded);
    EXPECT_EQ(crowded.error().code, Errc::exhausted);
    const std::string id(ResourceRegister::text_bytes_max + 1, 'x');
    const auto refused = ask(*resources, {.tenant = "a", .made = {{{"file", id}, "openai", ""}}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::too_large);
    const auto wide = open({});
    const auto unknown = ask(*wide, {.tenant = "a", .named = {{"file", id}}});
    ASSERT_TRUE(unknown) << "an id that could never be kept is nobody's";
    EXPECT_EQ(unknown->accounts, std::vector<std::string>{""});
}

/// Another process holds the file: the question fails with a cause, in bounded time, and the next one succeeds.
TEST(ResourceRegister, AFileThatIsHeldIsAFaultAndNoWaitForEver) {
    const Directory directory;
    std::mutex mutex;
    std::vector<std::string> notices;
    const auto resources = open({.directory = directory.path(), .on_notice = [&](std::string text) {
                                     const std::lock_guard lock(mutex);
                                     notices.push_back(std::move(text));
                                 }});
    auto other = Database::open(directory.file("resources.db"));
    ASSERT_TRUE(other);
    ASSERT_TRUE(other->run("BEGIN IMMEDIATE"));
    const ResourceQuestion question{.tenant = "a", .made = {{{"file", "file-1"}, "openai", ""}}};
    const auto refused = ask(*resources, question);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::io);
    ASSERT_TRUE(other->run("ROLLBACK"));
    EXPECT_TRUE(ask(*resources, question));
    const std::lock_guard lock(mutex);
    ASSERT_EQ(notices.size(), 1U);
    EXPECT_NE(notices[0].find("locked"), std::string::npos) << notices[0];
}

}  // namespace
}  // namespace loom::store
