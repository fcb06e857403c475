// SIGHUP swaps the configuration whole; SIGTERM lets streams end. Neither loses a request.
#include <signal.h>

#include <atomic>

#include "fixture.h"

namespace loom::wire {
namespace {

class Reload : public WireTest {};

TEST_F(Reload, UnderLoadWithNoFailedRequest) {
    conf.set("loop.shards", "2");
    start(answer_always(answer(chat_answer)));
    std::atomic<bool> is_over = false;
    std::atomic<int> served = 0;
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            try {
                RawClient kept(loom().port());
                while (!is_over) {
                    const Message response =
                        thread % 2 == 0 ? kept.ask(chat_request(chat_body)) : ask(chat_request(chat_body));
                    if (response.body != chat_answer) throw WireError("a wrong answer: " + response.raw());
                    ++served;
                }
            } catch (const WireError& error) {
                ADD_FAILURE() << error.what();
            }
        });
    }
    try {
        for (int turn = 0; turn < 10; ++turn) {
            const int before = served;
            wait_until("load", [&] { return served > before + 20 || HasFailure(); });
            conf.set("provider.mock.header.X-Generation", std::to_string(turn));
            loom().reload(conf.text());
            EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
        }
    } catch (const WireError& error) {
        ADD_FAILURE() << error.what();
    }
    is_over = true;
    for (std::thread& thread : threads) thread.join();
    ask(chat_request(chat_body));
    EXPECT_EQ(upstream().last_request().head.value("X-Generation"), "9");
}

TEST_F(Reload, AStreamInFlightEndsOnTheConfThatItBeganWith) {
    const std::string& events = golden_streams().front().events;
    Gate is_reloaded;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(events.substr(0, 40)));
        is_reloaded.wait();
        connection.send(chunk(events.substr(40)) + std::string(last_chunk));
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    ScriptedUpstream other(answer_always(answer("{\"other\":1}")));
    loom().reload(conf.use_upstream(other.port()).set("provider.mock.api_key", "sk-second-key").text());
    EXPECT_EQ(ask(chat_request(chat_body)).body, "{\"other\":1}");
    EXPECT_EQ(other.request(0).head.value("Authorization"), "Bearer sk-second-key");
    is_reloaded.open();
    EXPECT_EQ(one.reader().read_rest().body, events);
}

TEST_F(Reload, ABadConfKeepsTheOldOne) {
    start(answer_always(answer(chat_answer)));
    Conf bad = conf;
    loom().reload(bad.set("provider.mock.modles", "x").set("loop.nonsense", "7").text(), false);
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
    EXPECT_TRUE(contains(loom().log(), "provider.mock.modles")) << loom().log();
    EXPECT_TRUE(contains(loom().log(), "loop.nonsense")) << "all errors at once";
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
}

TEST_F(Reload, WhatOnlyAStartChangesIsNamed) {
    start(answer_always(answer(chat_answer)));
    Conf changed = conf;
    changed.set("buffer.count", "128").set("limit.body_size", "1MiB");
    loom().reload(changed.text());
    EXPECT_TRUE(contains(loom().log(), "buffer.count has changed and takes effect with the next start"));
    EXPECT_FALSE(contains(loom().log(), "limit.body_size has changed"));
}

TEST_F(Reload, KeysAndConsumersAreThoseOfTheNewConf) {
    start(answer_always(answer(chat_answer)));
    RawClient kept = client();
    EXPECT_EQ(kept.ask(chat_request(chat_body)).status(), 200);
    loom().reload(conf.set("consumer.tester.api_key", "sk-rotated-0011").text());
    expect_error(kept.ask(chat_request(chat_body)), 401);
}

TEST(Start, IsReadyOnceEveryShardIs) {
    constexpr size_t shard_count = 16;
    LoomProcess loom(
        Conf().use_upstream(1).set("loop.shards", std::to_string(shard_count)).text());  // waits for /readyz
    const std::string descriptors = loom.descriptors();
    size_t ring_count = 0;
    for (size_t at = 0; (at = descriptors.find("[io_uring]", at)) != std::string::npos; ++at) ++ring_count;
    EXPECT_EQ(ring_count, shard_count + 1) << "admin's is one more; " << descriptors;
    loom.stop_cleanly();
}

TEST(Start, ABadConfEndsWith78AndSaysWhere) {
    const Exit exit = LoomProcess::run_to_end(Conf().use_upstream(1).set("routng.strategy", "priority").text());
    EXPECT_EQ(exit.code, 78) << exit.log;
    EXPECT_TRUE(contains(exit.log, "routng.strategy")) << exit.log;
    EXPECT_TRUE(contains(exit.log, "routing.strategy")) << "names the nearest: " << exit.log;
    EXPECT_TRUE(contains(exit.log, "loom.conf:")) << exit.log;
}

TEST(Start, ATakenPortIsSaid) {
    const Listening taken = listen_on_loopback();
    Conf conf;
    conf.use_upstream(1).set("listener.http.address", "127.0.0.1:" + std::to_string(taken.port));
    const Exit exit = LoomProcess::run_to_end(conf.text());
    EXPECT_NE(exit.code, 0) << exit.log;
    EXPECT_TRUE(contains(exit.log, "in use")) << exit.log;
    EXPECT_TRUE(contains(exit.log, std::to_string(taken.port))) << exit.log;
}

/// SO_REUSEPORT would let the kernel spread the clients over both, silently: a second start by mistake, or an old
/// process that has not ended.
TEST(Start, ASecondLoomOnTheSameAddressIsRefused) {
    LoomProcess first(Conf().use_upstream(1).set("loop.shards", "2").text());
    const std::string main = "127.0.0.1:" + std::to_string(first.port());
    const std::string admin = "127.0.0.1:" + std::to_string(first.admin_port());
    Exit exit = LoomProcess::run_to_end(Conf().use_upstream(1).set("listener.http.address", main).text());
    EXPECT_EQ(exit.code, 78) << exit.log;
    EXPECT_TRUE(contains(exit.log, "cannot listen on " + main + " (listener.http.address)")) << exit.log;
    EXPECT_TRUE(contains(exit.log, "listener.http.share_address = on")) << exit.log;
    exit = LoomProcess::run_to_end(Conf().use_upstream(1).set("admin.listen", admin).text());
    EXPECT_EQ(exit.code, 78) << exit.log;
    EXPECT_TRUE(contains(exit.log, "cannot listen on " + admin + " (admin.listen)")) << exit.log;
    EXPECT_TRUE(contains(exit.log, "admin.share_address = on")) << exit.log;
    first.stop_cleanly();
}

/// Whoever rolls over to a new process says so; then the old one can go without a refused connection.
TEST(Start, AnAddressMayBeSharedOnPurpose) {
    LoomProcess first(Conf().use_echo().text());
    const std::string main = "127.0.0.1:" + std::to_string(first.port());
    LoomProcess second(
        Conf().use_echo().set("listener.http.address", main).set("listener.http.share_address", "on").text());
    first.stop_cleanly();
    EXPECT_EQ(ask_once(first.port(), get("/v1/models")).status(), 200);
    second.stop_cleanly();
}

/// The side that closes first leaves its end in TIME_WAIT: a restart is not kept waiting by it.
TEST(Start, ConnectionsOfThePastAreInNobodysWay) {
    LoomProcess first(Conf().use_echo().text());
    const std::string main = "127.0.0.1:" + std::to_string(first.port());
    RawClient idle(first.port());
    EXPECT_EQ(idle.ask(get("/v1/models")).status(), 200);
    first.stop_cleanly();
    EXPECT_NE(idle.read_end(), End::open);
    idle.close();
    LoomProcess second(Conf().use_echo().set("listener.http.address", main).text());
    EXPECT_EQ(ask_once(first.port(), get("/v1/models")).status(), 200);
    second.stop_cleanly();
}

class Drain : public WireTest {
  protected:
    /// A client that has the first event of a stream which goes on until somebody ends it.
    RawClient begin_endless_stream() {
        start([](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(sse_head + chunk(delta_event("Hello")));
            connection.wait_closed();
        });
        RawClient one = client();
        one.send(chat_request(stream_body));
        one.reader().start_response();
        one.reader().read_body_until("Hello");
        return one;
    }
};

TEST_F(Drain, AStreamInFlightEndsWholeAndNewConnectionsAreRefused) {
    const std::string& events = golden_streams().front().events;
    Gate is_draining;
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(events.substr(0, 40)));
        is_draining.wait();
        connection.send(chunk(events.substr(40)) + std::string(last_chunk));
    });
    RawClient one = client();
    RawClient idle = client();
    EXPECT_EQ(idle.ask(get("/v1/models")).status(), 200);
    one.send(chat_request(stream_body));
    one.reader().start_response();
    loom().signal(SIGTERM);
    wait_until("the listener's end", [&] { return !can_connect(loom().port()); });
    EXPECT_NE(idle.read_end(), End::open) << "an idle connection has nothing to wait for";
    EXPECT_TRUE(loom().is_running());
    is_draining.open();
    const Message response = one.reader().read_rest();
    EXPECT_EQ(response.body, events);
    EXPECT_TRUE(response.is_whole());
    const Exit exit = loom().wait_for_exit();
    EXPECT_EQ(exit.code, 0) << exit.log;
    EXPECT_EQ(LoomProcess::complaint_in(exit.log), "");
}

TEST_F(Drain, IsBounded) {
    conf.set("timeout.drain", "300ms");
    RawClient one = begin_endless_stream();
    loom().signal(SIGTERM);
    const Exit exit = loom().wait_for_exit(Deadline::in(std::chrono::seconds(5)));
    EXPECT_EQ(exit.code, 0) << exit.log;
    EXPECT_EQ(LoomProcess::complaint_in(exit.log), "");
    const Message response = one.reader().read_rest();
    EXPECT_TRUE(!response.is_whole() || contains(response.body, "\"error\"")) << "no clean end of half a stream";
}

TEST_F(Drain, ASecondSignalBreaksOffWhatStillRuns) {
    conf.set("timeout.drain", "10m");
    RawClient one = begin_endless_stream();
    loom().signal(SIGTERM);
    wait_until("the listener's end", [&] { return !can_connect(loom().port()); });
    EXPECT_TRUE(loom().is_running());
    loom().signal(SIGINT);
    EXPECT_EQ(loom().wait_for_exit(Deadline::in(std::chrono::seconds(5))).code, 0);
}

TEST_F(Drain, SigintIsTheSame) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    loom().signal(SIGINT);
    EXPECT_EQ(loom().wait_for_exit().code, 0);
}

TEST_F(Drain, ReadyzSaysNoWhileItDrainsAndTheAdminStillAnswers) {
    RawClient one = begin_endless_stream();
    loom().signal(SIGTERM);
    wait_until("/readyz to say 503", [&] {
        return ask_once(loom().admin_port(), request("GET", "/readyz", "Connection: close\r\n")).status() == 503;
    });
    one.reset();
    EXPECT_EQ(loom().wait_for_exit().code, 0);
}

/// All threads at once: two shards at work, scrapes on the admin's, a reload, and an end in the middle of it.
TEST_F(Drain, UnderLoadAndScrapesEndsInOrder) {
    conf.set("loop.shards", "2");
    start(answer_always(answer(chat_answer)));
    std::atomic<bool> is_ending = false;
    std::atomic<int> served = 0;
    std::atomic<int> scraped = 0;
    const auto until_the_end = [&](const auto& ask_again) {
        return std::thread([&is_ending, ask_again] {
            try {
                for (;;) ask_again();
            } catch (const WireError& error) {
                if (!is_ending) ADD_FAILURE() << error.what();
            }
        });
    };
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 3; ++thread)
        threads.push_back(until_the_end([&] {
            if (ask(chat_request(chat_body)).status() == 200) ++served;
        }));
    threads.push_back(until_the_end([&] {
        if (loom().metric_sum("loom_http_requests_total") > 0) ++scraped;
    }));
    try {
        wait_until("load and scrapes", [&] { return (served > 50 && scraped > 5) || HasFailure(); });
        loom().reload(conf.set("timeout.total", "5m").text());
        const int before = served;
        wait_until("load on the new conf", [&] { return served > before + 50 || HasFailure(); });
    } catch (const WireError& error) {
        ADD_FAILURE() << error.what();
    }
    is_ending = true;
    loom().signal(SIGTERM);
    for (std::thread& thread : threads) thread.join();
    const Exit exit = loom().wait_for_exit();
    EXPECT_EQ(exit.code, 0) << exit.log;
    EXPECT_EQ(LoomProcess::complaint_in(exit.log), "");
}

}  // namespace
}  // namespace loom::wire
