// Certificates of a listener that are renewed while it serves, and reloads that say something else of it.
#include <fmt/format.h>

#include <ctime>
#include <filesystem>

#include "tls_listener_fixture.h"

namespace loom::wire {
namespace {

using TlsRenewal = TlsListener;

TEST_F(TlsRenewal, ARenewedCertificateIsPickedUpAndOldConnectionsLiveOn) {
    conf.set("loop.shards", "2").set("tls.watch_interval", "20ms");
    start(answer_always(answer(chat_answer)));
    TlsClient old = connect();
    EXPECT_EQ(old.ask(chat_request(chat_body)).status(), 200);
    issue("host", {.names = "IP:127.0.0.1", .common_name = "renewed"});
    wait_until("the new certificate", [&] { return subject_shown() == "CN=renewed"; });
    wait_for_log("TLS files have changed and were read");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(subject_shown(), "CN=renewed") << "on every shard";
    EXPECT_EQ(old.session().peer()->subject, "CN=local");
    EXPECT_EQ(old.ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(loom().eventually_sum("loom_config_reloads_total"), 0);
    EXPECT_EQ(loom().eventually("loom_tls_certificate_renewals_total{result=\"success\"}"), 1);
}

TEST_F(TlsRenewal, TheEndOfACertificateIsInTheMetricsAndWhenItIsNearInTheLog) {
    conf.set("tls.watch_interval", "20ms");
    start(answer_always(answer(chat_answer)));
    const auto ends_in_days = [&] {
        const double ends_s =
            loom().metric(fmt::format("loom_tls_certificate_expiry_timestamp_seconds{{owner=\"listener.http\","
                                      "certificate=\"{}\"}}",
                                      file("host.crt")));
        return (ends_s - static_cast<double>(::time(nullptr))) / 86'400;
    };
    EXPECT_NEAR(ends_in_days(), 1, 0.1);
    EXPECT_TRUE(contains(loom().log(), "in 1 day; remedy: renew it")) << "at the start";
    HostSpec long_lived = local;
    long_lived.ends_in_seconds = 90 * 86'400;
    issue("host", long_lived);
    wait_until("the renewed one", [&] { return ends_in_days() > 89; });
    HostSpec near = local;
    near.ends_in_seconds = 13 * 86'400 + 60;
    issue("host", near);
    wait_for_log("in 13 days; remedy: renew it");
    EXPECT_EQ(loom().eventually("loom_tls_certificate_renewals_total{result=\"success\"}"), 2);
}

TEST_F(TlsRenewal, ABrokenRenewalKeepsTheOldCertificateAndTheNextOneIsTaken) {
    conf.set("tls.watch_interval", "20ms");
    issue("other", {.names = "DNS:other.example", .common_name = "other"});
    conf.set("listener.http.tls.certificate", file("host.crt") + ", " + file("other.crt"));
    start(answer_always(answer(chat_answer)));
    write("host.crt", "-----BEGIN CERTIFICATE-----\nhalf");
    wait_for_log("what it held before stays in force");
    EXPECT_TRUE(contains(loom().log(), "host.crt")) << loom().log();
    EXPECT_EQ(subject_shown(), "CN=local");
    EXPECT_GE(loom().metric("loom_tls_certificate_renewals_total{result=\"error\"}"), 1);
    issue("other", {.names = "DNS:other.example", .common_name = "other renewed"});
    wait_until("the other one's renewal", [&] { return subject_shown("other.example") == "CN=other renewed"; });
    EXPECT_EQ(subject_shown(), "CN=local");
    issue("host", {.names = "IP:127.0.0.1", .common_name = "renewed"});
    wait_until("the new certificate", [&] { return subject_shown() == "CN=renewed"; });
}

TEST_F(TlsRenewal, AReloadPicksUpRenewedFilesAndRefusesBrokenOnes) {
    conf.set("tls.watch_interval", "0");
    start(answer_always(answer(chat_answer)));
    issue("host", {.names = "IP:127.0.0.1", .common_name = "renewed"});
    EXPECT_EQ(subject_shown(), "CN=local");
    loom().reload(conf.text());
    EXPECT_EQ(subject_shown(), "CN=renewed");
    write("host.key", "no key at all");
    loom().reload(conf.text(), false);
    EXPECT_TRUE(contains(loom().log(), "listener.http.tls.certificate: ")) << loom().log();
    EXPECT_EQ(subject_shown(), "CN=renewed");
}

TEST_F(TlsRenewal, AReloadKeepsTicketsGood) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask_tls(get("/v1/models")).status(), 200);
    loom().reload(conf.text());
    EXPECT_EQ(ask_tls(get("/v1/models")).status(), 200);
    EXPECT_EQ(handshakes("resumed"), 1);
}

TEST_F(TlsRenewal, ANewFileOfAPatternIsServed) {
    conf.set("tls.watch_interval", "20ms").set("listener.http.tls.certificate", file("*.crt"));
    start(answer_always(answer(chat_answer)));
    issue("late", {.names = "DNS:late.example", .common_name = "late"});
    wait_until("the late one", [&] { return is_served("late.example"); });
}

TEST_F(TlsRenewal, ANewFileOfAPatternWithoutItsKeyIsLeftOutAndTheRestIsRenewed) {
    conf.set("tls.watch_interval", "20ms").set("listener.http.tls.certificate", file("*.crt"));
    start(answer_always(answer(chat_answer)));
    const net::TlsKeyPair late = authority_.issue({.names = "DNS:late.example", .common_name = "late"});
    write("late.crt", late.certificate_pem);
    wait_for_log("late.crt is left out until it can be used");
    EXPECT_TRUE(contains(loom().log(), "late.key: No such file or directory")) << loom().log();
    issue("host", {.names = "IP:127.0.0.1", .common_name = "renewed"});
    wait_until("the other one's renewal", [&] { return subject_shown() == "CN=renewed"; });
    EXPECT_FALSE(is_served("late.example"));
    write("late.key", late.key_pem);
    wait_until("the late one", [&] { return is_served("late.example"); });
}

TEST_F(TlsRenewal, NoFileLeftOfAPatternKeepsWhatWasThere) {
    conf.set("tls.watch_interval", "20ms").set("listener.http.tls.certificate", file("*.crt"));
    start(answer_always(answer(chat_answer)));
    std::filesystem::rename(file("host.crt"), file("host.away"));
    wait_for_log("what the listener had before stays in force");
    EXPECT_EQ(subject_shown(), "CN=local");
    issue("host", {.names = "IP:127.0.0.1", .common_name = "renewed"});
    wait_until("the renewed one", [&] { return subject_shown() == "CN=renewed"; });
}

// ---- reloads without it ----

TEST_F(TlsRenewal, OneThatTheConfNamesNoMoreIsServedAndRenewedUntilTheNextStart) {
    conf.set("tls.watch_interval", "20ms");
    start(answer_always(answer(chat_answer)));
    Conf renamed = conf;
    renamed.set("listener.http.address", "").set("listener.http.protocol", "").set("listener.http.tls.certificate", "");
    renamed.set("listener.web.address", "127.0.0.1:1").set("listener.web.tls.certificate", file("host.crt"));
    loom().reload(renamed.text());
    for (const char* key : {"listener.http.address", "listener.web.address"})
        EXPECT_TRUE(contains(loom().log(), fmt::format("{} has changed and takes effect with the next start", key)))
            << loom().log();
    EXPECT_EQ(ask_tls(chat_request(chat_body)).status(), 200);
    issue("host", {.names = "IP:127.0.0.1", .common_name = "renewed"});
    wait_until("the renewed one", [&] { return subject_shown() == "CN=renewed"; });
    loom().reload(renamed.set("listener.web.tls.certificate", "").text());
    std::filesystem::remove(file("host.key"));
    loom().reload(renamed.text());
    wait_for_log("what the listener had before stays in force");
    EXPECT_EQ(subject_shown(), "CN=renewed");
}

TEST_F(TlsRenewal, WhatItSpeaksChangesWithTheNextStart) {
    conf.set("listener.http.protocol", "");
    start(answer_always(answer(chat_answer)));
    Conf plain = conf;
    loom().reload(plain.set("listener.http.tls.certificate", "").text());
    wait_for_log("listener.http: that it speaks http takes effect with the next start");
    EXPECT_EQ(ask_tls(chat_request(chat_body)).status(), 200);
}

}  // namespace
}  // namespace loom::wire
